#[rollout::tool(capture_input = false, debug(client))]
fn run(client: &str) {
    let _ = client;
}

fn main() {
    run("a");
}
