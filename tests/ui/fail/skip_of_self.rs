struct Toolbox;

impl Toolbox {
    #[rollout::tool(skip(self))]
    fn run(&self) {}
}

fn main() {
    Toolbox.run();
}
