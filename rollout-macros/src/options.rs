//! The tokens between the parentheses of an attribute, read into options.
//!
//! Reading goes on after a mistake with the next option, so that all of them are told at once.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, LitBool, LitStr, Path, Token, parenthesized};

use crate::diagnose::{Mistakes, list, suggestion};
use crate::kind::{Key, Macro};

/// A value and the position of the option it belongs to.
pub(crate) struct Spanned<T> {
    pub(crate) key: Span,
    pub(crate) value: T,
}

/// When the trace of an agent is flushed.
pub(crate) enum Flush {
    No,
    Spool,
    Deliver,
}

/// One entry of `debug(…)`.
pub(crate) enum DebugName {
    Parameter(Ident),
    Return(Span),
}

/// What one attribute says, every part of it well formed.
#[derive(Default)]
pub(crate) struct Options {
    /// An expression of type `&'static str`.
    pub(crate) name: Option<Spanned<TokenStream>>,
    pub(crate) span_type: Option<TokenStream>,
    pub(crate) capture_input: Option<Spanned<bool>>,
    pub(crate) capture_output: Option<Spanned<bool>>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) debug: Vec<DebugName>,
    pub(crate) attributes: Vec<(String, Expr)>,
    pub(crate) metadata: Vec<(String, Expr)>,
    pub(crate) tags: Vec<Expr>,
    /// Setters of the runtime's `Start` that take an identifier, in the order written.
    pub(crate) identifiers: Vec<(Key, Expr)>,
    /// What tells of the parent.
    pub(crate) parent: Option<Expr>,
    pub(crate) flush: Option<Flush>,
    pub(crate) join: bool,
    pub(crate) skip_fn: Option<Spanned<Vec<Ident>>>,
    pub(crate) krate: Option<Path>,
}

/// Reads the options of `macro_`; what is wrong goes to `mistakes`.
pub(crate) fn parse(macro_: Macro, tokens: TokenStream, mistakes: &mut Mistakes) -> Options {
    let mut reader = Reader {
        macro_,
        mistakes,
        seen: Vec::new(),
        options: Options::default(),
    };
    let parsed = Parser::parse2(
        |input: ParseStream<'_>| {
            reader.read(input);
            Ok(())
        },
        tokens,
    );
    let Reader {
        options, mistakes, ..
    } = reader;
    if let Err(error) = parsed {
        mistakes.push(error);
    }
    options
}

struct Reader<'a> {
    macro_: Macro,
    mistakes: &'a mut Mistakes,
    seen: Vec<Key>,
    options: Options,
}

impl Reader<'_> {
    fn read(&mut self, input: ParseStream<'_>) {
        while !input.is_empty() {
            if let Err(error) = self.option(input) {
                self.mistakes.push(error);
                skip_to_comma(input);
            } else if !input.is_empty() && !input.peek(Token![,]) {
                self.mistakes
                    .push(input.error("expected `,` between two options"));
                skip_to_comma(input);
            }
            if input.peek(Token![,]) {
                skip_token(input);
            }
        }
    }

    fn option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(LitStr) {
            let name: LitStr = input.parse()?;
            let key = name.span();
            self.once(Key::Name, key)?;
            self.options.name = Some(Spanned {
                key,
                value: name.into_token_stream(),
            });
            return Ok(());
        }
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected the name of an option, as in `name = \"…\"`"));
        }
        let ident = input.call(Ident::parse_any)?;
        let key = self.key(&ident)?;
        self.once(key, ident.span())?;
        self.value(key, ident.span(), input)
    }

    fn key(&self, ident: &Ident) -> syn::Result<Key> {
        let word = ident.unraw().to_string();
        let macro_ = self.macro_;
        let takes = list(macro_.keys().map(Key::name));
        match Key::from_name(&word) {
            Some(key) if key.on(macro_) => Ok(key),
            Some(key) => {
                let others = Macro::ALL.into_iter().filter(|other| key.on(*other));
                let others: Vec<_> = others.map(|other| format!("`{other}`")).collect();
                Err(Error::new(
                    ident.span(),
                    format!(
                        "`{macro_}` has no option `{word}`, it belongs to {}; `{macro_}` takes {takes}",
                        others.join(", "),
                    ),
                ))
            }
            None => {
                let near = suggestion(&word, macro_.keys().map(Key::name));
                let near = if near.is_empty() { ";".into() } else { near };
                Err(Error::new(
                    ident.span(),
                    format!("`{macro_}` has no option `{word}`{near} `{macro_}` takes {takes}"),
                ))
            }
        }
    }

    fn once(&mut self, key: Key, span: Span) -> syn::Result<()> {
        if self.seen.contains(&key) {
            return Err(Error::new(
                span,
                format!("`{}` is given twice, keep one", key.name()),
            ));
        }
        self.seen.push(key);
        Ok(())
    }

    fn value(&mut self, key: Key, span: Span, input: ParseStream<'_>) -> syn::Result<()> {
        match key {
            Key::Skip => {
                let names = names(key, input)?;
                self.options.skip = names;
            }
            Key::SkipFn => {
                let value = names(key, input)?;
                self.options.skip_fn = Some(Spanned { key: span, value });
            }
            Key::Debug => {
                let content = parentheses(key, input)?;
                self.options.debug = parse_list(&content, |input| {
                    if input.peek(Token![return]) {
                        return Ok(DebugName::Return(input.parse::<Token![return]>()?.span));
                    }
                    input.call(parameter).map(DebugName::Parameter)
                })?;
            }
            Key::Attributes => {
                let content = parentheses(key, input)?;
                self.options.attributes = self.entries("attribute", &content);
            }
            Key::Metadata => {
                let content = parentheses(key, input)?;
                self.options.metadata = self.entries("metadata", &content);
            }
            _ => {
                if !input.peek(Token![=]) {
                    let found = if input.is_empty() { span } else { input.span() };
                    return Err(Error::new(found, format!("write `{}`", key.usage())));
                }
                input.parse::<Token![=]>()?;
                if input.is_empty() || input.peek(Token![,]) {
                    return Err(Error::new(
                        span,
                        format!("`{}` has no value, write `{}`", key.name(), key.usage()),
                    ));
                }
                self.assigned(key, span, input)?;
            }
        }
        Ok(())
    }

    fn assigned(&mut self, key: Key, span: Span, input: ParseStream<'_>) -> syn::Result<()> {
        match key {
            Key::Name => {
                let value = constant_text(key, input)?;
                self.options.name = Some(Spanned { key: span, value });
            }
            Key::Type => self.options.span_type = Some(constant_text(key, input)?),
            Key::CaptureInput => {
                let value = truth(key, input)?;
                self.options.capture_input = Some(Spanned { key: span, value });
            }
            Key::CaptureOutput => {
                let value = truth(key, input)?;
                self.options.capture_output = Some(Spanned { key: span, value });
            }
            Key::Join => self.options.join = truth(key, input)?,
            Key::Parent => self.options.parent = Some(input.parse()?),
            Key::Flush => self.options.flush = Some(flush(input)?),
            Key::Tags => match input.parse()? {
                Expr::Array(array) => self.options.tags = array.elems.into_iter().collect(),
                other => {
                    return Err(Error::new_spanned(
                        other,
                        format!("write `{}`", key.usage()),
                    ));
                }
            },
            Key::Crate => self.options.krate = Some(crate_path(input)?),
            _ => self.options.identifiers.push((key, input.parse()?)),
        }
        Ok(())
    }

    /// Keys with their values; `what` they are is for messages.
    fn entries(&mut self, what: &str, input: ParseStream<'_>) -> Vec<(String, Expr)> {
        let mut entries: Vec<(String, Expr)> = Vec::new();
        while !input.is_empty() {
            match entry(what, input) {
                Ok((key, span, value)) => {
                    if entries.iter().any(|(known, _)| *known == key) {
                        self.mistakes
                            .at(span, format!("the {what} `{key}` is given twice, keep one"));
                    }
                    entries.push((key, value));
                    if !input.is_empty() && !input.peek(Token![,]) {
                        self.mistakes
                            .push(input.error("expected `,` between two entries"));
                        skip_to_comma(input);
                    }
                }
                Err(error) => {
                    self.mistakes.push(error);
                    skip_to_comma(input);
                }
            }
            if input.peek(Token![,]) {
                skip_token(input);
            }
        }
        entries
    }
}

fn entry(what: &str, input: ParseStream<'_>) -> syn::Result<(String, Span, Expr)> {
    let (key, span) = if input.peek(LitStr) {
        let key: LitStr = input.parse()?;
        (key.value(), key.span())
    } else if input.peek(Ident::peek_any) {
        let key = input.call(Ident::parse_any)?;
        (key.unraw().to_string(), key.span())
    } else {
        return Err(input.error("expected a key, as in `key = value` or `\"dotted.key\" = value`"));
    };
    if input.peek(Token![.]) {
        return Err(input.error("a key with dots is written as a string: `\"dotted.key\" = value`"));
    }
    if !input.peek(Token![=]) {
        return Err(Error::new(
            span,
            format!("the {what} `{key}` has no value, write `{key} = value`"),
        ));
    }
    input.parse::<Token![=]>()?;
    let value = input.parse()?;
    Ok((key, span, value))
}

fn parentheses(key: Key, input: ParseStream<'_>) -> syn::Result<syn::parse::ParseBuffer<'_>> {
    if !input.peek(syn::token::Paren) {
        return Err(input.error(format!("write `{}`", key.usage())));
    }
    let content;
    parenthesized!(content in input);
    Ok(content)
}

fn names(key: Key, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let content = parentheses(key, input)?;
    parse_list(&content, |input| input.call(parameter))
}

fn parameter(input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.peek(Ident::peek_any) && !input.peek(Token![_]) {
        input.call(Ident::parse_any)
    } else {
        Err(input.error("expected a name"))
    }
}

fn parse_list<T>(
    input: ParseStream<'_>,
    one: impl Fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        items.push(one(input)?);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(items)
}

/// A string literal, or an expression of one that is made by a macro or named by a constant.
fn constant_text(key: Key, input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let expr: Expr = input.parse()?;
    match ungroup(&expr) {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(_),
            ..
        })
        | Expr::Macro(_)
        | Expr::Path(_) => Ok(expr.into_token_stream()),
        _ => Err(Error::new_spanned(
            expr,
            format!("expected a string: `{}`", key.usage()),
        )),
    }
}

fn truth(key: Key, input: ParseStream<'_>) -> syn::Result<bool> {
    let expr: Expr = input.parse()?;
    match ungroup(&expr) {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Bool(LitBool { value, .. }),
            ..
        }) => Ok(*value),
        _ => Err(Error::new_spanned(
            expr,
            format!("expected `true` or `false`: `{}`", key.usage()),
        )),
    }
}

fn flush(input: ParseStream<'_>) -> syn::Result<Flush> {
    let expr: Expr = input.parse()?;
    match ungroup(&expr) {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Bool(lit),
            ..
        }) => Ok(if lit.value { Flush::Spool } else { Flush::No }),
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(lit),
            ..
        }) if lit.value() == "deliver" => Ok(Flush::Deliver),
        _ => Err(Error::new_spanned(
            expr,
            "expected `flush = false` (do not flush) or `flush = \"deliver\"` (wait until the trace is delivered)",
        )),
    }
}

/// What an attribute expands to must not depend on the names around it, so the path is absolute.
fn crate_path(input: ParseStream<'_>) -> syn::Result<Path> {
    let usage = "write the path of the crate `rollout` from its root: `crate = ::renamed` or `crate = crate::path`";
    let path = input
        .call(Path::parse_mod_style)
        .map_err(|error| Error::new(error.span(), usage))?;
    let first = path
        .segments
        .first()
        .map(|segment| segment.ident.to_string());
    if path.leading_colon.is_some() || matches!(first.as_deref(), Some("crate" | "$crate")) {
        Ok(path)
    } else {
        Err(Error::new_spanned(
            &path,
            format!("a relative path may mean something else elsewhere; {usage}"),
        ))
    }
}

/// Looks through the invisible groups that `macro_rules!` puts around what it was given.
fn ungroup(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => ungroup(&group.expr),
        other => other,
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        skip_token(input);
    }
}

fn skip_token(input: ParseStream<'_>) {
    // A token tree can only be missing at the end, where there is nothing to skip.
    let _ = input.parse::<TokenTree>();
}
