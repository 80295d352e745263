//! The part of OpenAI's chat completions that the examples use, for both ends.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What is asked of the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Which model.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether the answer comes in chunks.
    #[serde(default)]
    pub stream: bool,
    /// What the stream carries beside the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
}

/// What a stream carries beside the answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Whether its last chunk has the usage.
    #[serde(default)]
    pub include_usage: bool,
}

/// One message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What is said.
    #[serde(default)]
    pub content: Option<String>,
    /// The tools that the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// What the model is told before anything else.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// What a person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// What a tool answers to a call.
    pub fn tool(call: &ToolCall, content: impl Into<String>) -> Self {
        Self {
            tool_call_id: Some(call.id.clone()),
            ..Self::new("tool", content)
        }
    }

    fn new(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.to_owned(),
            content: Some(content.into()),
            ..Self::default()
        }
    }

    /// The words of the message; empty where there are only calls.
    pub fn text(&self) -> &str {
        self.content.as_deref().unwrap_or_default()
    }
}

/// A tool that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Pairs the call with its answer.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which tool, with what.
    pub function: FunctionCall,
}

impl ToolCall {
    /// One of the arguments.
    pub fn argument<T: DeserializeOwned>(&self, name: &str) -> Result<T, serde_json::Error> {
        let arguments: Value = serde_json::from_str(&self.function.arguments)?;
        T::deserialize(&arguments[name])
    }
}

/// A function's name and arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The name.
    pub name: String,
    /// The arguments, a JSON object as text.
    pub arguments: String,
}

/// A tool that is offered to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is.
    pub function: Function,
}

/// What a tool is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// When to use it.
    pub description: String,
    /// The JSON schema of its arguments.
    pub parameters: Value,
}

impl Tool {
    /// A tool whose arguments have these `properties` (a JSON schema each), all of them required.
    pub fn new(name: &str, description: &str, properties: &Value) -> Self {
        let properties_of = properties.as_object().into_iter().flatten();
        let required: Vec<_> = properties_of.map(|(name, _)| name).collect();
        let parameters = serde_json::json!({
            "type": "object",
            "required": required,
            "properties": properties,
        });
        Self {
            kind: "function".to_owned(),
            function: Function {
                name: name.to_owned(),
                description: description.to_owned(),
                parameters,
            },
        }
    }
}

/// An answer in one piece.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Completion {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Always `chat.completion`.
    #[serde(default)]
    pub object: String,
    /// When, in seconds since 1970; a script has no time.
    #[serde(default)]
    pub created: u64,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// The answers; one, unless more were asked for.
    pub choices: Vec<Choice>,
    /// What it took.
    #[serde(default)]
    pub usage: Option<Usage>,
}

/// One of the answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Choice {
    /// Its number, from 0.
    #[serde(default)]
    pub index: u32,
    /// What the model says.
    pub message: Message,
    /// Why it stopped: `stop`, `tool_calls`, `length`, ….
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chunk {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// Always `chat.completion.chunk`.
    #[serde(default)]
    pub object: String,
    /// The model that answers.
    #[serde(default)]
    pub model: String,
    /// What is new; none in the chunk that has the usage.
    #[serde(default)]
    pub choices: Vec<ChunkChoice>,
    /// What it took, in the last chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What is new in one of the answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// The answer's number, from 0.
    #[serde(default)]
    pub index: u32,
    /// What is new.
    #[serde(default)]
    pub delta: Delta,
    /// Why the model stopped, in the last piece.
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// The next words.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Delta {
    /// Who speaks, in the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The tools that the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Value>,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the conversation, those from the cache included.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// What the conversation's tokens are.
    pub prompt_tokens_details: PromptTokensDetails,
}

/// What a conversation's tokens are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptTokensDetails {
    /// Those that were read from the provider's cache.
    pub cached_tokens: u64,
}
