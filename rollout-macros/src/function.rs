//! A function: its signature parsed, everything else kept as the tokens it came in.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Signature, Token, Visibility, token};

/// `#[…]` in front of an item.
pub(crate) struct Attribute {
    /// The segments of its path, joined with `::`.
    pub(crate) path: String,
    pub(crate) tokens: TokenStream,
}

impl Attribute {
    pub(crate) fn parse_outer(input: ParseStream<'_>) -> syn::Result<Vec<Attribute>> {
        let mut attributes = Vec::new();
        while input.peek(Token![#]) && input.peek2(token::Bracket) {
            let pound: Token![#] = input.parse()?;
            let group: Group = input.parse()?;
            let path = path_of(group.stream());
            attributes.push(Attribute {
                path,
                tokens: quote!(#pound #group),
            });
        }
        Ok(attributes)
    }

    /// The last segment of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    /// Whether the compiler knows this attribute and leaves the item as it is. All others may be
    /// macros that still want to see the function as it was written.
    pub(crate) fn is_inert(&self) -> bool {
        const INERT: &[&str] = &[
            "allow",
            "cfg",
            "cold",
            "deny",
            "deprecated",
            "doc",
            "expect",
            "export_name",
            "forbid",
            "ignore",
            "inline",
            "link_section",
            "must_use",
            "no_mangle",
            "should_panic",
            "target_feature",
            "track_caller",
            "unsafe",
            "warn",
        ];
        let tool = self.path.split("::").next().unwrap_or_default();
        INERT.contains(&self.path.as_str())
            || matches!(tool, "clippy" | "rustfmt" | "diagnostic" | "rust_analyzer")
    }
}

impl ToTokens for Attribute {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.tokens.clone());
    }
}

fn path_of(content: TokenStream) -> String {
    let mut path = String::new();
    for token in content {
        match token {
            TokenTree::Ident(ident) => path.push_str(&ident.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => path.push(':'),
            _ => break,
        }
    }
    path
}

/// What stands after the signature.
pub(crate) enum Body {
    Block(Block),
    /// `;`, as for a required method of a trait.
    Missing,
}

/// The braces of a function, unparsed.
pub(crate) struct Block {
    /// `#![…]` at its start: they speak of the function.
    pub(crate) inner_attributes: TokenStream,
    /// All else, in the user's own braces.
    pub(crate) group: Group,
}

/// A function and what belongs to it.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) defaultness: Option<Ident>,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Function {
            attributes: Attribute::parse_outer(input)?,
            visibility: input.parse()?,
            defaultness: parse_default(input)?,
            signature: input.parse()?,
            body: input.parse()?,
        })
    }
}

/// `default` is an ordinary name everywhere but in front of a function.
fn parse_default(input: ParseStream<'_>) -> syn::Result<Option<Ident>> {
    if let Some((ident, _)) = input.cursor().ident()
        && ident == "default"
    {
        return input.parse().map(Some);
    }
    Ok(None)
}

impl Parse for Body {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            return Ok(Body::Missing);
        }
        match input.fork().parse::<TokenTree>() {
            Ok(TokenTree::Group(group)) => {
                if let Some(group) = braces(group) {
                    input.parse::<TokenTree>()?;
                    return Ok(Body::Block(Block::new(group)));
                }
                Err(input.error("expected the body of the function"))
            }
            _ => Err(input.error("expected the body of the function")),
        }
    }
}

/// The braces themselves, also out of the invisible group of a `$body:block`.
fn braces(group: Group) -> Option<Group> {
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => {
            let mut inside = group.stream().into_iter();
            match (inside.next(), inside.next()) {
                (Some(TokenTree::Group(group)), None) => braces(group),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Block {
    fn new(group: Group) -> Block {
        let mut rest = group.stream().into_iter().peekable();
        let starts_inner = |tokens: &TokenStream| {
            let mut tokens = tokens.clone().into_iter();
            matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#')
                && matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!')
                && matches!(tokens.next(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
        };
        if !matches!(rest.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#') {
            return Block {
                inner_attributes: TokenStream::new(),
                group,
            };
        }
        let mut inner_attributes = TokenStream::new();
        let mut remaining = group.stream();
        while starts_inner(&remaining) {
            let mut tokens = remaining.into_iter();
            inner_attributes.extend(tokens.by_ref().take(3));
            remaining = tokens.collect();
        }
        let mut inner = Group::new(Delimiter::Brace, remaining);
        inner.set_span(group.span());
        Block {
            inner_attributes,
            group: inner,
        }
    }

    /// Whether control surely leaves the body at its end only: no `return`, no `?`, and no macro
    /// that could hide one.
    pub(crate) fn has_one_exit(&self) -> bool {
        one_exit(self.group.stream())
    }
}

/// Macros of the standard library, which leave control where it is.
const STRAIGHT: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprintln",
    "format",
    "matches",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// After these, `!` negates.
const KEYWORDS: &[&str] = &["break", "if", "in", "match", "while"];

pub(crate) fn one_exit(tokens: TokenStream) -> bool {
    let mut before = None;
    for token in tokens {
        let stays = match &token {
            TokenTree::Group(group) => one_exit(group.stream()),
            TokenTree::Ident(ident) => ident != "return",
            TokenTree::Punct(punct) if punct.as_char() == '?' => false,
            // `name!`: a macro, unless it is `name != …`.
            TokenTree::Punct(punct)
                if punct.as_char() == '!' && punct.spacing() == Spacing::Alone =>
            {
                match &before {
                    Some(TokenTree::Ident(name)) => {
                        STRAIGHT.iter().chain(KEYWORDS).any(|other| name == other)
                    }
                    _ => true,
                }
            }
            _ => true,
        };
        if !stays {
            return false;
        }
        before = Some(token);
    }
    true
}
