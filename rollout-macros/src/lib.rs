//! The attribute macros of [`rollout`](https://docs.rs/rollout), which re-exports them and documents
//! what they record.
//!
//! Attribute tokens become `options`, the item a `function` (signature parsed, body not) or a
//! `block` of them; both together a validated `model`, which `expand` turns into tokens. Mistakes
//! are collected on the way and end in `fallback`.

mod block;
mod capture;
mod diagnose;
mod ending;
mod entry;
mod expand;
mod failure;
mod fallback;
mod function;
mod inside;
mod kind;
mod model;
mod opaque;
mod options;
mod outlives;
mod pinned;
mod shape;
mod site;
mod surroundings;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

use crate::kind::Macro;

/// Opens a fresh trace per call, with a root span of type `agent`; the trace is flushed when the
/// call ends.
///
/// ```ignore
/// #[agent(name = "support_agent", session_id = session, skip(client))]
/// async fn run_agent(client: &Client, session: &str, message: String) -> anyhow::Result<String> {
///     // …
/// }
/// ```
///
/// Arguments and result are recorded through `Serialize`. `Result` is recognised by its type: an
/// error marks the span failed, with its type, message and sources, and is returned untouched. So
/// are panics, and futures dropped before they are done.
///
/// A function that returns a future is recorded while that runs, and one that returns a stream or an
/// iterator until that ends or is dropped, with the items: `impl Future`, `impl Stream` and
/// `impl Iterator` by their spelling, also inside of a `Result` or an `Option`, and
/// `Pin<Box<dyn Future<…>>>` and the other boxes by their type, so under any alias. The flush comes at
/// that end.
///
/// What `Self::Future` is, is said in the `impl` block: an attribute on the block follows it. One on the
/// method follows a body that ends in `Box::pin(async move { … })`; of others it records the call alone.
///
/// Called inside another trace, the agent opens its own and links to its caller; with `join = true`
/// it is a span of the caller's trace.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `"name"`, `name = "…"` | instead of the function's name |
/// | `capture_input = false`, `capture_output = false` | record no arguments, no result |
/// | `skip(a, b)` | leave these parameters out |
/// | `debug(a, b)`, `debug(return)` | capture through `Debug` instead of `Serialize` |
/// | `attributes(key = expr, "dotted.key" = expr)` | evaluated on entry, may use the parameters |
/// | `metadata(key = expr, "dotted.key" = expr)` | the same, kept apart from the attributes: what is known of the trace, or of the span |
/// | `tags = [expr, …]` | tags of the trace |
/// | `user_id`, `session_id`, `conversation_id`, `external_trace_id` `= expr` | an `Option` or a plain value |
/// | `parent = expr` | what it goes on from: a `SpanContext`, the text of a `traceparent`, or an `Option` of these; then it is a span of that one's trace |
/// | `flush = false`, `flush = "deliver"` | do not flush; wait until the trace is delivered |
/// | `join = true` | a span of the caller's trace, if there is one |
/// | `skip_fn(f, g)` | on an `impl` block or an inline module: leave these functions out |
/// | `crate = path` | where the crate `rollout` is, if renamed or re-exported |
#[proc_macro_attribute]
pub fn agent(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Macro::Agent, options, item)
}

/// Opens a fresh trace per call, without a flush at its end.
///
/// The options are those of [`macro@agent`] but for `flush`.
#[proc_macro_attribute]
pub fn trace(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Macro::Trace, options, item)
}

/// Opens a span on the active trace, of type `span` or `type = "…"`.
///
/// Takes `type = "…"` and of the options of [`macro@agent`]: `name`, `capture_input`,
/// `capture_output`, `skip`, `debug`, `attributes`, `metadata`, `tags`, `parent`, `skip_fn`, `crate`.
#[proc_macro_attribute]
pub fn span(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Macro::Span, options, item)
}

/// Records a tool call: the arguments as `tool.call`, the result as `tool.result`.
///
/// Takes `tool_call_id = expr` and of the options of [`macro@agent`]: `name`, `capture_input`,
/// `capture_output`, `skip`, `debug`, `attributes`, `metadata`, `tags`, `parent`, `skip_fn`, `crate`.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Macro::Tool, options, item)
}

/// Opens a span of type `task` on the active trace.
///
/// Of the options of [`macro@agent`] it takes `name`, `capture_input`, `capture_output`, `skip`,
/// `debug`, `attributes`, `metadata`, `tags`, `parent`, `skip_fn`, `crate`.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Macro::Task, options, item)
}

/// [`macro@span`] under the name that users of TraceRoot know, which also takes `user_id`, `session_id`,
/// `conversation_id` and `external_trace_id`: whom the trace is for, where nothing around the call has said so.
///
/// ```ignore
/// #[rollout::observe(type = "agent", user_id = customer, metadata(feature = "chat"), tags = ["production"])]
/// async fn answer(customer: &str, question: String) -> anyhow::Result<String> { /* … */ }
/// ```
#[proc_macro_attribute]
pub fn observe(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Macro::Observe, options, item)
}

fn attribute(macro_: Macro, options: TokenStream, item: TokenStream) -> TokenStream {
    entry::attribute(macro_, options.into(), item.into()).into()
}
