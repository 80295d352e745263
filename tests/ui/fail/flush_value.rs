#[rollout::agent(flush = "later")]
fn run() {}

fn main() {
    run();
}
