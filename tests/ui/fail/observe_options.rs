#[rollout::observe(join = true)]
fn run() {}

fn main() {
    run();
}
