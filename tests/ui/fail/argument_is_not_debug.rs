struct Client;

#[rollout::tool(debug(client))]
fn search(client: &Client) {
    let _ = client;
}

fn main() {
    search(&Client);
}
