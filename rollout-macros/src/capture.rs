//! The names that the parameters of a function bind, and how a rewritten body gets them back.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{FnArg, Pat, Signature, Token};

/// One parameter other than `self`.
pub(crate) struct Parameter {
    /// `#[cfg(…)]`, which decides over everything that is made of this parameter.
    pub(crate) cfg: TokenStream,
    /// The names it binds, in order.
    pub(crate) names: Vec<Ident>,
    /// The parameter of the rewritten signature.
    pub(crate) outer: TokenStream,
    /// The statement that borrows it, whatever it binds.
    pub(crate) touch: TokenStream,
    /// The statements that bind it again inside.
    pub(crate) inner: TokenStream,
    /// Whether the outer parameter carries the only name, so that it can be read before `inner`.
    pub(crate) is_name: bool,
    /// Whether a closure may take it as it is: nothing happens when it is dropped, and nothing else stands at it.
    pub(crate) may_stay: bool,
}

/// The parameters of `signature` but for `self`.
pub(crate) fn parameters(signature: &Signature) -> Vec<Parameter> {
    signature
        .inputs
        .iter()
        .filter_map(|argument| match argument {
            FnArg::Receiver(_) => None,
            FnArg::Typed(argument) => Some(argument),
        })
        .enumerate()
        .map(|(index, argument)| parameter(index, argument))
        .collect()
}

fn parameter(index: usize, argument: &syn::PatType) -> Parameter {
    let mixed = Span::mixed_site();
    let mut cfg = TokenStream::new();
    let mut other = TokenStream::new();
    for attribute in &argument.attrs {
        if attribute.path().is_ident("cfg") {
            attribute.to_tokens(&mut cfg);
        } else {
            attribute.to_tokens(&mut other);
        }
    }
    let ty = &argument.ty;
    let pattern = &argument.pat;
    let mut names = Vec::new();
    bound_names(pattern, &mut names);
    let (outer, touch, inner, is_name) = match &**pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            let ident = &name.ident;
            let outer = quote!(#cfg #ident: #ty);
            let touch = quote_spanned!(mixed=> #cfg let _ = &#ident;);
            (
                outer,
                touch,
                quote_spanned!(mixed=> #cfg #other let #pattern = #ident;),
                true,
            )
        }
        pattern => {
            let argument = format_ident!("__argument{index}", span = mixed);
            let outer = quote!(#cfg #argument: #ty);
            let touch = quote_spanned!(mixed=> #cfg let _ = &#argument;);
            let mut inner = quote_spanned!(mixed=> #cfg let #argument = #argument;);
            if !matches!(pattern, Pat::Wild(_)) {
                inner.extend(quote_spanned!(mixed=> #cfg #other let #pattern = #argument;));
            }
            (outer, touch, inner, false)
        }
    };
    let may_stay = match &**pattern {
        Pat::Ident(name) => {
            is_name && name.mutability.is_none() && other.is_empty() && never_drops(ty)
        }
        _ => false,
    };
    Parameter {
        cfg,
        names,
        outer,
        touch,
        inner,
        is_name,
        may_stay,
    }
}

/// A reference, pointer or number, by its spelling.
fn never_drops(ty: &syn::Type) -> bool {
    match crate::shape::ungroup(ty) {
        syn::Type::Reference(_) | syn::Type::Ptr(_) => true,
        syn::Type::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|ident| crate::shape::PRIMITIVES.contains(&ident.to_string().as_str())),
        _ => false,
    }
}

fn bound_names(pattern: &Pat, names: &mut Vec<Ident>) {
    match pattern {
        Pat::Ident(name) => {
            names.push(name.ident.clone());
            if let Some((_, inner)) = &name.subpat {
                bound_names(inner, names);
            }
        }
        Pat::Or(or) => {
            if let Some(case) = or.cases.first() {
                bound_names(case, names);
            }
        }
        Pat::Paren(paren) => bound_names(&paren.pat, names),
        Pat::Reference(reference) => bound_names(&reference.pat, names),
        Pat::Slice(slice) => slice
            .elems
            .iter()
            .for_each(|pattern| bound_names(pattern, names)),
        Pat::Struct(fields) => fields
            .fields
            .iter()
            .for_each(|field| bound_names(&field.pat, names)),
        Pat::Tuple(tuple) => tuple
            .elems
            .iter()
            .for_each(|pattern| bound_names(pattern, names)),
        Pat::TupleStruct(tuple) => tuple
            .elems
            .iter()
            .for_each(|pattern| bound_names(pattern, names)),
        Pat::Type(typed) => bound_names(&typed.pat, names),
        _ => {}
    }
}

/// A by-value `self` cannot be bound again. Borrowing it once makes the closure or async block own
/// all of it, also where the body touches only a field or nothing.
pub(crate) fn hold_receiver(signature: &Signature) -> TokenStream {
    let Some(receiver) = signature.receiver() else {
        return TokenStream::new();
    };
    let by_value = match &receiver.kind {
        syn::ReceiverKind::Value => true,
        syn::ReceiverKind::Typed(_, ty) => {
            !matches!(crate::shape::ungroup(ty), syn::Type::Reference(_))
        }
        _ => false,
    };
    if !by_value {
        return TokenStream::new();
    }
    let self_token: &Token![self] = &receiver.self_token;
    quote_spanned!(Span::mixed_site()=> let _ = &#self_token;)
}
