#[rollout::tool(3)]
fn run() {}

fn main() {
    run();
}
