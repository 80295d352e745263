#[rollout::tool(debug(return))]
fn run() {}

fn main() {
    run();
}
