//! Maps and lists of tools.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::boxed::WrapTool;
use super::calls::ToolCalls;

/// Records each call of the tools in a map or list, and leaves its type as it is. See [`crate::tools`] for what a tool
/// may be.
///
/// The key is the name of the tool. A tool that has been wrapped is left as it is.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::pin::Pin;
/// use std::sync::Arc;
///
/// type Answer = Pin<Box<dyn Future<Output = Result<String, std::io::Error>> + Send>>;
/// type Tool = Arc<dyn Fn(serde_json::Value) -> Answer + Send + Sync>;
///
/// let weather: Tool = Arc::new(|city| Box::pin(async move { Ok(format!("It rains in {city}.")) }));
/// let tools: BTreeMap<String, Tool> = rollout::wrap_tools(BTreeMap::from([("weather".to_owned(), weather)]));
/// ```
pub fn wrap_tools<T: WrapTools<M>, M>(tools: T) -> T {
    wrap_tools_with(tools, ToolCalls::new())
}

/// The same as [`wrap_tools`], with a say in what is recorded.
pub fn wrap_tools_with<T: WrapTools<M>, M>(tools: T, calls: ToolCalls) -> T {
    tools.wrapped(&Arc::new(calls))
}

/// What [`wrap_tools`] takes: a `HashMap`, a `BTreeMap`, or a `Vec` or array of pairs, from names to tools.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no map or list of tools that can be wrapped",
    label = "not a map or list from names to tools",
    note = "hand over a `HashMap<name, tool>`, a `BTreeMap<name, tool>` or a `Vec<(name, tool)>`",
    note = "one tool is wrapped by `rollout::wrap_tool(name, f)` or `rollout::wrap_async_tool(name, f)`"
)]
pub trait WrapTools<M>: Sized {
    #[doc(hidden)]
    fn wrapped(self, calls: &Arc<ToolCalls>) -> Self;
}

impl<K, T, S, M> WrapTools<M> for HashMap<K, T, S>
where
    K: ToString + Eq + Hash,
    T: WrapTool<M>,
    S: BuildHasher,
{
    fn wrapped(mut self, calls: &Arc<ToolCalls>) -> Self {
        // The map stays the same one, with its hasher.
        let tools: Vec<(K, T)> = self.drain().collect();
        self.extend(tools.into_iter().map(|tool| one(tool, calls)));
        self
    }
}

impl<K: ToString + Ord, T: WrapTool<M>, M> WrapTools<M> for BTreeMap<K, T> {
    fn wrapped(self, calls: &Arc<ToolCalls>) -> Self {
        self.into_iter().map(|tool| one(tool, calls)).collect()
    }
}

impl<K: ToString, T: WrapTool<M>, M> WrapTools<M> for Vec<(K, T)> {
    fn wrapped(self, calls: &Arc<ToolCalls>) -> Self {
        self.into_iter().map(|tool| one(tool, calls)).collect()
    }
}

impl<K: ToString, T: WrapTool<M>, M, const N: usize> WrapTools<M> for [(K, T); N] {
    fn wrapped(self, calls: &Arc<ToolCalls>) -> Self {
        self.map(|tool| one(tool, calls))
    }
}

fn one<K: ToString, T: WrapTool<M>, M>((name, tool): (K, T), calls: &Arc<ToolCalls>) -> (K, T) {
    let tool = tool.traced(name.to_string(), Arc::clone(calls));
    (name, tool)
}
