#[rollout::task(user_id = 1)]
fn run() {}

fn main() {
    run();
}
