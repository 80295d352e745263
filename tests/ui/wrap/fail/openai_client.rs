use async_openai::Client;
use async_openai::config::OpenAIConfig;

fn traced(client: Client<OpenAIConfig>) -> Client<OpenAIConfig> {
    rollout::wrap(client)
}

fn main() {
    traced(Client::new());
}
