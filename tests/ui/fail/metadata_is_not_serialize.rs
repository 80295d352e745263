struct Tier;

#[rollout::observe(metadata(tier = Tier))]
fn run() {}

fn main() {
    run();
}
