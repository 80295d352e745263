#[rollout::tool]
fn search(query: &str) -> usize {
    let length = ;
    query.
}

fn main() {
    search("a");
}
