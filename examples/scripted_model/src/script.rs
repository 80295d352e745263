//! What is answered to what.

use serde_json::Value;

use crate::chat::{FunctionCall, Message, ToolCall, Usage};

/// What a model answers, looked up by the last message of the conversation: the same conversation
/// gets the same answer, in whatever order requests come in.
#[derive(Debug, Clone, Default)]
pub struct Script {
    lines: Vec<(String, Reply)>,
}

impl Script {
    /// A script without answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers with `reply` where the last message contains `cue`; the first such line is taken.
    #[must_use]
    pub fn when(mut self, cue: &str, reply: Reply) -> Self {
        self.lines.push((cue.to_owned(), reply));
        self
    }

    pub(crate) fn reply(&self, messages: &[Message]) -> Option<&Reply> {
        self.reply_to(messages.last()?.text())
    }

    pub(crate) fn reply_to(&self, last: &str) -> Option<&Reply> {
        let line = self.lines.iter().find(|(cue, _)| last.contains(cue));
        line.map(|(_, reply)| reply)
    }
}

/// One answer: words, or tools to be called, and what it took.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(crate) message: Message,
    pub(crate) usage: Usage,
}

impl Reply {
    /// Words.
    pub fn text(text: &str) -> Self {
        Self {
            message: Message {
                role: "assistant".to_owned(),
                content: Some(text.to_owned()),
                ..Message::default()
            },
            usage: Usage::default(),
        }
    }

    /// A tool to be called.
    pub fn call(id: &str, tool: &str, arguments: &Value) -> Self {
        let silent = Self {
            message: Message {
                role: "assistant".to_owned(),
                ..Message::default()
            },
            usage: Usage::default(),
        };
        silent.and_call(id, tool, arguments)
    }

    /// One more tool to be called.
    #[must_use]
    pub fn and_call(mut self, id: &str, tool: &str, arguments: &Value) -> Self {
        self.message.tool_calls.push(ToolCall {
            id: id.to_owned(),
            kind: "function".to_owned(),
            function: FunctionCall {
                name: tool.to_owned(),
                arguments: arguments.to_string(),
            },
        });
        self
    }

    /// The tokens of the conversation and of the answer.
    #[must_use]
    pub fn tokens(mut self, prompt: u64, completion: u64) -> Self {
        self.usage.prompt_tokens = prompt;
        self.usage.completion_tokens = completion;
        self.usage.total_tokens = prompt + completion;
        self
    }

    /// How many of the conversation's tokens came from the cache.
    #[must_use]
    pub fn cached(mut self, tokens: u64) -> Self {
        self.usage.prompt_tokens_details.cached_tokens = tokens;
        self
    }
}
