//! Whether the error that a function returns may hold something that is borrowed, decided from its spelling.
//!
//! Whether an error implements `Error` is asked by method lookup, which does not see lifetimes: where it implements
//! that for `'static` contents only, as `impl<T: Any> Error for Full<T>` does, the lookup succeeds and the borrow
//! checker refuses it. So errors that might borrow are asked less.

use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound};

use crate::inside::types;
use crate::shape::{never_result, ungroup};

/// Looks for a `Result` anywhere in a return type, whose error may borrow.
pub(crate) fn error_may_borrow(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Path(path) => {
            let in_qself = path
                .qself
                .as_ref()
                .is_some_and(|qself| error_may_borrow(&qself.ty));
            in_qself || path.path.segments.iter().any(segment)
        }
        Type::ImplTrait(ty) => ty.bounds.iter().any(bound),
        Type::TraitObject(ty) => ty.bounds.iter().any(bound),
        Type::Tuple(ty) => ty.elems.iter().any(error_may_borrow),
        _ => false,
    }
}

fn bound(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.iter().any(segment),
        _ => false,
    }
}

fn segment(segment: &PathSegment) -> bool {
    let inside = types(segment).any(error_may_borrow);
    if !segment.ident.to_string().ends_with("Result") {
        return inside;
    }
    // `Result<T, E>`; or an alias that has the error inside, or is given what it borrows.
    inside || types(segment).nth(1).is_some_and(may_borrow) || has_lifetime(segment)
}

/// Whether a type may not be `'static`.
fn may_borrow(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Never(_) => false,
        Type::Tuple(ty) => ty.elems.iter().any(may_borrow),
        Type::Path(path) => {
            if path.qself.is_some() {
                return true;
            }
            let segments = &path.path.segments;
            // What `Self::Error` is, stands somewhere else.
            let of_self = segments.len() > 1 && segments[0].ident == "Self";
            of_self
                || segments
                    .iter()
                    .any(|segment| has_lifetime(segment) || holds_borrowed(segment))
        }
        _ => true,
    }
}

fn holds_borrowed(segment: &PathSegment) -> bool {
    types(segment).any(|ty| match ungroup(ty) {
        // A box of an error is one whatever that borrows.
        Type::TraitObject(_) => segment.ident != "Box",
        // A name alone may be a parameter of the block around.
        Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 1 => {
            !never_result(ty)
        }
        ty => may_borrow(ty),
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
