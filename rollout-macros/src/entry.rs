//! From an attribute to what it expands to.

use proc_macro2::TokenStream;

use crate::block::{Item, block, kind_of};
use crate::diagnose::Mistakes;
use crate::expand::expand;
use crate::fallback::errors_and;
use crate::function::Function;
use crate::kind::Macro;
use crate::model::{Place, plan};
use crate::options;

/// Expands `macro_`, as it stands on `item`.
pub(crate) fn attribute(macro_: Macro, tokens: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let options = options::parse(macro_, tokens, &mut mistakes);
    let kind = kind_of(&item);
    let expanded = match kind {
        Item::Function => function(macro_, &options, item.clone(), &mut mistakes),
        Item::Block => Some(block(macro_, &options, item.clone(), &mut mistakes)),
        Item::Other => {
            mistakes.over(
                first_line(&item),
                format!("`{macro_}` goes on a function, an `impl` block or an inline module"),
            );
            None
        }
    };
    match expanded {
        Some(tokens) if mistakes.is_empty() => tokens,
        _ => errors_and(item, mistakes),
    }
}

fn function(
    macro_: Macro,
    options: &options::Options,
    item: TokenStream,
    mistakes: &mut Mistakes,
) -> Option<TokenStream> {
    match syn::parse2::<Function>(item) {
        Ok(function) => {
            let plan = plan(macro_, options, &function, Place::Function, mistakes)?;
            mistakes.is_empty().then(|| expand(&plan))
        }
        Err(error) => {
            mistakes.push(error);
            None
        }
    }
}

/// What is underlined of an item that is not a function: all before its braces.
fn first_line(item: &TokenStream) -> TokenStream {
    item.clone()
        .into_iter()
        .take_while(|token| !matches!(token, proc_macro2::TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Brace))
        .collect()
}
