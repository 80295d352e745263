struct Tier;

#[rollout::tool(attributes(tier = Tier))]
fn run() {}

fn main() {
    run();
}
