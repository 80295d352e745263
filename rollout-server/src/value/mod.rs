//! Captured values: read one level at a time, recognised as conversations, told in one line.

mod chat;
mod json;
mod preview;

pub use chat::{Chat, Part, Turn};
pub use json::Json;
pub use preview::{preview, streamed};

/// The attribute of a model call for what was sent to the model, where its input is something else.
pub const PROMPT: &str = "rollout.prompt";

/// The attribute of a span whose output is what a stream or an iterator gave: how many items.
pub const ITEM_COUNT: &str = "rollout.item_count";
