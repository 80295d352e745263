#[rollout::tool(skip(client), debug(client))]
fn run(client: &str) {
    let _ = client;
}

fn main() {
    run("a");
}
