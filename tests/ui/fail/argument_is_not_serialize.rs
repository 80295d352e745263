struct Client;

#[rollout::tool]
fn search(client: &Client, query: &str) -> usize {
    let _ = client;
    query.len()
}

fn main() {
    search(&Client, "a");
}
