//! Whether the error that a function returns may hold something that is borrowed, decided from its spelling.
//!
//! Whether an error implements `Error` is asked by method lookup, which does not see lifetimes: where it implements
//! that for `'static` contents only, as `impl<T: Any> Error for Full<T>` does, the lookup succeeds and the borrow
//! checker refuses it. So errors that might borrow are asked less.

use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound};

use crate::inside::types;
use crate::outlives::Scope;
use crate::shape::{never_result, ungroup};

/// Looks for a `Result` anywhere in a return type, whose error may borrow.
pub(crate) fn error_may_borrow(ty: &Type, scope: Scope<'_>) -> bool {
    match ungroup(ty) {
        Type::Path(path) => {
            let in_qself = path
                .qself
                .as_ref()
                .is_some_and(|qself| error_may_borrow(&qself.ty, scope));
            in_qself || path.path.segments.iter().any(|part| segment(part, scope))
        }
        Type::ImplTrait(ty) => ty.bounds.iter().any(|part| bound(part, scope)),
        Type::TraitObject(ty) => ty.bounds.iter().any(|part| bound(part, scope)),
        Type::Tuple(ty) => ty.elems.iter().any(|ty| error_may_borrow(ty, scope)),
        _ => false,
    }
}

fn bound(bound: &TypeParamBound, scope: Scope<'_>) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.iter().any(|part| segment(part, scope)),
        _ => false,
    }
}

fn segment(segment: &PathSegment, scope: Scope<'_>) -> bool {
    let inside = types(segment).any(|ty| error_may_borrow(ty, scope));
    if !segment.ident.to_string().ends_with("Result") {
        return inside;
    }
    // `Result<T, E>`; or an alias that has the error inside, or is given what it borrows.
    let error = types(segment).nth(1);
    inside || error.is_some_and(|ty| may_borrow(ty, scope)) || has_lifetime(segment)
}

/// Whether a type may not be `'static`.
fn may_borrow(ty: &Type, scope: Scope<'_>) -> bool {
    match ungroup(ty) {
        Type::Never(_) => false,
        Type::Tuple(ty) => ty.elems.iter().any(|ty| may_borrow(ty, scope)),
        Type::Path(path) => {
            if path.qself.is_some() {
                return true;
            }
            let segments = &path.path.segments;
            // What `Self` and `Self::Error` are, stands somewhere else.
            let of_self =
                segments[0].ident == "Self" && (segments.len() > 1 || scope.self_may_borrow());
            let borrows = |segment| has_lifetime(segment) || holds_borrowed(segment, scope);
            of_self || segments.iter().any(borrows)
        }
        _ => true,
    }
}

fn holds_borrowed(segment: &PathSegment, scope: Scope<'_>) -> bool {
    types(segment).any(|ty| match ungroup(ty) {
        // A box of an error is one whatever that borrows.
        Type::TraitObject(_) => segment.ident != "Box",
        Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 1 => {
            let segment = &path.path.segments[0];
            scope.may_be_parameter(&segment.ident) && !never_result(ty) || may_borrow(ty, scope)
        }
        ty => may_borrow(ty, scope),
    })
}

fn has_lifetime(segment: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return false;
    };
    arguments.args.iter().any(
        |argument| matches!(argument, GenericArgument::Lifetime(lifetime) if lifetime.ident != "static"),
    )
}
