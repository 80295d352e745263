//! What a call of the function gives back, decided from the signature alone.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    GenericArgument, PathArguments, PathSegment, Type, TypeImplTrait, TypeParamBound, TypePath,
};

use crate::inside::types;
use crate::outlives::{Scope, alias_may_outlive, object_may_outlive};

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
    /// `Result<impl Stream, E>`, `Option<impl Stream>`: the same, if there is one.
    StreamInside,
    /// The same of `impl Iterator`.
    IteratorInside,
}

impl Shape {
    /// What `ty` is, which the function gives back.
    pub(crate) fn of(ty: &Type, scope: Scope<'_>) -> Shape {
        match ungroup(ty) {
            Type::ImplTrait(ty) => known_trait(&ty.bounds).unwrap_or(Shape::Value),
            Type::Path(path) => match followed(path, scope) {
                Followed::Asked => Shape::Asked,
                Followed::No | Followed::Unseen => {
                    match opaque_inside(ty).and_then(|ty| known_trait(&ty.bounds)) {
                        Some(Shape::Stream) => Shape::StreamInside,
                        Some(Shape::Iterator) => Shape::IteratorInside,
                        _ => Shape::Value,
                    }
                }
            },
            _ => Shape::Value,
        }
    }
}

/// Whether a value of this type may be a future, a stream or an iterator that is not followed, because no wrapper of
/// ours is sure to go where it is.
pub(crate) fn may_go_on(ty: &Type, scope: Scope<'_>) -> bool {
    matches!(ungroup(ty), Type::Path(path) if followed(path, scope) == Followed::Unseen)
}

/// `impl Trait` in `Result<impl Trait, E>` and `Option<impl Trait>`.
pub(crate) fn opaque_inside(ty: &Type) -> Option<&TypeImplTrait> {
    let Type::Path(path) = ungroup(ty) else {
        return None;
    };
    let last = path.path.segments.last()?;
    let carries = last.ident == "Result" || last.ident == "Option";
    match ungroup(types(last).next().filter(|_| carries)?) {
        Type::ImplTrait(ty) => Some(ty),
        _ => None,
    }
}

/// What becomes of a value whose type is named.
#[derive(PartialEq, Eq)]
enum Followed {
    /// It ends its span.
    No,
    /// Its type is asked.
    Asked,
    /// It may be something to follow, in a box that takes nothing of ours.
    Unseen,
}

/// Whether the path may name a box of something to follow. Names that everybody knows save the
/// compiler the question.
fn followed(path: &TypePath, scope: Scope<'_>) -> Followed {
    const VALUES: &[&str] = &[
        "Arc", "BTreeMap", "BTreeSet", "Cow", "Duration", "HashMap", "HashSet", "Option",
        "PathBuf", "Rc", "Result", "Self", "Vec", "VecDeque",
    ];
    let segments = &path.path.segments;
    let Some(last) = segments.last() else {
        return Followed::No;
    };
    // Whose associated type that is, and so how long what it gives lives, stands somewhere else.
    if path.qself.is_some() || segments.iter().nth_back(1).is_some_and(is_type) {
        return Followed::Unseen;
    }
    let name = last.ident.to_string();
    match name.as_str() {
        "Box" => return boxed(last, scope),
        "Pin" => return only_type(last).map_or(Followed::No, |ty| pinned(ty, scope)),
        name if VALUES.contains(&name) => return Followed::No,
        _ if path
            .path
            .get_ident()
            .is_some_and(|ident| scope.has_type(ident)) =>
        {
            return Followed::No;
        }
        _ => {}
    }
    if never_result(&Type::Path(path.clone())) || has_impl(&last.arguments) {
        Followed::No
    } else if alias_may_outlive(last, scope) {
        Followed::Unseen
    } else {
        Followed::Asked
    }
}

/// By the convention of names, and not a module.
fn is_type(segment: &PathSegment) -> bool {
    segment.ident.to_string().starts_with(char::is_uppercase)
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

/// `Box<dyn Trait>`, inside of a `Pin`.
fn pinned(ty: &Type, scope: Scope<'_>) -> Followed {
    match ungroup(ty) {
        Type::Path(path) => match path.path.segments.last() {
            Some(segment) if segment.ident == "Box" => boxed(segment, scope),
            _ => Followed::No,
        },
        _ => Followed::No,
    }
}

fn boxed(segment: &PathSegment, scope: Scope<'_>) -> Followed {
    match only_type(segment).map(ungroup) {
        Some(Type::TraitObject(object)) if known_trait(&object.bounds).is_some() => {
            if object_may_outlive(object, scope) {
                Followed::Unseen
            } else {
                Followed::Asked
            }
        }
        _ => Followed::No,
    }
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
