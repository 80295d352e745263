#[rollout::tool(capture_output = false, debug(return))]
fn run() -> u32 {
    1
}

fn main() {
    run();
}
