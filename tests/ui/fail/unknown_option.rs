#[rollout::span(nmae = "find")]
fn find(query: &str) -> usize {
    query.len()
}

fn main() {
    find("a");
}
