use std::pin::Pin;

struct Page;

#[rollout::tool]
fn fetch() -> Pin<Box<dyn Future<Output = Page>>> {
    Box::pin(async { Page })
}

fn main() {
    let _ = fetch();
}
