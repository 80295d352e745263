#[rollout::span]
const fn run() -> u32 {
    1
}

fn main() {
    const { run() };
}
