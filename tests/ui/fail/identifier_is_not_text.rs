struct User;

#[rollout::agent(user_id = User)]
fn run() {}

fn main() {
    run();
}
