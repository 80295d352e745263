struct Client;

#[rollout::tool]
async fn search(client: &Client, query: String) -> usize {
    let _ = client;
    query.len()
}

fn main() {
    let _ = search(&Client, "a".into());
}
