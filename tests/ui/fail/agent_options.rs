#[rollout::agent(tpye = "agent")]
fn run() {}

fn main() {
    run();
}
