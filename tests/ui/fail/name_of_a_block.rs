struct Toolbox;

#[rollout::tool("search")]
impl Toolbox {
    fn search(&self) {}
}

fn main() {
    Toolbox.search();
}
