//! What a request asks of whom, by its URL.

use std::borrow::Cow;

/// What is spoken at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// OpenAI chat completions, and all who speak them.
    ChatCompletions,
    /// OpenAI responses.
    Responses,
    /// OpenAI embeddings.
    Embeddings,
    /// Anthropic messages.
    Messages,
    /// Gemini `generateContent` and `streamGenerateContent`.
    GenerateContent,
}

impl Api {
    /// The name of its spans.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::GenerateContent => "generate_content",
        }
    }

    /// Whose words these are, where the host tells nothing.
    fn author(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::Responses | Self::Embeddings => "openai",
            Self::Messages => "anthropic",
            Self::GenerateContent => "gemini",
        }
    }
}

/// Where a model call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) api: Api,
    pub(crate) provider: &'static str,
    /// The model, where the address names it.
    pub(crate) model: Option<String>,
}

/// Hosts by how they end.
const HOSTS: &[(&str, &str)] = &[
    ("openai.azure.com", "azure"),
    ("services.ai.azure.com", "azure"),
    ("cognitiveservices.azure.com", "azure"),
    ("openai.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("aiplatform.googleapis.com", "vertex_ai"),
    ("openrouter.ai", "openrouter"),
    ("groq.com", "groq"),
    ("mistral.ai", "mistral"),
    ("deepseek.com", "deepseek"),
    ("together.xyz", "together"),
    ("together.ai", "together"),
    ("fireworks.ai", "fireworks"),
    ("perplexity.ai", "perplexity"),
    ("x.ai", "xai"),
    ("cerebras.ai", "cerebras"),
];

/// Whose calls are known by their address.
#[cfg(test)]
pub(crate) fn providers() -> impl Iterator<Item = &'static str> {
    let authors = [Api::ChatCompletions, Api::Messages, Api::GenerateContent];
    let hosts = HOSTS.iter().map(|(_, provider)| *provider);
    hosts.chain(authors.map(Api::author))
}

impl Target {
    /// The model call that a POST to this host and path is; `None` where it is none that is known.
    pub(crate) fn of(host: &str, path: &str) -> Option<Self> {
        let mut path = Cow::Borrowed(path.trim_end_matches('/'));
        if path.contains("%3") {
            path = path.replace("%3A", ":").replace("%3a", ":").into();
        }
        let (api, model) = if path.ends_with("/chat/completions") {
            (Api::ChatCompletions, None)
        } else if path.ends_with("/responses") {
            (Api::Responses, None)
        } else if path.ends_with("/embeddings") {
            (Api::Embeddings, None)
        } else if path.ends_with("/messages") && !path.contains("/threads/") {
            (Api::Messages, None)
        } else {
            let (address, method) = path.rsplit_once(':')?;
            if !matches!(method, "generateContent" | "streamGenerateContent") {
                return None;
            }
            let model = address.rsplit('/').next().filter(|model| !model.is_empty());
            (Api::GenerateContent, Some(model?.to_owned()))
        };
        let known = HOSTS.iter().find(|(known, _)| {
            let start = host.len().checked_sub(known.len());
            let parts = start.and_then(|start| host.split_at_checked(start));
            parts.is_some_and(|(start, end)| {
                let is_whole = start.is_empty() || start.ends_with(['.', '-']);
                is_whole && end.eq_ignore_ascii_case(known)
            })
        });
        Some(Self {
            api,
            provider: known.map_or(api.author(), |(_, provider)| *provider),
            model,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, path: &str) -> Option<(Api, &'static str, Option<String>)> {
        Target::of(host, path).map(|target| (target.api, target.provider, target.model))
    }

    #[test]
    fn calls_are_known_by_their_address() {
        let chat = Api::ChatCompletions;
        assert_eq!(
            target("api.openai.com", "/v1/chat/completions"),
            Some((chat, "openai", None))
        );
        assert_eq!(
            target(
                "me.openai.azure.com",
                "/openai/deployments/x/chat/completions"
            ),
            Some((chat, "azure", None))
        );
        assert_eq!(
            target("openrouter.ai", "/api/v1/chat/completions/"),
            Some((chat, "openrouter", None))
        );
        assert_eq!(
            target("127.0.0.1", "/v1/messages"),
            Some((Api::Messages, "anthropic", None))
        );
        let gemini = "gemini-2.5-pro".to_owned();
        assert_eq!(
            target("API.Groq.com", "/v1/responses"),
            Some((Api::Responses, "groq", None))
        );
        for path in [
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "/v1beta/models/gemini-2.5-pro%3agenerateContent/",
            "/v1/models/gemini-2.5-pro%3AstreamGenerateContent",
        ] {
            assert_eq!(
                target("generativelanguage.googleapis.com", path),
                Some((Api::GenerateContent, "gemini", Some(gemini.clone())))
            );
        }
        assert_eq!(
            target(
                "us-central1-aiplatform.googleapis.com",
                "/v1/projects/p/locations/l/publishers/google/models/m:generateContent"
            ),
            Some((Api::GenerateContent, "vertex_ai", Some("m".to_owned())))
        );
    }

    #[test]
    fn other_addresses_are_none() {
        for path in [
            "/v1/models",
            "/v1/threads/t/messages",
            "/v1/messages/count_tokens",
            "/v1/models/gemini:countTokens",
            "/",
            "",
        ] {
            assert_eq!(target("api.openai.com", path), None, "{path}");
        }
        let evil = target("evilopenai.com.example", "/v1/chat/completions");
        assert_eq!(evil, Some((Api::ChatCompletions, "openai", None)));
    }
}
