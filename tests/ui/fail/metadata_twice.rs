#[rollout::observe(metadata(tier = 1, region, "tier" = 2))]
fn run() {}

fn main() {
    run();
}
