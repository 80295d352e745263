//! Recognises conversations in captured values, whichever provider's words they are in.

use super::Json;

/// Objects of one member around a conversation.
const WRAPPINGS: usize = 2;

/// A conversation as a model was given it, or answered it.
#[derive(Debug, Default)]
pub struct Chat {
    /// Who said what.
    pub turns: Vec<Turn>,
    /// What stands beside the conversation (model, options, tools), as JSON, in order.
    pub rest: Vec<(String, String)>,
}

/// What one side said.
#[derive(Debug, Default)]
pub struct Turn {
    /// `system`, `user`, `assistant`, `tool` or any other word.
    pub role: String,
    /// The tool call that it answers.
    pub answers: Option<String>,
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Those of the parts that are answers of tools, by their index, and the calls that they answer. A turn that says
    /// itself which call it [`answers`](Turn::answers) has none.
    pub results: Vec<(usize, Option<String>)>,
}

/// A piece of what was said.
#[derive(Debug)]
pub enum Part {
    /// Words.
    Text(String),
    /// What the model thought.
    Reasoning(String),
    /// A tool is to be called.
    Call {
        /// The tool.
        name: String,
        /// Pairs the call with its answer.
        id: Option<String>,
        /// The arguments, as JSON where they are.
        arguments: String,
    },
    /// Anything else, as JSON.
    Other(String),
}

impl Chat {
    /// Reads `text`, one JSON value; `None` where it is no conversation.
    pub fn read(text: &str) -> Option<Self> {
        Self::within(text, WRAPPINGS)
    }

    fn within(text: &str, wrappings: usize) -> Option<Self> {
        let value = Json::read(text);
        match &value {
            Json::List(items) => {
                let mut chat = Self::default();
                chat.turns(items.iter().map(|item| item.get()))?;
                Some(chat)
            }
            Json::Object(members) => {
                let known = Self::request(&value).or_else(|| Self::answer(&value));
                // The arguments of a function that takes a request are an object of one.
                known.or_else(|| match members.as_slice() {
                    [(_, only)] if wrappings > 0 && only.get().starts_with(['{', '[']) => {
                        Self::within(only.get(), wrappings - 1)
                    }
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// Reads a message's content: a string, a list of parts, or one part.
    pub fn content(text: &str) -> Vec<Part> {
        content(text)
    }

    fn request(value: &Json<'_>) -> Option<Self> {
        let mut chat = Self::default();
        let system = [
            "system",
            "instructions",
            "systemInstruction",
            "system_instruction",
        ];
        for name in system {
            if let Some(text) = value.raw(name)
                && text != "null"
            {
                chat.turns.push(Turn {
                    role: "system".to_owned(),
                    parts: content(text),
                    ..Turn::default()
                });
            }
        }
        let body = ["messages", "contents", "input"]
            .into_iter()
            .find(|name| value.raw(name).is_some())?;
        match value.get(body)? {
            Json::List(items) => chat.turns(items.iter().map(|item| item.get()))?,
            Json::Text(text) if body == "input" && value.raw("model").is_some() => {
                chat.turns.push(Turn {
                    role: "user".to_owned(),
                    parts: vec![Part::Text(text)],
                    ..Turn::default()
                });
            }
            _ => return None,
        }
        chat.beside(value, &system, &[body]);
        Some(chat)
    }

    fn answer(value: &Json<'_>) -> Option<Self> {
        let mut chat = Self::default();
        if let Some(Json::List(choices)) = value.get("choices") {
            for choice in choices {
                let message = Json::read(choice.get());
                chat.turns.push(turn(message.raw("message")?)?);
            }
            chat.beside(value, &["choices"], &[]);
        } else if let Some(Json::List(candidates)) = value.get("candidates") {
            for candidate in candidates {
                let candidate = Json::read(candidate.get());
                chat.turns.push(turn(candidate.raw("content")?)?);
            }
            chat.beside(value, &["candidates"], &[]);
        } else if value.text("role").is_some() {
            let Json::Object(_) = value else { return None };
            chat.turns.push(message(value)?);
            chat.beside(
                value,
                &[
                    "role",
                    "content",
                    "tool_calls",
                    "parts",
                    "tool_call_id",
                    "refusal",
                ],
                &[],
            );
        } else if let Some(Json::List(items)) = value.get("output") {
            value.raw("model")?;
            chat.turns(items.iter().map(|item| item.get()))?;
            chat.beside(value, &["output"], &[]);
        } else {
            return None;
        }
        Some(chat)
    }

    fn turns<'t>(&mut self, items: impl Iterator<Item = &'t str>) -> Option<()> {
        let before = self.turns.len();
        for item in items {
            self.turns.push(turn(item)?);
        }
        (self.turns.len() > before).then_some(())
    }

    fn beside(&mut self, value: &Json<'_>, shown: &[&str], more: &[&str]) {
        let Json::Object(members) = value else { return };
        self.rest.extend(
            members
                .iter()
                .filter(|(name, value)| {
                    let name = name.as_str();
                    !shown.contains(&name) && !more.contains(&name) && value.get() != "null"
                })
                .map(|(name, value)| (name.clone(), value.get().to_owned())),
        );
    }
}

/// One item of a list of messages, in the words of any of the providers.
fn turn(text: &str) -> Option<Turn> {
    let item = Json::read(text);
    if item.text("role").is_some() {
        return message(&item);
    }
    let (role, answers, part) = match item.text("type")?.as_str() {
        "function_call" => ("assistant", None, call(&item)?),
        "function_call_output" => (
            "tool",
            item.text("call_id"),
            Part::Text(plain(item.raw("output")?)),
        ),
        "reasoning" => (
            "assistant",
            None,
            Part::Reasoning(item.raw("summary").map(all_text).unwrap_or_default()),
        ),
        _ => return None,
    };
    Some(Turn {
        role: role.to_owned(),
        answers,
        parts: vec![part],
        results: Vec::new(),
    })
}

fn message(item: &Json<'_>) -> Option<Turn> {
    let role = item.text("role")?;
    let mut parts = Vec::new();
    for name in ["reasoning_content", "reasoning"] {
        if let Some(thought) = item.text(name).filter(|thought| !thought.is_empty()) {
            parts.push(Part::Reasoning(thought));
        }
    }
    let said = ["content", "parts"]
        .into_iter()
        .find_map(|name| item.raw(name));
    let mut results = Vec::new();
    if let Some(said) = said.filter(|said| *said != "null") {
        results.extend(self::results(said, parts.len()));
        parts.extend(content(said));
    }
    if let Some(refusal) = item.text("refusal").filter(|refusal| !refusal.is_empty()) {
        parts.push(Part::Text(refusal));
    }
    let calls = item.get("tool_calls");
    if let Some(Json::List(calls)) = &calls {
        parts.extend(
            calls
                .iter()
                .filter_map(|each| call(&Json::read(each.get()))),
        );
    }
    // A role alone is no message: the word is common in other data.
    if said.is_none() && calls.is_none() {
        return None;
    }
    Some(Turn {
        role: if role == "model" {
            "assistant".to_owned()
        } else {
            role
        },
        answers: item.text("tool_call_id"),
        parts,
        results,
    })
}

/// A message's content: a string, a list of parts, or one part.
fn content(text: &str) -> Vec<Part> {
    match Json::read(text) {
        Json::Text(text) if text.is_empty() => Vec::new(),
        Json::Text(text) => vec![Part::Text(text)],
        Json::List(items) => items.iter().map(|item| part(item.get())).collect(),
        Json::Object(_) => {
            let value = Json::read(text);
            match value.get("parts") {
                Some(Json::List(parts)) => parts.iter().map(|item| part(item.get())).collect(),
                _ => vec![part(text)],
            }
        }
        _ => vec![Part::Other(text.to_owned())],
    }
}

/// Which items of a message's content are answers of tools, the first item being at `offset`.
fn results(said: &str, offset: usize) -> Vec<(usize, Option<String>)> {
    let Json::List(items) = Json::read(said) else {
        return Vec::new();
    };
    let results = items.iter().enumerate().filter_map(|(index, item)| {
        let item = Json::read(item.get());
        let call = match item.text("type").as_deref() {
            Some("tool_result") => item.text("tool_use_id"),
            Some("tool_call_response") => item.text("id"),
            _ => item.get("functionResponse")?.text("id"),
        };
        Some((offset + index, call))
    });
    results.collect()
}

fn part(text: &str) -> Part {
    let value = match Json::read(text) {
        Json::Text(text) => return Part::Text(text),
        value => value,
    };
    let kind = value.text("type");
    match kind.as_deref() {
        Some("tool_use" | "tool_call" | "function_call" | "function") => {
            call(&value).unwrap_or_else(|| Part::Other(text.to_owned()))
        }
        Some("thinking" | "reasoning") => Part::Reasoning(
            value
                .text("thinking")
                .or_else(|| value.text("text"))
                .or_else(|| value.text("content"))
                .unwrap_or_default(),
        ),
        Some("tool_result") => Part::Text(value.raw("content").map(all_text).unwrap_or_default()),
        // In the words of OpenTelemetry.
        Some("tool_call_response") => {
            let response = value.raw("response").or_else(|| value.raw("result"));
            Part::Text(response.map(plain).unwrap_or_default())
        }
        _ => {
            if kind.as_deref() == Some("text")
                && let Some(text) = value.text("content")
            {
                return Part::Text(text);
            }
            if let Some(text) = value.text("text").or_else(|| value.text("refusal")) {
                return Part::Text(text);
            }
            let named = value
                .get("functionCall")
                .or_else(|| value.get("function_call"));
            if let Some(part) = named.as_ref().and_then(call) {
                return part;
            }
            Part::Other(text.to_owned())
        }
    }
}

/// A tool call in the words of chat completions, responses, messages or `generateContent`.
fn call(value: &Json<'_>) -> Option<Part> {
    let inner = value.get("function");
    let function = inner.as_ref().unwrap_or(value);
    let arguments = ["arguments", "input", "args"]
        .into_iter()
        .find_map(|name| function.raw(name))
        .unwrap_or("{}");
    Some(Part::Call {
        name: function.text("name")?,
        id: value.text("call_id").or_else(|| value.text("id")),
        // Some providers send the arguments as JSON inside a string.
        arguments: plain(arguments),
    })
}

/// A string without its quotes, anything else as it is.
fn plain(text: &str) -> String {
    match Json::read(text) {
        Json::Text(text) => text,
        _ => text.to_owned(),
    }
}

/// The words of a content that is a string or a list of parts with texts.
fn all_text(text: &str) -> String {
    match Json::read(text) {
        Json::Text(text) => text,
        Json::List(items) => {
            let texts = items.iter().map(|item| match Json::read(item.get()) {
                Json::Text(text) => text,
                other => other.text("text").unwrap_or_else(|| item.get().to_owned()),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => text.to_owned(),
    }
}
