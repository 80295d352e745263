#[rollout::tool]
fn search(query: &str) -> usize {
    query
}

#[rollout::tool]
async fn fetch(page: u32) -> Result<u32, std::fmt::Error> {
    page
}

#[rollout::tool(capture_output = false)]
fn missing() -> usize {
    search("a");
}

fn main() {
    search("a");
    let _ = fetch(1);
    missing();
}
