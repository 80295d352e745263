#[rollout::tool(colour = "red")]
fn find(query: &str) -> usize {
    query.len()
}

fn main() {
    find("a");
}
