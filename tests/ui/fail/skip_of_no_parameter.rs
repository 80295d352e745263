#[rollout::tool(skip(clinet))]
fn run(client: &str, (first, second): (u32, u32)) -> u32 {
    let _ = client;
    first + second
}

fn main() {
    run("a", (1, 2));
}
