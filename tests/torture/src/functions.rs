//! The functions of a source file, by their places in its text.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Signature};

/// A function with a body that is not `const`.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Counted from one.
    pub(crate) line: usize,
    /// Where an attribute can be put, in bytes.
    pub(crate) at: usize,
    /// All of it, its attributes included, in bytes.
    pub(crate) range: Range<usize>,
}

/// What a file has.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// In the order of the text.
    pub(crate) found: Vec<Function>,
    /// Those inside the braces of a macro, which are tokens and may become anything.
    pub(crate) in_macros: usize,
}

/// Finds the functions of `text`; `None` if it is not the whole text of a module.
pub(crate) fn functions(text: &str) -> Option<Functions> {
    let file: syn::File = syn::parse_str(text).ok()?;
    let mut functions = Functions::default();
    functions.visit_file(&file);
    functions.found.sort_by_key(|function| function.at);
    Some(functions)
}

impl Functions {
    fn add(
        &mut self,
        attributes: &[Attribute],
        head: Option<proc_macro2::Span>,
        signature: &Signature,
        block: &syn::Block,
    ) {
        if signature.constness.is_some() {
            return;
        }
        let head = head.unwrap_or_else(|| signature.span()).byte_range().start;
        let first = attributes
            .iter()
            .filter(|attribute| matches!(attribute.style, syn::AttrStyle::Outer))
            .map(|attribute| attribute.span().byte_range().start)
            .min()
            .unwrap_or(head);
        // Every second one stands above the attributes that are there, `#[test]` for example, the others below.
        let above = self.found.len().is_multiple_of(2);
        self.found.push(Function {
            name: signature.ident.to_string(),
            line: signature.ident.span().start().line,
            at: if above { first } else { head },
            range: first..block.span().byte_range().end,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let head = head(&item.vis, &item.modifiers);
        self.add(&item.attrs, head, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let head = head(&item.vis, &item.modifiers);
        self.add(&item.attrs, head, &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            let head = head(&syn::Visibility::Inherited, &item.modifiers);
            self.add(&item.attrs, head, &item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.in_macros += named_functions(item.tokens.clone());
    }
}

/// What stands before the signature, if there is anything.
fn head(visibility: &syn::Visibility, modifiers: &syn::FnModifiers) -> Option<proc_macro2::Span> {
    if !matches!(visibility, syn::Visibility::Inherited) {
        return Some(visibility.span());
    }
    modifiers.defaultness.as_ref().map(Spanned::span)
}

/// How often `fn` is followed by a name.
fn named_functions(tokens: TokenStream) -> usize {
    let mut after_fn = false;
    let mut count = 0;
    for token in tokens {
        let mut is_fn = false;
        match token {
            TokenTree::Group(group) => count += named_functions(group.stream()),
            TokenTree::Ident(ident) if after_fn && ident != "fn" => count += 1,
            TokenTree::Ident(ident) => is_fn = ident == "fn",
            // `fn $name`
            TokenTree::Punct(punct) if after_fn && punct.as_char() == '$' => count += 1,
            _ => {}
        }
        after_fn = is_fn;
    }
    count
}
