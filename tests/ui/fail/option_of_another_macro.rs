#[rollout::span(flush = false)]
fn find(query: &str) -> usize {
    query.len()
}

fn main() {
    find("a");
}
