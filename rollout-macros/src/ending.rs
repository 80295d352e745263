//! What ends the span of a call that has given its value: the value is asked by its type whether it failed, and
//! recorded if not.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use crate::expand::{is_never, mixed, respan};
use crate::model::{Flow, Plan, Through, output_position};
use crate::shape::{Shape, never_result};

/// `|end, value| …`
pub(crate) fn finish(plan: &Plan<'_>) -> TokenStream {
    let nothing = plan.returned.as_ref().is_none_or(|ty| {
        is_never(&plan.function.signature.output)
            || (gives_value(plan) && plan.output.is_none() && never_result(ty))
    });
    if nothing {
        let runtime = &plan.runtime;
        return quote_spanned!(mixed()=> #runtime::nothing);
    }
    match plan.output {
        None => without_capture(plan),
        Some(through) => looked_at(plan, through),
    }
}

/// The same where only a failure is of interest.
pub(crate) fn without_capture(plan: &Plan<'_>) -> TokenStream {
    let (runtime, outcome) = (&plan.runtime, outcome(plan));
    quote_spanned!(mixed()=> |end, value| { #runtime::#outcome::new(value).finish(end); })
}

fn gives_value(plan: &Plan<'_>) -> bool {
    match &plan.flow {
        Flow::Guard => true,
        Flow::Sync { gives, .. } | Flow::Async { gives, .. } => *gives == Shape::Value,
        Flow::Pinned(_) => false,
    }
}

/// Whether the value is no `Result`, which its spelling says.
fn gives_plain_value(plan: &Plan<'_>) -> bool {
    plan.returned
        .as_ref()
        .is_some_and(|ty| gives_value(plan) && never_result(ty))
}

fn capturing(through: Through, span: Span) -> Ident {
    let name = match through {
        Through::Serialize => "Output",
        Through::Debug => "DebugOutput",
    };
    Ident::new(name, span)
}

/// What ends the span of a call that has given its `value`, as statements: no closure, and nothing generic but by the
/// type of the value. The tokens lie where those of [`looked_at`] do.
pub(crate) fn show(plan: &Plan<'_>) -> TokenStream {
    let (first, last) = output_position(&plan.function.signature.output);
    let runtime_there = respan(&plan.runtime, first);
    let shown = if gives_plain_value(plan) {
        let value = quote_spanned!(last=> (&value));
        quote_spanned!(first=> #runtime_there::some #value)
    } else {
        let outcome = outcome(plan);
        let value = quote_spanned!(last=> (&mut span));
        quote_spanned!(first=> #runtime_there::#outcome::new(&value).finish #value)
    };
    match plan.output {
        None => quote_spanned!(mixed()=> #shown;),
        Some(through) => {
            let trait_ = capturing(through, first);
            let output = Ident::new("output", last);
            quote_spanned!(first=> #runtime_there::#trait_::#output(#shown, &mut span);)
        }
    }
}

/// Asks the value by its type whether it failed, and records it if not. A value that cannot be
/// captured is an error at the return type, so the tokens of this expression lie there.
fn looked_at(plan: &Plan<'_>, through: Through) -> TokenStream {
    let (first, last) = output_position(&plan.function.signature.output);
    let plain = gives_plain_value(plan);
    let runtime_there = respan(&plan.runtime, first);
    let trait_ = capturing(through, first);
    if plain {
        let record = Ident::new("record", last);
        return quote_spanned!(first=> #runtime_there::#trait_::#record);
    }
    let outcome = outcome(plan);
    let value = quote_spanned!(last=> (end));
    let value = quote_spanned!(first=> #runtime_there::#outcome::new(value).finish #value);
    let output = Ident::new("output", last);
    quote_spanned!(first=> |end, value| #runtime_there::#trait_::#output(#value, end))
}

/// What asks a value whether it failed.
fn outcome(plan: &Plan<'_>) -> Ident {
    let name = if plan.unseen && gives_value(plan) {
        "Given"
    } else if plan.error_may_borrow {
        "OfDisplay"
    } else {
        "Outcome"
    };
    Ident::new(name, mixed())
}
