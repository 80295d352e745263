//! `Box::pin(async move { … })` as the whole body: what `#[async_trait]` makes of an `async fn`, and what macros like
//! `#[tracing::instrument]` look for.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type, TypeParamBound};

use crate::shape::ungroup;

/// A body in that form.
pub(crate) struct PinnedBlock {
    /// `Box::pin`
    pub(crate) pin: TokenStream,
    /// `(async move { … })`
    pub(crate) parentheses: Group,
    /// `async move`
    pub(crate) head: TokenStream,
    /// `{ … }`
    pub(crate) block: Group,
}

impl PinnedBlock {
    pub(crate) fn of(body: &Group) -> Option<PinnedBlock> {
        let mut path: Vec<TokenTree> = body.stream().into_iter().collect();
        let parentheses = match path.pop()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => group,
            _ => return None,
        };
        let is_path = path.iter().all(|token| match token {
            TokenTree::Ident(_) => true,
            TokenTree::Punct(punct) => punct.as_char() == ':',
            _ => false,
        });
        let ends_in_pin = matches!(path.last(), Some(TokenTree::Ident(ident)) if ident == "pin");
        if !is_path || !ends_in_pin {
            return None;
        }
        let mut head: Vec<TokenTree> = parentheses.stream().into_iter().collect();
        let block = match head.pop()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => group,
            _ => return None,
        };
        let is_async_move = matches!(
            head.as_slice(),
            [TokenTree::Ident(first), TokenTree::Ident(second)] if first == "async" && second == "move"
        );
        is_async_move.then(|| PinnedBlock {
            pin: path.into_iter().collect(),
            parentheses,
            head: head.into_iter().collect(),
            block,
        })
    }
}

/// What the declared future gives, where that is written: `Pin<Box<dyn Future<Output = T>>>`, `BoxFuture<T>`.
pub(crate) fn future_output(output: &ReturnType) -> Option<&Type> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    let segment = last_segment(ty)?;
    if segment.ident != "Pin" {
        return types(segment).last();
    }
    let boxed = last_segment(types(segment).next()?)?;
    let Type::TraitObject(object) = ungroup(types(boxed).next()?) else {
        return None;
    };
    assigned(&object.bounds, "Output")
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

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ungroup(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}
