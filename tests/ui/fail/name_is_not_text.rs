#[rollout::span(name = 3)]
fn run() {}

fn main() {
    run();
}
