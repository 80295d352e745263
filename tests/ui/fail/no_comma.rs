#[rollout::tool(name = "a" tags = ["b"])]
fn run() {}

fn main() {
    run();
}
