//! A recorded model call as a command that makes it once more, without the key that it was made with.

use std::fmt;

use crate::{
    query::SpanDetail,
    value::{Json, PROMPT},
};

/// What stands in the place of a value that was masked when it was captured.
const MASKED: &str = "[redacted]";

/// A request to a model's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    url: String,
    /// Headers beside the content's type; the variable of the key stands in one of them.
    headers: Vec<String>,
    body: String,
}

/// Where APIs that speak as OpenAI's do are, and the variables that hold their keys by custom.
const HOSTS: &[(&str, &str, &str)] = &[
    ("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    (
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    ("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    (
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
    ),
    (
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
    ),
    (
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
    ),
    (
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
    ),
    ("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
];

impl Call {
    /// The call that a span recorded, or why it cannot be made again from what is known.
    pub(super) fn of(span: &SpanDetail) -> Result<Self, String> {
        if span.row.kind != "llm" {
            return Err("it is no model call".to_owned());
        }
        let prompt = span.attributes.get(PROMPT);
        let (part, body) = match prompt {
            Some(prompt) => ("attributes", Some(prompt)),
            None => ("input", span.input.as_ref()),
        };
        let body = body.ok_or("its input was not recorded")?.as_str();
        if span.truncated.contains_key(part) || span.truncated.contains_key(PROMPT) {
            return Err("its input was cut when it was captured".to_owned());
        }
        if body.contains(MASKED) {
            return Err("what looked like a key in its input was masked".to_owned());
        }
        let request = Json::read(body);
        let (url, headers) = address(span, &request)?;
        Ok(Self {
            url,
            headers,
            body: body.to_owned(),
        })
    }
}

fn address(span: &SpanDetail, request: &Json<'_>) -> Result<(String, Vec<String>), String> {
    let provider = span.row.provider.as_deref().unwrap_or_default();
    let is_list = |name| matches!(request.get(name), Some(Json::List(_)));
    let names_model = request.text("model").is_some();
    if is_list("contents") {
        return gemini(span, provider);
    }
    if !names_model {
        return Err("what was captured is not the whole request: it names no model".to_owned());
    }
    let path = if is_list("messages") {
        "chat/completions"
    } else if request.raw("input").is_some() && span.row.name.as_deref() == Some("embeddings") {
        "embeddings"
    } else if request.raw("input").is_some() {
        "responses"
    } else {
        return Err("its input is no request of an API that is known here".to_owned());
    };
    if provider == "anthropic" {
        let headers = vec![
            "x-api-key: $ANTHROPIC_API_KEY".to_owned(),
            "anthropic-version: 2023-06-01".to_owned(),
        ];
        return Ok(("https://api.anthropic.com/v1/messages".to_owned(), headers));
    }
    let known = HOSTS.iter().find(|(name, ..)| *name == provider);
    let Some((_, base, key)) = known else {
        return Err(match provider {
            "" => "nobody said whose API it is".to_owned(),
            _ => format!("the address of {provider} is not recorded"),
        });
    };
    let headers = vec![format!("authorization: Bearer ${key}")];
    Ok((format!("{base}/{path}"), headers))
}

fn gemini(span: &SpanDetail, provider: &str) -> Result<(String, Vec<String>), String> {
    if !matches!(provider, "" | "gemini" | "google" | "gcp.gemini") {
        return Err(format!("the address of {provider} is not recorded"));
    }
    let model = span.row.model.as_deref().unwrap_or_default();
    let model = model.strip_prefix("models/").unwrap_or(model);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if model.is_empty() || !model.chars().all(plain) {
        return Err("the model, which its address names, is not known".to_owned());
    }
    let stream = span.attributes.get("gen_ai.request.stream");
    let method = if stream.is_some_and(|stream| stream.as_str() == "true") {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    let url = format!("https://generativelanguage.googleapis.com/v1beta/models/{model}:{method}");
    Ok((url, vec!["x-goog-api-key: $GEMINI_API_KEY".to_owned()]))
}

/// A command for a shell: of POSIX, so that every one takes it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "curl {}", Quoted(&self.url))?;
        f.write_str(" \\\n  -H 'content-type: application/json'")?;
        for header in &self.headers {
            // Ours, and in quotes that let the shell put the key in.
            write!(f, " \\\n  -H \"{header}\"")?;
        }
        // `--data-raw` reads no file where the text begins with `@`.
        write!(f, " \\\n  --data-raw {}", Quoted(&self.body))
    }
}

/// A text as one word of the shell, as it is.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "'\\''"))
    }
}
