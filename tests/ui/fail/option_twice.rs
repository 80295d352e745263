#[rollout::span("a", name = "b")]
fn run() {}

fn main() {
    run();
}
