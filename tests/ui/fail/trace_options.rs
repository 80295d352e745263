#[rollout::trace(sesion_id = 1)]
fn run() {}

fn main() {
    run();
}
