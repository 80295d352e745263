//! `impl Trait` in a return type, where the type is named inside of the body.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Type;

use crate::inside::replace;

/// The type with `_` for every `impl Trait` in it, for use inside the body.
pub(crate) fn without_impl(ty: &Type) -> TokenStream {
    let mut ty = ty.clone();
    replace(&mut ty, &mut |ty| match ty {
        Type::ImplTrait(_) => Some(Type::Infer(syn::TypeInfer {
            attrs: Vec::new(),
            underscore_token: syn::Token![_](Span::mixed_site()),
        })),
        _ => None,
    });
    ty.into_token_stream()
}
