#[rollout::agent(attributes(tier, region = "eu"))]
fn run() {}

fn main() {
    run();
}
