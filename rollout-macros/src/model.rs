//! The validated plan of one function: what is recorded, and how its body is followed.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned as _;
use syn::{FnArg, ReturnType, Type};

use crate::capture::{Parameter, parameters};
use crate::diagnose::{Mistakes, list, suggestion};
use crate::failure::error_may_borrow;
use crate::function::{Block, Body, Function};
use crate::kind::Macro;
use crate::options::{DebugName, Options};
use crate::outlives::Scope;
use crate::pinned::PinnedBlock;
use crate::shape::{Shape, may_go_on, never_result, ungroup};
use crate::surroundings::Surroundings;

/// Through which trait a value is captured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    Serialize,
    Debug,
}

/// One name whose value is recorded.
pub(crate) struct Input {
    pub(crate) ident: Ident,
    pub(crate) cfg: TokenStream,
    pub(crate) through: Through,
}

/// How the body is followed to its end.
pub(crate) enum Flow {
    /// A guard beside the body: there is no value to look at.
    Guard,
    /// What the body gives is looked at.
    Sync {
        gives: Shape,
        /// The body has one way out, so it stands where it stood; else it is put into a closure.
        in_place: bool,
    },
    /// The body makes a future of an async block, which is put into one of ours where it stands.
    Pinned(PinnedBlock),
    /// The body in an async block.
    Async {
        gives: Shape,
        /// The function stays an `async fn` that awaits the block.
        keep: bool,
    },
}

/// Everything that the expansion needs to know; nothing in it can fail.
pub(crate) struct Plan<'a> {
    pub(crate) macro_: Macro,
    pub(crate) options: &'a Options,
    pub(crate) function: &'a Function,
    pub(crate) block: &'a Block,
    /// The path of the runtime's private module.
    pub(crate) runtime: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) inputs: Vec<Input>,
    /// Whether what is recorded on entry needs names that only the body's patterns bind.
    pub(crate) reads_patterns: bool,
    /// The declared type, as far as it is known what that is; by it, everything is decided. It is emitted as written.
    pub(crate) returned: Option<Type>,
    /// What is returned may be something that is still to run, and is not followed.
    pub(crate) unseen: bool,
    /// A `Result` in it has an error that may hold something borrowed.
    pub(crate) error_may_borrow: bool,
    pub(crate) output: Option<Through>,
    pub(crate) flow: Flow,
}

/// What an attribute stands on.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Function,
    /// A block of functions; its options need not fit each of them.
    Block {
        /// There are attributes on the block that may be macros and have not run yet.
        foreign_attributes: bool,
        /// What the block says, if it is an `impl`.
        around: Option<&'a Surroundings>,
    },
}

/// Checks `options` against `function`. `None` if there is nothing to instrument.
pub(crate) fn plan<'a>(
    macro_: Macro,
    options: &'a Options,
    function: &'a Function,
    place: Place<'_>,
    mistakes: &mut Mistakes,
) -> Option<Plan<'a>> {
    let signature = &function.signature;
    let mut parameters = parameters(signature);
    if let Some(parent) = &options.parent {
        used_by(parent, &mut parameters);
    }
    let named = matches!(place, Place::Function);
    if named {
        check_names(macro_, options, function, &parameters, mistakes);
        if let Some(constness) = &signature.constness {
            mistakes.over(
                constness,
                format!("`{macro_}` cannot record a `const fn`, which may run at compile time; remove `const` or the attribute"),
            );
        }
    }
    let block = match &function.body {
        Body::Block(block) => block,
        Body::Missing => {
            if named {
                mistakes.over(
                    &signature.ident,
                    format!("`{macro_}` needs a function with a body; put it on the functions that implement this one"),
                );
            }
            return None;
        }
    };
    let inputs = inputs(options, &parameters);
    let around = match place {
        Place::Function => None,
        Place::Block { around, .. } => around,
    };
    let returned = match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(match around {
            Some(around) => around.spelled_out(ty),
            None => Type::clone(ty),
        }),
    };
    let scope = Scope { signature, around };
    let unseen = returned.as_ref().is_some_and(|ty| may_go_on(ty, scope));
    let gives = returned
        .as_ref()
        .map_or(Shape::Value, |ty| Shape::of(ty, scope));
    let returns = Returns {
        ty: returned.as_ref(),
        gives,
        unseen,
    };
    let flow = flow(options, function, block, place, &returns);
    let entry_reads_values = !options.attributes.is_empty()
        || !options.metadata.is_empty()
        || !options.tags.is_empty()
        || !options.identifiers.is_empty()
        || options.parent.is_some()
        || !inputs.is_empty();
    let reads_patterns =
        entry_reads_values && parameters.iter().any(|p| !p.is_name && !p.names.is_empty());
    let krate = options.krate.as_ref().map_or_else(
        || quote_spanned!(proc_macro2::Span::mixed_site()=> ::rollout),
        ToTokens::to_token_stream,
    );
    Some(Plan {
        macro_,
        options,
        function,
        block,
        runtime: quote_spanned!(proc_macro2::Span::mixed_site()=> #krate::__private),
        parameters,
        inputs,
        reads_patterns,
        error_may_borrow: returned
            .as_ref()
            .is_some_and(|ty| error_may_borrow(ty, scope)),
        returned,
        unseen,
        output: output(options),
        flow,
    })
}

/// A parameter that tells of the parent has done what it is there for, whether the body reads it or not.
fn used_by(parent: &syn::Expr, parameters: &mut [Parameter]) {
    fn names(tokens: TokenStream, name: &Ident) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == *name,
            TokenTree::Group(group) => names(group.stream(), name),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    for parameter in parameters.iter_mut().filter(|parameter| parameter.is_name) {
        let is_used = |name: &Ident| names(parent.to_token_stream(), name);
        if parameter.names.iter().any(is_used) {
            let inner = &parameter.inner;
            parameter.inner =
                quote_spanned!(proc_macro2::Span::mixed_site()=> #[allow(unused_variables)] #inner);
        }
    }
}

/// Whether this function can be instrumented at all, for functions nobody named.
pub(crate) fn can_record(function: &Function) -> bool {
    function.signature.constness.is_none() && matches!(function.body, Body::Block(_))
}

fn inputs(options: &Options, parameters: &[Parameter]) -> Vec<Input> {
    if options
        .capture_input
        .as_ref()
        .is_some_and(|capture| !capture.value)
    {
        return Vec::new();
    }
    let mut inputs = Vec::new();
    for parameter in parameters {
        for ident in &parameter.names {
            if options.skip.contains(ident) {
                continue;
            }
            let debug =
                |name: &DebugName| matches!(name, DebugName::Parameter(name) if name == ident);
            let through = if options.debug.iter().any(debug) {
                Through::Debug
            } else {
                Through::Serialize
            };
            inputs.push(Input {
                ident: ident.clone(),
                cfg: parameter.cfg.clone(),
                through,
            });
        }
    }
    inputs
}

fn output(options: &Options) -> Option<Through> {
    if options
        .capture_output
        .as_ref()
        .is_some_and(|capture| !capture.value)
    {
        None
    } else if options
        .debug
        .iter()
        .any(|name| matches!(name, DebugName::Return(_)))
    {
        Some(Through::Debug)
    } else {
        Some(Through::Serialize)
    }
}

struct Returns<'a> {
    ty: Option<&'a Type>,
    gives: Shape,
    unseen: bool,
}

fn flow(
    options: &Options,
    function: &Function,
    block: &Block,
    place: Place<'_>,
    returns: &Returns<'_>,
) -> Flow {
    let signature = &function.signature;
    let gives = returns.gives;
    if signature.asyncness.is_some() {
        return Flow::Async {
            gives: match gives {
                Shape::Future => Shape::Value,
                gives => gives,
            },
            keep: keeps_async(function, place),
        };
    }
    // There, no other box is needed, into which it may not fit; and another macro may still want to see the block.
    let where_it_stands = match gives {
        Shape::Asked => true,
        Shape::Future => has_foreign(function),
        Shape::Value => returns.unseen,
        _ => false,
    };
    if where_it_stands && let Some(pinned) = PinnedBlock::of(&block.group) {
        return Flow::Pinned(pinned);
    }
    let needless = returns.ty.is_none_or(|ty| {
        is_unit_or_never(ty)
            || (gives == Shape::Value && output(options).is_none() && never_result(ty))
    });
    // A closure would change the caller that `#[track_caller]` tells of, and cannot take `...`.
    let cannot_move = signature.variadic.is_some()
        || function
            .attributes
            .iter()
            .any(|attribute| attribute.path == "track_caller");
    let in_place = !needless && block.has_one_exit();
    if needless || (cannot_move && !in_place) {
        Flow::Guard
    } else {
        Flow::Sync { gives, in_place }
    }
}

/// `async fn f() -> T` becomes `fn f() -> impl Future<Output = T>`, so that arguments are stored
/// once. Not where somebody else still has to see the `async`: another macro, the `#[must_use]`
/// that speaks of the awaited value, or the type `!`, which cannot be written as an `Output`.
fn keeps_async(function: &Function, place: Place<'_>) -> bool {
    let never = match &function.signature.output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => matches!(ungroup(ty), Type::Never(_)),
    };
    never
        || matches!(
            place,
            Place::Block {
                foreign_attributes: true,
                ..
            }
        )
        || has_foreign(function)
        || function
            .attributes
            .iter()
            .any(|attribute| attribute.path == "must_use")
}

/// Whether there are attributes that may be macros and have not run yet.
fn has_foreign(function: &Function) -> bool {
    function
        .attributes
        .iter()
        .any(|attribute| !attribute.is_inert())
}

fn is_unit_or_never(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Never(_) => true,
        _ => false,
    }
}

/// Names in `skip(…)` and `debug(…)` must be there, once, and have an effect.
fn check_names(
    macro_: Macro,
    options: &Options,
    function: &Function,
    parameters: &[Parameter],
    mistakes: &mut Mistakes,
) {
    if let Some(skip_fn) = &options.skip_fn {
        mistakes.at(
            skip_fn.key,
            format!("`skip_fn` is for `{macro_}` on an `impl` block or a module; remove the attribute from this function instead"),
        );
    }
    let known: Vec<String> = parameters
        .iter()
        .flat_map(|parameter| &parameter.names)
        .map(|ident| ident.unraw().to_string())
        .collect();
    let mut seen: Vec<(&Ident, &str)> = Vec::new();
    let skipped = options.skip.iter().map(|ident| (ident, "skip"));
    let debugged = options.debug.iter().filter_map(|name| match name {
        DebugName::Parameter(ident) => Some((ident, "debug")),
        DebugName::Return(_) => None,
    });
    for (ident, option) in skipped.chain(debugged) {
        let word = ident.unraw().to_string();
        if word == "self" {
            let receiver = matches!(function.signature.inputs.first(), Some(FnArg::Receiver(_)));
            let what = if receiver {
                "is never captured"
            } else {
                "is not a parameter here"
            };
            mistakes.at(
                ident.span(),
                format!("`self` {what}; remove it from `{option}(…)`"),
            );
        } else if !known.contains(&word) {
            let hint = if known.is_empty() {
                "; this function has no parameters".into()
            } else {
                let near = suggestion(&word, known.iter().map(String::as_str));
                let near = if near.is_empty() { ";".into() } else { near };
                format!(
                    "{near} the parameters are {}",
                    list(known.iter().map(String::as_str))
                )
            };
            mistakes.at(
                ident.span(),
                format!(
                    "`{}` has no parameter `{word}`{hint}",
                    function.signature.ident
                ),
            );
        }
        match seen.iter().find(|(other, _)| *other == ident) {
            Some((_, other)) if *other == option => {
                mistakes.at(ident.span(), format!("`{word}` is given twice in `{option}(…)`, keep one"));
            }
            Some((_, other)) => mistakes.at(
                ident.span(),
                format!("`{word}` is in `{other}(…)` and in `{option}(…)`; keep one: `skip` leaves it out, `debug` captures it through `Debug`"),
            ),
            None => seen.push((ident, option)),
        }
        if let Some(capture) = options
            .capture_input
            .as_ref()
            .filter(|capture| !capture.value)
        {
            mistakes.at(
                capture.key,
                format!("`capture_input = false` captures no argument, so `{option}({word})` has no effect; keep one of them"),
            );
        }
    }
    for name in &options.debug {
        let DebugName::Return(span) = name else {
            continue;
        };
        if options
            .capture_output
            .as_ref()
            .is_some_and(|capture| !capture.value)
        {
            mistakes.at(*span, "`capture_output = false` captures no result, so `debug(return)` has no effect; keep one of them");
        } else if matches!(function.signature.output, ReturnType::Default) {
            mistakes.at(
                *span,
                format!(
                    "`{}` returns nothing to capture; remove `return` from `debug(…)`",
                    function.signature.ident
                ),
            );
        }
    }
}

/// Where messages about the result point.
pub(crate) fn output_position(output: &ReturnType) -> (proc_macro2::Span, proc_macro2::Span) {
    let mixed = proc_macro2::Span::mixed_site();
    match output {
        ReturnType::Default => (mixed, mixed),
        ReturnType::Type(_, ty) => {
            let mut tokens = ty.to_token_stream().into_iter();
            let first = tokens
                .next()
                .map_or_else(|| ty.span(), |token| token.span());
            let last = tokens.last().map_or(first, |token| token.span());
            (mixed.located_at(first), mixed.located_at(last))
        }
    }
}
