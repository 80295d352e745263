struct Page;

#[rollout::tool]
async fn fetch() -> Result<Vec<Page>, std::io::Error> {
    Ok(vec![Page])
}

fn main() {
    let _ = fetch();
}
