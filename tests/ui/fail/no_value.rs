#[rollout::tool(tool_call_id)]
fn run() {}

fn main() {
    run();
}
