//! A chat model that answers by a script: a real HTTP server on this machine that speaks OpenAI's
//! chat completions, plain and streamed, and Anthropic's messages and Gemini's `generateContent` for
//! words, so that the examples run without an account and always
//! say the same.
//!
//! With `OPENAI_API_KEY` or `OPENAI_BASE_URL` in the environment, [`Model::from_env_or`] talks to
//! that API instead.

pub mod chat;
mod model;
mod others;
mod script;
mod server;

pub use model::Model;
pub use script::{Reply, Script};
