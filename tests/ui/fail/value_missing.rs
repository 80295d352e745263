#[rollout::tool(name = , tags = ["a"])]
fn run() {}

fn main() {
    run();
}
