struct Page;

#[rollout::tool]
fn fetch() -> Page {
    Page
}

fn main() {
    fetch();
}
