//! What a call of the function gives back, decided from the signature alone.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Type, TypeParamBound,
    TypePath, TypeTraitObject,
};

use crate::pinned::assigned;

/// What a function, or the future of an `async fn`, gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// A value: it ends the span.
    Value,
    /// By its spelling it may be a box with a future, a stream or an iterator in it, or the alias of
    /// such a box. The expansion asks its type.
    Asked,
    /// `impl Future`: the span is that of the future.
    Future,
    /// `impl Stream`: the span stays open until it has ended.
    Stream,
    /// `impl Iterator`: the same.
    Iterator,
}

impl Shape {
    pub(crate) fn of(signature: &Signature) -> Shape {
        let ReturnType::Type(_, ty) = &signature.output else {
            return Shape::Value;
        };
        match ungroup(ty) {
            Type::ImplTrait(ty) => known_trait(&ty.bounds).unwrap_or(Shape::Value),
            Type::Path(path) if may_be_followed(path, signature) => Shape::Asked,
            _ => Shape::Value,
        }
    }
}

/// Whether the path may name a box of something to follow. Names that everybody knows save the
/// compiler the question.
fn may_be_followed(path: &TypePath, signature: &Signature) -> bool {
    const VALUES: &[&str] = &[
        "Arc", "BTreeMap", "BTreeSet", "Cow", "Duration", "HashMap", "HashSet", "Option",
        "PathBuf", "Rc", "Result", "Self", "Vec", "VecDeque",
    ];
    let Some(last) = path.path.segments.last() else {
        return false;
    };
    if path.qself.is_none() {
        let name = last.ident.to_string();
        let parameter = |ident: &Ident| signature.generics.type_params().any(|p| p.ident == *ident);
        match name.as_str() {
            "Box" => return boxed_bounds(last, signature).is_some(),
            "Pin" => return only_type(last).is_some_and(|ty| is_box_of_trait(ty, signature)),
            name if VALUES.contains(&name) => return false,
            _ if path.path.get_ident().is_some_and(parameter) => return false,
            _ => {}
        }
    }
    // An alias says nothing of how long its box lives, if not by a lifetime of its own.
    let may_outlive = !has_lifetime(last) && borrows(last.arguments.to_token_stream(), signature);
    !never_result(&Type::Path(path.clone())) && !has_impl(&last.arguments) && !may_outlive
}

/// A lifetime that is not `'static` among the arguments.
fn has_lifetime(segment: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return false;
    };
    arguments.args.iter().any(|argument| {
        matches!(argument, GenericArgument::Lifetime(lifetime) if lifetime.ident != "static")
    })
}

/// `impl Trait` somewhere among the arguments: then the type has no name to ask.
fn has_impl(arguments: &PathArguments) -> bool {
    fn any_impl(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => any_impl(group.stream()),
            _ => false,
        })
    }
    !arguments.is_none() && any_impl(arguments.to_token_stream())
}

/// The trait among `bounds` that says how to follow the value, if there is nothing else that the
/// wrapped value could not be as well.
fn known_trait<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<Shape> {
    let mut known = None;
    for bound in bounds {
        let TypeParamBound::Trait(bound) = bound else {
            continue;
        };
        let name = bound.path.segments.last()?.ident.to_string();
        match name.as_str() {
            "Future" => known = Some(Shape::Future),
            "Stream" => known = Some(Shape::Stream),
            "Iterator" | "DoubleEndedIterator" | "ExactSizeIterator" | "FusedIterator" => {
                known = Some(Shape::Iterator);
            }
            "Send" | "Sync" | "Unpin" | "UnwindSafe" | "RefUnwindSafe" | "Sized" => {}
            _ => return None,
        }
    }
    known
}

/// `Box<dyn Trait>`
fn is_box_of_trait(ty: &Type, signature: &Signature) -> bool {
    match ungroup(ty) {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            segment.ident == "Box" && boxed_bounds(segment, signature).is_some()
        }),
        _ => false,
    }
}

fn boxed_bounds(segment: &PathSegment, signature: &Signature) -> Option<Shape> {
    match ungroup(only_type(segment)?) {
        Type::TraitObject(object) if !outlives_what_it_gives(object, signature) => {
            known_trait(&object.bounds)
        }
        _ => None,
    }
}

/// `dyn Iterator<Item = T> + 'static` where `T` need not be `'static`. Nothing that has that in it can be put into such
/// a box again.
fn outlives_what_it_gives(object: &TypeTraitObject, signature: &Signature) -> bool {
    let is_static = object.bounds.iter().all(|bound| match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        _ => true,
    });
    let given = ["Item", "Output"]
        .into_iter()
        .find_map(|name| assigned(&object.bounds, name));
    is_static && given.is_some_and(|ty| borrows(ty.to_token_stream(), signature))
}

/// Whether a lifetime, or a parameter that need not be `'static`, is among the tokens of a type. Those of the block
/// around are known by being one letter.
fn borrows(ty: TokenStream, signature: &Signature) -> bool {
    let may_borrow = |ident: &Ident| {
        let is_static = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static");
        let mut own = signature.generics.type_params();
        match own.find(|parameter| parameter.ident == *ident) {
            Some(parameter) => !parameter.bounds.iter().any(is_static),
            None => ident.to_string().len() == 1,
        }
    };
    let mut after_quote = false;
    ty.into_iter().any(|token| {
        let lifetime = std::mem::take(&mut after_quote);
        match token {
            TokenTree::Group(group) => borrows(group.stream(), signature),
            TokenTree::Ident(ident) if lifetime => ident != "static",
            TokenTree::Ident(ident) => may_borrow(&ident),
            TokenTree::Punct(punct) => {
                after_quote = punct.as_char() == '\'';
                false
            }
            TokenTree::Literal(_) => false,
        }
    })
}

fn only_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

/// Looks through parentheses and the invisible groups of `macro_rules!`.
pub(crate) fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        Type::Paren(paren) => ungroup(&paren.elem),
        other => other,
    }
}

/// The types that the language names.
pub(crate) const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

/// Whether the spelling alone rules a `Result` out. Everything else is asked by type.
pub(crate) fn never_result(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Array(_)
        | Type::FnPtr(_)
        | Type::ImplTrait(_)
        | Type::Never(_)
        | Type::Ptr(_)
        | Type::Reference(_)
        | Type::Slice(_)
        | Type::Tuple(_) => true,
        Type::Path(path) => path.path.get_ident().is_some_and(|ident| {
            ident == "String" || PRIMITIVES.contains(&ident.to_string().as_str())
        }),
        _ => false,
    }
}
