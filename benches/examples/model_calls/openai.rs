//! Calls through `async-openai`, which parses what comes into its types.

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::CreateChatCompletionRequest;
use futures::StreamExt as _;

/// A client as it is, and a wrapped one.
pub(crate) struct Clients {
    bare: Client<OpenAIConfig>,
    wrapped: Client<OpenAIConfig>,
}

impl Clients {
    /// Clients of the API at an address.
    pub(crate) fn of(address: &str) -> Self {
        let config = OpenAIConfig::new().with_api_base(address);
        Self {
            bare: Client::with_config(config.clone()),
            wrapped: rollout::wrap(config),
        }
    }

    fn one(&self, recorded: bool) -> &Client<OpenAIConfig> {
        if recorded { &self.wrapped } else { &self.bare }
    }

    /// A call that is answered at once.
    pub(crate) async fn whole(&self, request: CreateChatCompletionRequest, recorded: bool) {
        let answer = self.one(recorded).chat().create(request).await;
        std::hint::black_box(answer.unwrap());
    }

    /// A stream that is read to its end.
    pub(crate) async fn stream(&self, request: CreateChatCompletionRequest, recorded: bool) {
        let stream = self.one(recorded).chat().create_stream(request).await;
        let mut stream = stream.unwrap();
        while let Some(chunk) = stream.next().await {
            std::hint::black_box(chunk.unwrap());
        }
    }
}
