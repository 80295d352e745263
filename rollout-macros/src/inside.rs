//! Types inside of types.

use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound};

/// Puts what `by` gives in place of a type, or looks at the types inside of it where that is `None`.
pub(crate) fn replace(ty: &mut Type, by: &mut impl FnMut(&Type) -> Option<Type>) {
    if let Some(other) = by(ty) {
        *ty = other;
        return;
    }
    match ty {
        Type::Array(ty) => replace(&mut ty.elem, by),
        Type::Group(ty) => replace(&mut ty.elem, by),
        Type::Paren(ty) => replace(&mut ty.elem, by),
        Type::Ptr(ty) => replace(&mut ty.elem, by),
        Type::Reference(ty) => replace(&mut ty.elem, by),
        Type::Slice(ty) => replace(&mut ty.elem, by),
        Type::Tuple(ty) => ty.elems.iter_mut().for_each(|ty| replace(ty, by)),
        Type::Path(path) => path
            .path
            .segments
            .iter_mut()
            .for_each(|segment| replace_in(segment, by)),
        Type::ImplTrait(ty) => ty
            .bounds
            .iter_mut()
            .for_each(|bound| replace_bound(bound, by)),
        Type::TraitObject(ty) => ty
            .bounds
            .iter_mut()
            .for_each(|bound| replace_bound(bound, by)),
        _ => {}
    }
}

fn replace_bound(bound: &mut TypeParamBound, by: &mut impl FnMut(&Type) -> Option<Type>) {
    if let TypeParamBound::Trait(bound) = bound {
        let segments = bound.path.segments.iter_mut();
        segments.for_each(|segment| replace_in(segment, by));
    }
}

fn replace_in(segment: &mut PathSegment, by: &mut impl FnMut(&Type) -> Option<Type>) {
    let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
        return;
    };
    for argument in &mut arguments.args {
        match argument {
            GenericArgument::Type(ty) => replace(ty, by),
            GenericArgument::AssocType(assigned) => replace(&mut assigned.ty, by),
            _ => {}
        }
    }
}

/// The types among the arguments, those that are assigned to names included.
pub(crate) fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            GenericArgument::AssocType(assigned) => Some(&assigned.ty),
            _ => None,
        })
}

/// `T` in a bound `Trait<NAME = T>`.
pub(crate) fn assigned<'a>(
    bounds: impl IntoIterator<Item = &'a TypeParamBound>,
    name: &str,
) -> Option<&'a Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments
        else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assigned) if assigned.ident == name => Some(&assigned.ty),
            _ => None,
        })
    })
}
