//! On a mistake: the errors, and the item as it was written, so that one mistake stays one and
//! editors go on completing.

use proc_macro2::TokenStream;

use crate::diagnose::Mistakes;

pub(crate) fn errors_and(item: TokenStream, mistakes: Mistakes) -> TokenStream {
    let mut tokens = mistakes.into_tokens();
    tokens.extend(item);
    tokens
}
