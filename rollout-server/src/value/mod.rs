//! Captured values: read one level at a time, recognised as conversations, told in one line.

mod chat;
mod json;
mod preview;

pub use chat::{Chat, Part, Turn};
pub use json::Json;
pub use preview::preview;
