#[rollout::tool]
struct Toolbox {
    _size: u32,
}

fn main() {
    Toolbox { _size: 1 };
}
