//! The agents' end: where the model is, and requests to it.

use std::{env, io, sync::Arc};

use reqwest::{Client, ClientBuilder, RequestBuilder};

use crate::{
    Script,
    chat::{Message, Request, StreamOptions, Tool},
    server::{KEY, Server},
};

/// The model that is asked for where the environment names none.
const DEFAULT_MODEL: &str = "gpt-4o-mini";

/// A chat model behind OpenAI's API, or behind one like it.
#[derive(Debug, Clone)]
pub struct Model {
    name: String,
    base_url: String,
    api_key: Option<String>,
    http: Client,
    /// Kept running for as long as it may be asked.
    scripted: Option<Arc<Server>>,
}

impl Model {
    /// The model that the environment names by `OPENAI_API_KEY`, `OPENAI_BASE_URL` and
    /// `OPENAI_MODEL`; with neither of the first two, one that answers by the script.
    pub async fn from_env_or(script: Script) -> io::Result<Self> {
        let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let (api_key, base_url) = (set("OPENAI_API_KEY"), set("OPENAI_BASE_URL"));
        if api_key.is_none() && base_url.is_none() {
            return Self::scripted(script).await;
        }
        let base_url = base_url.unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
        Ok(Self {
            name: set("OPENAI_MODEL").unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key,
            http: client(Client::builder())?,
            scripted: None,
        })
    }

    /// A model that answers by the script, on a free port of this machine, until the last handle to
    /// it is dropped.
    pub async fn scripted(script: Script) -> io::Result<Self> {
        let server = Server::start(script).await?;
        Ok(Self {
            name: DEFAULT_MODEL.to_owned(),
            base_url: format!("http://{}/v1", server.addr),
            api_key: Some(KEY.to_owned()),
            // No proxy stands before this machine's own ports.
            http: client(Client::builder().no_proxy())?,
            scripted: Some(Arc::new(server)),
        })
    }

    /// Whether it answers by a script.
    pub fn is_scripted(&self) -> bool {
        self.scripted.is_some()
    }

    /// Where it answers, without the `/chat/completions`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its address without a path: Anthropic's API begins at `/v1`, Gemini's at `/v1beta`.
    pub fn origin(&self) -> &str {
        self.base_url.trim_end_matches("/v1")
    }

    /// The key that it asks for; empty where it asks for none.
    pub fn api_key(&self) -> &str {
        self.api_key.as_deref().unwrap_or_default()
    }

    /// The client that reaches it.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// A request for an answer in one piece, a [`Completion`](crate::chat::Completion).
    pub fn request(&self, messages: &[Message], tools: &[Tool]) -> RequestBuilder {
        self.post(messages, tools, false)
    }

    /// A request for an answer in server-sent events, a [`Chunk`](crate::chat::Chunk) each, the
    /// last one with the usage.
    pub fn request_stream(&self, messages: &[Message]) -> RequestBuilder {
        self.post(messages, &[], true)
    }

    fn post(&self, messages: &[Message], tools: &[Tool], stream: bool) -> RequestBuilder {
        let url = format!("{}/chat/completions", self.base_url);
        let request = self.http.post(url).json(&Request {
            model: self.name.clone(),
            messages: messages.to_vec(),
            tools: tools.to_vec(),
            stream,
            stream_options: stream.then_some(StreamOptions {
                include_usage: true,
            }),
        });
        match &self.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

/// A client whose TLS is ring's, unless the process has chosen already.
fn client(builder: ClientBuilder) -> io::Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder.build().map_err(io::Error::other)
}
