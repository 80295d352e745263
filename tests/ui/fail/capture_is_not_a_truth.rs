#[rollout::span(capture_output = "no")]
fn run() -> u32 {
    1
}

fn main() {
    run();
}
