#[rollout::tool(skip_fn(run))]
fn run() {}

fn main() {
    run();
}
