struct Toolbox;

#[rollout::tool(skip_fn(serach))]
impl Toolbox {
    fn search(&self) {}
    fn fetch(&self) {}
}

fn main() {
    Toolbox.search();
    Toolbox.fetch();
}
