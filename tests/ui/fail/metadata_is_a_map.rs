#[rollout::observe(metadata = { "feature": "chat" })]
fn run() {}

fn main() {
    run();
}
