#[rollout::tool(skip = client)]
fn run(client: &str) {
    let _ = client;
}

fn main() {
    run("a");
}
