#[rollout::agent(crate = "rollout")]
fn run() {}

fn main() {
    run();
}
