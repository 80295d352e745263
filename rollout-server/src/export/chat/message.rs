//! Messages as chat completions have them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::value::{Json, Part, Turn};

/// A message of a conversation.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
}

/// A tool is to be called.
#[derive(Debug, Serialize)]
struct Call {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function,
}

#[derive(Debug, Serialize)]
struct Function {
    name: String,
    /// JSON in a text.
    arguments: String,
}

/// Puts turns in the words of chat completions.
#[derive(Default)]
pub(super) struct Messages {
    done: Vec<Message>,
    /// Calls that nobody has answered, the first first.
    open: Vec<String>,
    calls: usize,
}

impl Messages {
    /// The messages of a conversation up to the last words of the model; none, if it has said nothing.
    ///
    /// What a model thought has no place there. Calls and answers without an id are given one, in their order.
    pub(super) fn of(turns: Vec<Turn>) -> Vec<Message> {
        let mut all = Self::default();
        for turn in turns {
            all.take(turn);
        }
        let said = all
            .done
            .iter()
            .rposition(|message| message.role == "assistant");
        all.done.truncate(said.map_or(0, |last| last + 1));
        all.done
    }

    fn take(&mut self, turn: Turn) {
        let role = match turn.role.as_str() {
            "system" | "developer" => "system",
            "assistant" | "ai" | "model" => "assistant",
            "tool" | "function" => "tool",
            _ => "user",
        };
        let (mut said, mut calls) = (Vec::new(), Vec::new());
        for (index, part) in turn.parts.into_iter().enumerate() {
            if let Some((_, call)) = turn.results.iter().find(|(at, _)| *at == index) {
                self.answer(call.clone(), result(part));
                continue;
            }
            match part {
                Part::Text(text) => said.push(text_part(text)),
                Part::Reasoning(_) => {}
                Part::Call {
                    name,
                    id,
                    arguments,
                } => calls.push(self.call(name, id, arguments)),
                Part::Other(json) => said.push(other(json)),
            }
        }
        if role == "tool" {
            if !said.is_empty() {
                self.answer(turn.answers, text_of(&said));
            }
            return;
        }
        if said.is_empty() && calls.is_empty() {
            return;
        }
        // One answer of a model may come in several items.
        if role == "assistant"
            && let Some(last) = self.done.last_mut()
            && last.role == role
            && (last.content.is_none() || said.is_empty())
        {
            last.content = last.content.take().or_else(|| content(said));
            last.tool_calls.extend(calls);
            return;
        }
        self.done.push(Message {
            role,
            content: content(said),
            tool_calls: calls,
            tool_call_id: None,
        });
    }

    fn call(&mut self, name: String, id: Option<String>, arguments: String) -> Call {
        self.calls += 1;
        let id = id.unwrap_or_else(|| format!("call_{}", self.calls));
        self.open.push(id.clone());
        Call {
            id,
            kind: "function",
            function: Function { name, arguments },
        }
    }

    fn answer(&mut self, call: Option<String>, text: String) {
        let known = call
            .as_ref()
            .map_or(Some(0), |call| self.open.iter().position(|id| id == call));
        let open = known
            .filter(|at| *at < self.open.len())
            .map(|at| self.open.remove(at));
        self.done.push(Message {
            role: "tool",
            content: Some(text.into()),
            tool_calls: Vec::new(),
            tool_call_id: call
                .or(open)
                .or_else(|| Some(format!("call_{}", self.calls))),
        });
    }
}

/// What a tool has answered.
fn result(part: Part) -> String {
    match part {
        Part::Text(text) | Part::Reasoning(text) => text,
        Part::Call { arguments, .. } => arguments,
        Part::Other(json) => {
            let response = Json::read(&json)
                .get("functionResponse")
                .and_then(|function| function.raw("response").map(str::to_owned));
            response.unwrap_or(json)
        }
    }
}

fn text_part(text: String) -> Value {
    json!({ "type": "text", "text": text })
}

/// A picture or a sound as it is, if it is in these words; anything else as JSON in a text.
fn other(json: String) -> Value {
    match serde_json::from_str::<Value>(&json) {
        Ok(part)
            if matches!(
                part["type"].as_str(),
                Some("image_url" | "input_audio" | "file")
            ) =>
        {
            part
        }
        _ => text_part(json),
    }
}

/// One text, where there is nothing but text.
fn content(parts: Vec<Value>) -> Option<Value> {
    if parts.is_empty() {
        return None;
    }
    if parts.iter().all(|part| part["type"] == "text") {
        return Some(text_of(&parts).into());
    }
    Some(parts.into())
}

fn text_of(parts: &[Value]) -> String {
    let texts = parts.iter().map(|part| match part["text"].as_str() {
        Some(text) => text.to_owned(),
        None => part.to_string(),
    });
    texts.collect::<Vec<_>>().join("\n")
}
