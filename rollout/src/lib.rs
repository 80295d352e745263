//! See what LLM agents written in Rust do: annotate functions, run, open the trace.
//!
//! ```ignore
//! use rollout::{agent, tool};
//!
//! #[tool]
//! async fn lookup_order(order_id: u32) -> Result<Order, LookupError> { /* … */ }
//!
//! #[agent(name = "support_agent")]
//! async fn run_agent(user_message: String) -> anyhow::Result<String> { /* … */ }
//!
//! #[tokio::main]
//! async fn main() -> anyhow::Result<()> {
//!     let _rollout = rollout::init()?; // ROLLOUT_* from the environment
//!     println!("{}", run_agent("Where is my order?".into()).await?);
//!     Ok(()) // the guard drains what is queued
//! }
//! ```

mod calls;
#[cfg(feature = "exchange")]
#[cfg_attr(
    not(any(feature = "reqwest", feature = "reqwest-012", feature = "rig")),
    allow(dead_code, reason = "those are who uses it")
)]
mod exchange;
mod failure;
mod integrations;
mod model_call;
mod named;
mod place;
mod provider;
pub mod tools;
mod usage;
mod wrap;

pub use rollout_core::*;
pub use rollout_macros::{agent, observe, span, task, tool, trace};

pub use crate::calls::ModelCalls;
#[cfg(any(feature = "reqwest", feature = "reqwest-012"))]
pub use crate::integrations::reqwest::SendTraced;
#[cfg(feature = "reqwest-middleware")]
pub use crate::integrations::reqwest_middleware::ModelCallMiddleware;
#[cfg(feature = "mcp")]
pub use crate::integrations::rmcp::{
    CallToolTraced, McpServer, wrap_mcp_server, wrap_mcp_server_with,
};
#[cfg(feature = "tower")]
pub use crate::integrations::tower::{ServedBody, ServedFuture, ServerLayer, TracedServer};
#[cfg(feature = "tracing")]
pub use crate::integrations::tracing::{TracingLayer, tracing_layer};
pub use crate::model_call::{ModelCall, llm};
pub use crate::named::provider;
pub use crate::tools::{
    ToolCalls, with_tool_call_id, wrap_async_tool, wrap_tool, wrap_tools, wrap_tools_with,
};
pub use crate::usage::{usage_from_anthropic, usage_from_gemini, usage_from_openai};
pub use crate::wrap::{Wrap, wrap, wrap_with};

#[doc(hidden)]
pub use rollout_core::private as __private;
