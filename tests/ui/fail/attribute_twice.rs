#[rollout::agent(attributes(tier = 1, "tier" = 2))]
fn run() {}

fn main() {
    run();
}
