struct MyClient;

fn main() {
    let _client = rollout::wrap_with(MyClient, rollout::ModelCalls::new());
}
