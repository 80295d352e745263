//! An attribute on an `impl` block, a trait or an inline module: every function in it.
//!
//! Items are told apart by their first tokens; what is not a function is passed through unread.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Token, Visibility};

use crate::diagnose::{Mistakes, list, suggestion};
use crate::expand::expand;
use crate::function::{Attribute, Function};
use crate::kind::Macro;
use crate::model::{Place, can_record, plan};
use crate::options::Options;
use crate::surroundings::Surroundings;

/// What kind of item an attribute stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Function,
    /// Braces with functions in them.
    Block,
    Other,
}

/// Looks at the tokens in front of an item's own keyword, and no further: to parse would be to walk through all of the
/// body once more.
pub(crate) fn kind_of(item: &TokenStream) -> Item {
    let mut tokens = item.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // An attribute, of which the brackets follow.
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                tokens.next();
            }
            TokenTree::Ident(ident) => match ident.to_string().as_str() {
                "fn" => return Item::Function,
                "impl" | "mod" | "trait" => return Item::Block,
                "pub" => {
                    let place = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
                    tokens.next_if(place);
                }
                "const" | "async" | "unsafe" | "extern" | "default" | "safe" | "auto" => {}
                _ => return Item::Other,
            },
            // What a `macro_rules!` has put in: a visibility, or the item.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                match kind_of(&group.stream()) {
                    Item::Other => {}
                    kind => return kind,
                }
            }
            // The name of an ABI.
            TokenTree::Literal(_) => {}
            _ => return Item::Other,
        }
    }
    Item::Other
}

/// The kind of the item whose attributes and visibility have been read.
fn keyword(input: ParseStream<'_>) -> Item {
    let ahead = input.fork();
    loop {
        if ahead.peek(Token![fn]) {
            return Item::Function;
        }
        if ahead.peek(Token![impl]) || ahead.peek(Token![mod]) || ahead.peek(Token![trait]) {
            return Item::Block;
        }
        let modifier = ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(syn::LitStr)
            || matches!(ahead.cursor().ident(), Some((ident, _)) if ident == "default" || ident == "safe" || ident == "auto");
        if !modifier || ahead.parse::<TokenTree>().is_err() {
            return Item::Other;
        }
    }
}

/// Instruments every function in the braces of `item`.
pub(crate) fn block(
    macro_: Macro,
    options: &Options,
    item: TokenStream,
    mistakes: &mut Mistakes,
) -> TokenStream {
    if let Some(name) = &options.name {
        mistakes.at(
            name.key,
            "a name is for one function; put an attribute with it on that function",
        );
    }
    let mut names = Vec::new();
    let mut walk = Walk {
        macro_,
        options,
        mistakes,
        names: &mut names,
        foreign_attributes: false,
        around: None,
    };
    let expanded = Parser::parse2(
        |input: ParseStream<'_>| walk.items(input, true),
        item.clone(),
    );
    match expanded {
        Ok(tokens) => {
            check_skipped(options, &names, mistakes);
            tokens
        }
        Err(error) => {
            mistakes.push(error);
            item
        }
    }
}

fn check_skipped(options: &Options, names: &[String], mistakes: &mut Mistakes) {
    let Some(skip_fn) = &options.skip_fn else {
        return;
    };
    for ident in &skip_fn.value {
        let word = ident.unraw().to_string();
        if !names.contains(&word) {
            let names = || names.iter().map(String::as_str);
            let near = suggestion(&word, names());
            let near = if near.is_empty() { ";".into() } else { near };
            mistakes.at(
                ident.span(),
                format!(
                    "there is no function `{word}` in here{near} there are {}",
                    list(names())
                ),
            );
        }
    }
}

struct Walk<'a> {
    macro_: Macro,
    options: &'a Options,
    mistakes: &'a mut Mistakes,
    /// Every function met, for `skip_fn`.
    names: &'a mut Vec<String>,
    /// A block around has attributes that may be macros.
    foreign_attributes: bool,
    /// The innermost block around, if it is an `impl`.
    around: Option<Surroundings>,
}

impl Walk<'_> {
    fn items(&mut self, input: ParseStream<'_>, outermost: bool) -> syn::Result<TokenStream> {
        let mut tokens = TokenStream::new();
        while !input.is_empty() {
            let start = input.fork();
            let attributes = Attribute::parse_outer(input)?;
            let visibility: Visibility = input.parse()?;
            match keyword(input) {
                Item::Function if !outermost => {
                    tokens.extend(self.function(&start)?);
                    input.parse::<Skip>()?;
                }
                Item::Block if outermost || !has_own(&attributes) => {
                    let outer = self.foreign_attributes;
                    self.foreign_attributes |=
                        attributes.iter().any(|attribute| !attribute.is_inert());
                    tokens.extend(attributes.iter().map(ToTokens::to_token_stream));
                    visibility.to_tokens(&mut tokens);
                    self.braces(input, &mut tokens)?;
                    self.foreign_attributes = outer;
                }
                _ => {
                    tokens.extend(attributes.iter().map(ToTokens::to_token_stream));
                    visibility.to_tokens(&mut tokens);
                    tokens.extend(input.parse::<Skip>()?.0);
                }
            }
        }
        Ok(tokens)
    }

    /// `impl … { … }`, `trait … { … }`, `mod … { … }`
    fn braces(&mut self, input: ParseStream<'_>, tokens: &mut TokenStream) -> syn::Result<()> {
        let mut whole = input.parse::<Skip>()?.0.into_iter().collect::<Vec<_>>();
        match whole.pop() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let around = Surroundings::of(&whole, group.stream());
                let outer = std::mem::replace(&mut self.around, around);
                let inner = Parser::parse2(
                    |input: ParseStream<'_>| {
                        let mut inner = TokenStream::new();
                        while input.peek(Token![#]) && input.peek2(Token![!]) {
                            for _ in 0..3 {
                                inner.extend([input.parse::<TokenTree>()?]);
                            }
                        }
                        inner.extend(self.items(input, false)?);
                        Ok(inner)
                    },
                    group.stream(),
                )?;
                self.around = outer;
                let mut braces = Group::new(Delimiter::Brace, inner);
                braces.set_span(group.span());
                tokens.extend(whole);
                braces.to_tokens(tokens);
            }
            last => {
                tokens.extend(whole);
                tokens.extend(last);
            }
        }
        Ok(())
    }

    fn function(&mut self, input: ParseStream<'_>) -> syn::Result<TokenStream> {
        let written = input.fork().parse::<Skip>()?.0;
        let parse = |input: ParseStream<'_>| input.parse::<Function>();
        let Ok(function) = Parser::parse2(parse, written.clone()) else {
            return Ok(written);
        };
        let name: &Ident = &function.signature.ident;
        self.names.push(name.unraw().to_string());
        let skipped = self
            .options
            .skip_fn
            .as_ref()
            .is_some_and(|skip| skip.value.contains(name));
        if skipped || has_own(&function.attributes) || !can_record(&function) {
            return Ok(written);
        }
        let place = Place::Block {
            foreign_attributes: self.foreign_attributes,
            around: self.around.as_ref(),
        };
        Ok(
            plan(self.macro_, self.options, &function, place, self.mistakes)
                .map_or(written, |plan| expand(&plan)),
        )
    }
}

/// Whether the item says for itself how it is to be recorded.
fn has_own(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        Macro::ALL
            .into_iter()
            .any(|macro_| macro_.name() == attribute.name())
    })
}

/// One item to its end, unread: `;` or braces, whichever its kind ends with.
struct Skip(TokenStream);

impl syn::parse::Parse for Skip {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut tokens = TokenStream::new();
        Attribute::parse_outer(input)?
            .iter()
            .for_each(|attribute| attribute.to_tokens(&mut tokens));
        input.parse::<Visibility>()?.to_tokens(&mut tokens);
        let function = keyword(input) == Item::Function;
        let only_semicolon = !function
            && (input.peek(Token![const])
                || input.peek(Token![static])
                || input.peek(Token![type])
                || input.peek(Token![use])
                || (input.peek(Token![extern]) && input.peek2(Token![crate])));
        // Braces inside `<…>` are constants of a type, not the end.
        let mut depth = 0_usize;
        let mut arrow = false;
        while !input.is_empty() {
            let token: TokenTree = input.parse()?;
            let ends = match &token {
                TokenTree::Group(group) => {
                    let braces = group.delimiter() == Delimiter::Brace
                        || (function && group.delimiter() == Delimiter::None && is_block(group));
                    braces && depth == 0 && !only_semicolon
                }
                TokenTree::Punct(punct) => {
                    match punct.as_char() {
                        '<' => depth += 1,
                        '>' if !arrow => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    arrow = matches!(punct.as_char(), '-' | '=');
                    punct.as_char() == ';'
                }
                _ => false,
            };
            if !matches!(token, TokenTree::Punct(_)) {
                arrow = false;
            }
            tokens.extend([token]);
            if ends {
                break;
            }
        }
        Ok(Skip(tokens))
    }
}

fn is_block(group: &Group) -> bool {
    matches!(group.stream().into_iter().next(), Some(TokenTree::Group(inner)) if inner.delimiter() == Delimiter::Brace)
}
