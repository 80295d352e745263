fn main() {
    let _client = rollout::wrap(reqwest::Client::new());
}
