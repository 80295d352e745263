#![deny(unused)]

#[rollout::tool]
fn search(query: &str, limit: u32) -> usize {
    query.len()
}

#[rollout::tool]
async fn fetch(page: u32, mut retries: u32) -> u32 {
    page + retries
}

fn main() {
    search("a", 1);
    let _ = fetch(1, 1);
}
