type Tool = Box<dyn Fn(String) -> Reply + Send + Sync>;

struct Reply;

fn main() {
    let tool: Tool = Box::new(|_| Reply);
    rollout::wrap_tools(vec![("ask", tool)]);
}
