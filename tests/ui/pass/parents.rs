//! What tells of the parent is used by that.
#![deny(warnings)]

use rollout::{SpanContext, agent, span, task, tool, trace};

#[agent(parent = parent)]
fn sync(parent: &str, number: u32) -> u32 {
    number
}

#[trace(parent = parent.as_deref(), skip(parent))]
fn nothing(parent: Option<String>) {}

#[span(parent = parent, skip(parent))]
async fn asynchronous(parent: Option<&SpanContext>) -> Result<(), std::fmt::Error> {
    Ok(())
}

#[tool(parent = rollout::current_span().as_ref().and_then(rollout::Span::span_context))]
fn of_another(question: &str) -> usize {
    if question.is_empty() {
        return 0;
    }
    question.len()
}

#[task(parent = (parent), skip(parent))]
fn later(parent: String) -> impl std::future::Future<Output = usize> {
    async { 1 }
}

fn main() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(sync(parent, 7), 7);
    nothing(Some(parent.to_owned()));
    drop(asynchronous(parent.parse().ok().as_ref()));
    assert_eq!(of_another("why?"), 4);
    drop(later(parent.to_owned()));
}
