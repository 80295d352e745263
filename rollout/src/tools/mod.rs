//! Tools that a program keeps in a map or list: each call of one is recorded.
//!
//! An annotated function needs none of this: `#[rollout::tool]` records it wherever it is kept. This is for tools that
//! are closures.
//!
//! ```
//! use std::collections::HashMap;
//!
//! type Tool = Box<dyn Fn(String) -> Result<String, std::num::ParseIntError> + Send + Sync>;
//!
//! let mut tools: HashMap<&str, Tool> = HashMap::new();
//! tools.insert("double", Box::new(|number| Ok((number.parse::<i32>()? * 2).to_string())));
//! let tools = rollout::wrap_tools(tools); // the same type
//! assert_eq!(tools["double"]("21".into()).as_deref(), Ok("42"));
//! ```
//!
//! What can be kept under its own type is a closure in a box, because only that hides which closure it is:
//! `Box<dyn Fn…>`, `Box<dyn FnMut…>`, `Arc<dyn Fn…>` and `Rc<dyn Fn…>`, with up to three arguments, of which the first
//! one or two may be borrowed, the first also by `&mut`: it is recorded as it is before the call. A closure or function by itself becomes another one by [`wrap_tool`] or
//! [`wrap_async_tool`], before it is kept.
//!
//! The arguments are recorded through `serde::Serialize`, and so is the result; an `Err` marks the call failed, a panic
//! goes on, and a future that is dropped before it is done ends its call as cancelled. What runs inside a call is
//! recorded inside of it.

mod boxed;
mod call;
mod calls;
mod marks;
mod one;
mod registry;
mod value;

pub use boxed::{By, WrapTool};
pub use call::{ToolFuture, with_tool_call_id};
pub use calls::ToolCalls;
pub use one::{wrap_async_tool, wrap_tool};
pub use registry::{WrapTools, wrap_tools, wrap_tools_with};
pub use value::{Returned, Told, ToolArgument, ToolOutput};

#[cfg(feature = "mcp")]
pub(crate) use call::{Call, take_call_id};
#[cfg(feature = "mcp")]
pub(crate) use value::{failed, json};
