#[rollout::agent(attributes(http.method = "GET"))]
fn run() {}

fn main() {
    run();
}
