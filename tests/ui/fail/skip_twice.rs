#[rollout::tool(skip(client, client))]
fn run(client: &str) {
    let _ = client;
}

fn main() {
    run("a");
}
