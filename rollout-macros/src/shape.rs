//! What a call of the function gives back, decided from the signature alone.

use syn::{
    GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Type, TypeParamBound,
};

/// How the span of a call ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// When the function returns.
    Sync,
    /// When the future of an `async fn` is done.
    Async,
    /// When the returned future is done.
    Future(Form),
    /// When the returned stream has ended.
    Stream(Form),
    /// When the returned iterator has ended.
    Iterator(Form),
}

/// What the wrapped value is put into, so that the declared type comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// `impl Trait`: nothing.
    Opaque,
    /// `Box<dyn Trait>`.
    Boxed,
    /// `Pin<Box<dyn Trait>>` and its aliases.
    PinnedBox,
}

impl Shape {
    pub(crate) fn of(signature: &Signature) -> Shape {
        if signature.asyncness.is_some() {
            return Shape::Async;
        }
        match &signature.output {
            ReturnType::Default => Shape::Sync,
            ReturnType::Type(_, ty) => returned(ty),
        }
    }
}

fn returned(ty: &Type) -> Shape {
    match ungroup(ty) {
        Type::ImplTrait(ty) => {
            known_trait(&ty.bounds).map_or(Shape::Sync, |kind| kind.shape(Form::Opaque))
        }
        Type::Path(path) if path.qself.is_none() => {
            path.path.segments.last().map_or(Shape::Sync, named)
        }
        _ => Shape::Sync,
    }
}

fn named(segment: &PathSegment) -> Shape {
    match segment.ident.to_string().as_str() {
        "BoxFuture" | "LocalBoxFuture" => Shape::Future(Form::PinnedBox),
        "BoxStream" | "LocalBoxStream" => Shape::Stream(Form::PinnedBox),
        "Pin" => match only_type(segment).and_then(boxed_trait) {
            Some(Known::Iterator) | None => Shape::Sync,
            Some(kind) => kind.shape(Form::PinnedBox),
        },
        "Box" => match boxed_bounds(segment) {
            Some(Known::Iterator) => Shape::Iterator(Form::Boxed),
            _ => Shape::Sync,
        },
        _ => Shape::Sync,
    }
}

#[derive(Clone, Copy)]
enum Known {
    Future,
    Stream,
    Iterator,
}

impl Known {
    fn shape(self, form: Form) -> Shape {
        match self {
            Known::Future => Shape::Future(form),
            Known::Stream => Shape::Stream(form),
            Known::Iterator => Shape::Iterator(form),
        }
    }
}

/// The trait among `bounds` that says how to follow the value, if there is nothing else that the
/// wrapped value could not be as well.
fn known_trait<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<Known> {
    let mut known = None;
    for bound in bounds {
        let TypeParamBound::Trait(bound) = bound else {
            continue;
        };
        let name = bound.path.segments.last()?.ident.to_string();
        match name.as_str() {
            "Future" => known = Some(Known::Future),
            "Stream" => known = Some(Known::Stream),
            "Iterator" | "DoubleEndedIterator" | "ExactSizeIterator" | "FusedIterator" => {
                known = Some(Known::Iterator);
            }
            "Send" | "Sync" | "Unpin" | "UnwindSafe" | "RefUnwindSafe" | "Sized" => {}
            _ => return None,
        }
    }
    known
}

/// `Box<dyn Trait>`
fn boxed_trait(ty: &Type) -> Option<Known> {
    match ungroup(ty) {
        Type::Path(path) if path.qself.is_none() => {
            let segment = path.path.segments.last()?;
            (segment.ident == "Box")
                .then(|| boxed_bounds(segment))
                .flatten()
        }
        _ => None,
    }
}

fn boxed_bounds(segment: &PathSegment) -> Option<Known> {
    match ungroup(only_type(segment)?) {
        Type::TraitObject(object) => known_trait(&object.bounds),
        _ => None,
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

/// Whether the spelling alone rules a `Result` out. Everything else is asked by type.
pub(crate) fn never_result(ty: &Type) -> bool {
    const PRIMITIVES: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8",
        "u16", "u32", "u64", "u128", "usize", "String",
    ];
    match ungroup(ty) {
        Type::Array(_)
        | Type::FnPtr(_)
        | Type::ImplTrait(_)
        | Type::Never(_)
        | Type::Ptr(_)
        | Type::Reference(_)
        | Type::Slice(_)
        | Type::Tuple(_) => true,
        Type::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|ident| PRIMITIVES.contains(&ident.to_string().as_str())),
        _ => false,
    }
}
