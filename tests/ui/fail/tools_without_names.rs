fn main() {
    let tool: Box<dyn Fn(u32) -> u32> = Box::new(|number| number);
    rollout::wrap_tools(vec![tool]);
}
