#[rollout::tool]
fn search<Q: AsRef<str>>(query: Q) -> usize {
    query.as_ref().len()
}

fn main() {
    search("a");
}
