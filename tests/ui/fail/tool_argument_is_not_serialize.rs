type Tool = Box<dyn Fn(&Context, String) -> String>;

struct Context;

fn main() {
    let tool: Tool = Box::new(|_, text| text);
    rollout::wrap_tools(vec![("ask", tool)]);
}
