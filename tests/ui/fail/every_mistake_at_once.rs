#[rollout::span(nmae = "find", type = 3, capture_input = no, skip(quary), join = true, tags = "a")]
fn find(query: &str) -> usize {
    query.len()
}

fn main() {
    find("a");
}
