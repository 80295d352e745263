#[rollout::agent(tags = "a")]
fn run() {}

fn main() {
    run();
}
