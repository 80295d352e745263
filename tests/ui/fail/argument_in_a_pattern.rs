struct Client;

#[rollout::tool]
fn search((client, query): (Client, String)) -> usize {
    let _ = client;
    query.len()
}

fn main() {
    search((Client, "a".into()));
}
