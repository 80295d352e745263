#[rollout::agent(parent = number)]
fn agent(number: u64) -> u64 {
    number
}

fn main() {}
