//! What an expansion says of its function: one literal, as the runtime's `site.rs` describes it.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;

use crate::expand::mixed;
use crate::model::Plan;
use crate::options::Flush;

/// An expression for the call site. `arguments` are the names of those whose values go along by themselves.
pub(crate) fn site(plan: &Plan<'_>, arguments: &[String]) -> TokenStream {
    let options = plan.options;
    let ident = &plan.function.signature.ident;
    let flush = match &options.flush {
        None | Some(Flush::Spool) => "",
        Some(Flush::No) => "n",
        Some(Flush::Deliver) => "d",
    };
    let join = if options.join { "j" } else { "" };
    let parent = options.parent.as_ref().map_or("", |_| "p");
    let span_type = Text::of(options.span_type.as_ref());
    let name = Text::of(options.name.as_ref().map(|name| &name.value));
    let said = format!(
        "{}{flush}{join}{parent}\0{}\0{}\0{}\0{}\0",
        plan.macro_.letter(),
        ident.unraw(),
        span_type.said(),
        name.said(),
        arguments.join(","),
    );
    let (module, file) = (
        quote_spanned!(mixed()=> ::core::module_path!()),
        quote_spanned!(mixed()=> ::core::file!()),
    );
    let line = line(ident.span()).map_or_else(
        || quote_spanned!(mixed()=> "\0", ::core::line!()),
        Literal::into_token_stream,
    );
    let text = quote_spanned!(mixed()=> ::core::concat!(#said, #module, "\0", #file, #line));
    if let (Text::Said(_), Text::Said(_)) = (&span_type, &name) {
        return text;
    }
    let runtime = &plan.runtime;
    let (span_type, name) = (span_type.constant(), name.constant());
    // In a block of its own, so that no body can name it.
    quote_spanned! {mixed()=> {
        static SITE: #runtime::Named = #runtime::Named::new(#text, #span_type, #name);
        SITE.text()
    }}
}

/// A text of an option.
enum Text {
    /// It is known here.
    Said(String),
    /// It is a constant or a macro of the program's.
    Constant(TokenStream),
}

impl Text {
    fn of(tokens: Option<&TokenStream>) -> Self {
        match tokens {
            None => Self::Said(String::new()),
            Some(tokens) => match syn::parse2::<LitStr>(tokens.clone()) {
                // The fields are told apart by this character.
                Ok(literal) => Self::Said(literal.value().replace('\0', "\u{fffd}")),
                Err(_) => Self::Constant(tokens.clone()),
            },
        }
    }

    fn said(&self) -> &str {
        match self {
            Self::Said(text) => text,
            Self::Constant(_) => "",
        }
    }

    fn constant(&self) -> TokenStream {
        match self {
            Self::Said(_) => quote_spanned!(mixed()=> ""),
            Self::Constant(tokens) => tokens.clone(),
        }
    }
}

/// The line of the function's name, where that lies in the file the attribute is in; `line!()`
/// would be the attribute's.
fn line(span: Span) -> Option<Literal> {
    if !proc_macro::is_available() {
        return None;
    }
    let (name, attribute) = (span.unwrap(), Span::call_site().unwrap());
    (name.file() == attribute.file()).then(|| Literal::string(&format!("\0{}", name.line())))
}
