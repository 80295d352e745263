#![deny(unreachable_code)]

#[rollout::tool]
fn search(query: &str) -> usize {
    return query.len();
    1
}

#[rollout::tool]
async fn fetch() -> u32 {
    panic!();
    1
}

fn main() {
    search("a");
    let _ = fetch();
}
