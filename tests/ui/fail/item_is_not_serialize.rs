struct Page;

#[rollout::tool]
fn pages() -> impl Iterator<Item = Page> {
    [Page].into_iter()
}

fn main() {
    pages().count();
}
