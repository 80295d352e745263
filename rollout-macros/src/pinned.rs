//! `Box::pin(async move { … })` at the end of a body: what `#[async_trait]` makes of an `async fn`, what macros like
//! `#[tracing::instrument]` look for, and how most services are written.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{ReturnType, Type};

use crate::ending::finish;
use crate::expand::{begin, declared, flushed, function, hint, mixed};
use crate::function::one_exit;
use crate::model::Plan;
use crate::shape::{Shape, ungroup};

/// A body in that form, which has no other way out.
pub(crate) struct PinnedBlock {
    /// The statements before it.
    pub(crate) before: TokenStream,
    /// `Box::pin`
    pub(crate) pin: TokenStream,
    /// `(async move { … })`
    pub(crate) parentheses: Group,
    /// `async move` or `async`
    pub(crate) head: TokenStream,
    /// `{ … }`
    pub(crate) block: Group,
}

impl PinnedBlock {
    pub(crate) fn of(body: &Group) -> Option<PinnedBlock> {
        let mut before: Vec<TokenTree> = body.stream().into_iter().collect();
        let parentheses = match before.pop()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => group,
            _ => return None,
        };
        let in_path = |token: &TokenTree| match token {
            TokenTree::Ident(_) => true,
            TokenTree::Punct(punct) => punct.as_char() == ':',
            _ => false,
        };
        let start = before
            .iter()
            .rposition(|token| !in_path(token))
            .map_or(0, |last| last + 1);
        let path = before.split_off(start);
        let after_statement = match before.last() {
            None => true,
            Some(TokenTree::Punct(punct)) => punct.as_char() == ';',
            Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
            Some(_) => false,
        };
        let before: TokenStream = before.into_iter().collect();
        if !after_statement || !is_path_to_pin(&path) || !one_exit(before.clone()) {
            return None;
        }
        let mut head: Vec<TokenTree> = parentheses.stream().into_iter().collect();
        let block = match head.pop()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => group,
            _ => return None,
        };
        let is_async = match head.as_slice() {
            [TokenTree::Ident(first)] => first == "async",
            [TokenTree::Ident(first), TokenTree::Ident(second)] => {
                first == "async" && second == "move"
            }
            _ => false,
        };
        is_async.then(|| PinnedBlock {
            before,
            pin: path.into_iter().collect(),
            parentheses,
            head: head.into_iter().collect(),
            block,
        })
    }
}

/// `Box::pin`, `::std::boxed::Box::pin`
fn is_path_to_pin(path: &[TokenTree]) -> bool {
    let names = path.iter().rev().step_by(3);
    let mut between = path
        .iter()
        .rev()
        .skip(1)
        .enumerate()
        .filter(|(index, _)| index % 3 != 2);
    let ident =
        |token: &TokenTree, name: &str| matches!(token, TokenTree::Ident(ident) if ident == name);
    names
        .clone()
        .all(|token| matches!(token, TokenTree::Ident(_)))
        && between
            .all(|(_, token)| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':'))
        && names
            .clone()
            .next()
            .is_some_and(|token| ident(token, "pin"))
        && names
            .clone()
            .nth(1)
            .is_some_and(|token| ident(token, "Box"))
}

/// A future in a box, which stays the async block in a box that it is, with ours inside of it.
pub(crate) fn expand_pinned(plan: &Plan<'_>, pinned: &PinnedBlock) -> TokenStream {
    let (runtime, finish) = (&plan.runtime, finish(plan));
    let prepare = begin(plan, Shape::Future, false);
    let PinnedBlock {
        before,
        pin,
        parentheses,
        head,
        block,
    } = pinned;
    let output = &plan.function.signature.output;
    let told = match output {
        ReturnType::Type(_, ty) if !matches!(ungroup(ty), Type::ImplTrait(_)) => {
            let ty = declared(plan);
            quote_spanned!(mixed()=> #runtime::Declared::<#ty>::ASK.output())
        }
        _ => {
            let of = hint(plan, Shape::Future);
            quote_spanned!(mixed()=> #runtime::returned::<#of>())
        }
    };
    let future = flushed(
        plan,
        quote_spanned!(mixed()=> {
            let mut prepared = __prepared;
            prepared.future(inner, #finish)
        }),
    );
    let body = quote_spanned!(mixed()=>
        let inner = #head {
            if false {
                return #told;
            }
            match () { () => #block }
        };
        #future.await
    );
    let mut arguments = Group::new(
        Delimiter::Parenthesis,
        quote_spanned!(mixed()=> #head { #body }),
    );
    arguments.set_span(parentheses.span());
    let body = quote_spanned!(mixed()=> let __prepared = #prepare; #before #pin #arguments);
    function(plan, &plan.function.signature.to_token_stream(), &body)
}
