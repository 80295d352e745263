//! Spans of `tracing` that speak of models, agents and tools, as spans of ours.
//!
//! A span of theirs that has fields `gen_ai.…` becomes one of ours when it is opened, is current while it is entered,
//! and ends when it is closed. What its fields say is kept until then ([`facts`]), but for what a request asks, which
//! is told when the span is first left. [`calls`] sees to it that a model call that a wrapper sees as well is one span.
//!
//! No lock is held while code of the program may run (`Debug` of a field, another subscriber's callback), and a
//! callback that comes from within one of ours does nothing.

pub(crate) mod calls;
mod collect;
mod facts;
mod kind;
mod layer;
mod open;

pub use layer::{TracingLayer, tracing_layer};
