//! What a model was given and answered, read from the words of whoever's API it went through.
//!
//! Nothing here is strict: what is no conversation is none, and what is unknown in one is kept as it is.

use serde_json::{Map, Value, json};

/// One message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spoken {
    pub(super) role: String,
    pub(super) parts: Vec<Part>,
}

/// A part of what is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    Reasoning(String),
    Call {
        id: Option<String>,
        name: String,
        arguments: Value,
    },
    Response {
        id: Option<String>,
        response: Value,
    },
    /// By its address.
    Uri {
        modality: &'static str,
        uri: String,
    },
    /// In base64.
    Blob {
        modality: &'static str,
        mime: Option<String>,
        content: String,
    },
    Other(Value),
}

/// What a model was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Asked {
    /// What it is told beside the conversation.
    pub(super) system: Vec<Part>,
    pub(super) messages: Vec<Spoken>,
    pub(super) tools: Vec<Value>,
}

/// Reads what a model was given; nothing is said where it is none of the forms that are known.
pub(super) fn asked(input: &Value) -> Asked {
    let mut asked = Asked::default();
    match input {
        Value::String(text) => asked
            .messages
            .push(spoken("user", vec![Part::Text(text.clone())])),
        Value::Array(_) => asked.messages = messages(input, "user"),
        Value::Object(request) => {
            let lists = ["messages", "contents", "input", "prompt"];
            let list = lists.iter().find_map(|name| request.get(*name));
            if let Some(list) = list {
                asked.messages = match list {
                    Value::String(text) => vec![spoken("user", vec![Part::Text(text.clone())])],
                    list => messages(list, "user"),
                };
            } else if request.contains_key("role") {
                asked.messages = messages(&Value::Array(vec![input.clone()]), "user");
            }
            let system = [
                "system",
                "instructions",
                "systemInstruction",
                "system_instruction",
            ];
            if let Some(system) = system.iter().find_map(|name| request.get(*name)) {
                asked.system = match system {
                    Value::Object(content) => parts(content.get("parts").unwrap_or(system)),
                    said => parts(said),
                };
            }
            asked.tools = tools(request);
        }
        _ => {}
    }
    asked
}

/// Reads what a model has answered.
pub(super) fn answered(output: &Value) -> Vec<Spoken> {
    match output {
        Value::String(text) => vec![spoken("assistant", vec![Part::Text(text.clone())])],
        Value::Array(_) => messages(output, "assistant"),
        Value::Object(answer) => {
            for list in ["choices", "candidates"] {
                if let Some(Value::Array(choices)) = answer.get(list) {
                    let said = choices.iter().filter_map(|choice| {
                        choice.get("message").or(choice.get("content")).cloned()
                    });
                    return messages(&Value::Array(said.collect()), "assistant");
                }
            }
            if let Some(items @ Value::Array(_)) = answer.get("output") {
                return messages(items, "assistant");
            }
            let is_message = ["role", "content", "parts", "tool_calls"];
            if is_message.iter().any(|name| answer.contains_key(*name)) {
                return messages(&Value::Array(vec![output.clone()]), "assistant");
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// The messages of a list, if they are some; what answers a tool becomes a message of its own.
pub(super) fn messages(list: &Value, otherwise: &str) -> Vec<Spoken> {
    let Value::Array(items) = list else {
        return Vec::new();
    };
    let is_message = |item: &Value| {
        item.get("role").is_some() || item.get("parts").is_some() || item_type(item).is_some()
    };
    // A list that was cut ends in words about that.
    if !items.first().is_some_and(is_message) {
        return Vec::new();
    }
    let mut messages: Vec<Spoken> = Vec::new();
    let mut last_was_item = false;
    for item in items {
        let Value::Object(members) = item else {
            continue;
        };
        let is_item = item_type(item).is_some();
        let (role, parts) = message(members, otherwise);
        let (mut rest, mut answers) = (Vec::new(), false);
        for part in parts {
            if !matches!(part, Part::Response { .. }) {
                rest.push(part);
                continue;
            }
            answers = true;
            if !rest.is_empty() {
                messages.push(spoken(&role, std::mem::take(&mut rest)));
            }
            messages.push(spoken("tool", vec![part]));
        }
        let goes_on = is_item && last_was_item && role == "assistant";
        match messages.last_mut().filter(|last| last.role == role) {
            // What one turn says comes in several items.
            Some(last) if goes_on => last.parts.extend(rest),
            _ if rest.is_empty() && answers => {}
            _ => messages.push(spoken(&role, rest)),
        }
        last_was_item = is_item;
    }
    messages
}

/// The types of what the responses API calls an item.
fn item_type(item: &Value) -> Option<&str> {
    let kind = item.get("type")?.as_str()?;
    let known = [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
    ];
    known.contains(&kind).then_some(kind)
}

fn spoken(role: &str, parts: Vec<Part>) -> Spoken {
    Spoken {
        role: role.to_owned(),
        parts,
    }
}

fn message(message: &Map<String, Value>, otherwise: &str) -> (String, Vec<Part>) {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let whole = || Value::Object(message.clone());
    match text("type") {
        Some("function_call" | "custom_tool_call") => {
            return ("assistant".to_owned(), vec![item_call(message)]);
        }
        Some("function_call_output" | "custom_tool_call_output") => {
            let response = Part::Response {
                id: text("call_id").map(str::to_owned),
                response: message.get("output").cloned().unwrap_or_default(),
            };
            return ("tool".to_owned(), vec![response]);
        }
        Some("reasoning") => {
            let said = |name: &str| message.get(name).and_then(Value::as_array);
            let texts: Vec<Part> = [said("summary"), said("content")]
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|part| part.get("text").and_then(Value::as_str))
                .map(|text| Part::Reasoning(text.to_owned()))
                .collect();
            return ("assistant".to_owned(), texts);
        }
        _ => {}
    }
    let role = match text("role") {
        Some("model") => "assistant",
        Some("function") => "tool",
        Some(role) => role,
        None => otherwise,
    };
    let mut said = Vec::new();
    if let Some(text) = text("reasoning_content").or(text("reasoning")) {
        said.push(Part::Reasoning(text.to_owned()));
    }
    if let Some(content) = message.get("content").or(message.get("parts")) {
        said.extend(parts(content));
    }
    if let Some(refusal) = text("refusal") {
        said.push(Part::Text(refusal.to_owned()));
    }
    if role == "tool"
        && !said
            .iter()
            .any(|part| matches!(part, Part::Response { .. }))
    {
        let response = match message.get("content") {
            Some(content) => content.clone(),
            None => whole(),
        };
        said = vec![Part::Response {
            id: text("tool_call_id").or(text("id")).map(str::to_owned),
            response,
        }];
    }
    for call in message
        .get("tool_calls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        said.push(call_of(call));
    }
    if let Some(call @ Value::Object(_)) = message.get("function_call") {
        said.push(function(None, call));
    }
    (role.to_owned(), said)
}

fn call_of(call: &Value) -> Part {
    let id = call.get("id").and_then(Value::as_str).map(str::to_owned);
    match call.get("function") {
        Some(of) => function(id, of),
        None => function(id, call),
    }
}

fn function(id: Option<String>, function: &Value) -> Part {
    let name = function.get("name").and_then(Value::as_str);
    let arguments = function.get("arguments").or(function.get("args"));
    Part::Call {
        id,
        name: name.unwrap_or_default().to_owned(),
        arguments: arguments.map(arguments_of).unwrap_or_default(),
    }
}

fn item_call(item: &Map<String, Value>) -> Part {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let arguments = item.get("arguments").or(item.get("input"));
    Part::Call {
        id: text("call_id").or(text("id")).map(str::to_owned),
        name: text("name").unwrap_or_default().to_owned(),
        arguments: arguments.map(arguments_of).unwrap_or_default(),
    }
}

/// Arguments come as text that is JSON, or is to become it.
fn arguments_of(arguments: &Value) -> Value {
    match arguments {
        Value::String(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        arguments => arguments.clone(),
    }
}

/// The parts of a content: a text, a part, or several.
pub(super) fn parts(content: &Value) -> Vec<Part> {
    match content {
        Value::Null => Vec::new(),
        Value::String(text) => vec![Part::Text(text.clone())],
        Value::Array(items) => items.iter().map(part).collect(),
        other => vec![part(other)],
    }
}

fn part(part: &Value) -> Part {
    let text = |name: &str| part.get(name).and_then(Value::as_str);
    let owned = |name: &str| text(name).map(str::to_owned);
    let other = || Part::Other(part.clone());
    let value = |name: &str| part.get(name).cloned().unwrap_or_default();
    if let Value::String(text) = part {
        return Part::Text(text.clone());
    }
    let Some(kind) = text("type") else {
        return gemini(part);
    };
    match kind {
        "text" | "input_text" | "output_text" => match text("text").or(text("content")) {
            Some(text) => Part::Text(text.to_owned()),
            None => other(),
        },
        "refusal" => owned("refusal").map_or_else(other, Part::Text),
        "thinking" => owned("thinking").map_or_else(other, Part::Reasoning),
        "reasoning" => text("content")
            .or(text("text"))
            .map_or_else(other, |text| Part::Reasoning(text.to_owned())),
        "tool_use" | "server_tool_use" => Part::Call {
            id: owned("id"),
            name: owned("name").unwrap_or_default(),
            arguments: part.get("input").map(arguments_of).unwrap_or_default(),
        },
        "tool_call" => Part::Call {
            id: owned("id"),
            name: owned("name").unwrap_or_default(),
            arguments: part.get("arguments").map(arguments_of).unwrap_or_default(),
        },
        "tool_result" => Part::Response {
            id: owned("tool_use_id"),
            response: value("content"),
        },
        "tool_call_response" => Part::Response {
            id: owned("id"),
            response: part
                .get("response")
                .or(part.get("result"))
                .cloned()
                .unwrap_or_default(),
        },
        "image_url" | "input_image" => {
            let url = part.pointer("/image_url/url").or(part.get("image_url"));
            url.and_then(Value::as_str)
                .map_or_else(other, |url| at("image", url))
        }
        "image" | "document" => {
            let source = part.get("source").unwrap_or(part);
            let modality = if kind == "image" { "image" } else { "document" };
            media(modality, source).unwrap_or_else(other)
        }
        "input_audio" => {
            let data = part.pointer("/input_audio/data").and_then(Value::as_str);
            data.map_or_else(other, |data| Part::Blob {
                modality: "audio",
                mime: part
                    .pointer("/input_audio/format")
                    .and_then(Value::as_str)
                    .map(|format| format!("audio/{format}")),
                content: data.to_owned(),
            })
        }
        "uri" => owned("uri").map_or_else(other, |uri| Part::Uri {
            modality: modality_named(text("modality")),
            uri,
        }),
        "blob" => owned("content").map_or_else(other, |content| Part::Blob {
            modality: modality_named(text("modality")),
            mime: owned("mime_type"),
            content,
        }),
        _ => other(),
    }
}

fn gemini(part: &Value) -> Part {
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        let text = text.to_owned();
        return match part.get("thought") {
            Some(Value::Bool(true)) => Part::Reasoning(text),
            _ => Part::Text(text),
        };
    }
    let id = |of: &Value| of.get("id").and_then(Value::as_str).map(str::to_owned);
    if let Some(call) = part.get("functionCall").or(part.get("function_call")) {
        return function(id(call), call);
    }
    let answers = part
        .get("functionResponse")
        .or(part.get("function_response"));
    if let Some(answer) = answers {
        let name = answer.get("name").and_then(Value::as_str);
        return Part::Response {
            id: id(answer).or(name.map(str::to_owned)),
            response: answer.get("response").cloned().unwrap_or_default(),
        };
    }
    let inline = part.get("inlineData").or(part.get("inline_data"));
    let file = part.get("fileData").or(part.get("file_data"));
    inline
        .or(file)
        .and_then(|source| media(modality_of(source), source))
        .unwrap_or_else(|| Part::Other(part.clone()))
}

fn at(modality: &'static str, url: &str) -> Part {
    let inline = url.strip_prefix("data:");
    if let Some((mime, content)) = inline.and_then(|data| data.split_once(";base64,")) {
        return Part::Blob {
            modality,
            mime: Some(mime.to_owned()),
            content: content.to_owned(),
        };
    }
    Part::Uri {
        modality,
        uri: url.to_owned(),
    }
}

fn media(modality: &'static str, source: &Value) -> Option<Part> {
    let text = |names: &[&str]| {
        let said = names.iter().find_map(|name| source.get(*name));
        said.and_then(Value::as_str).map(str::to_owned)
    };
    if let Some(content) = text(&["data"]) {
        return Some(Part::Blob {
            modality,
            mime: text(&["media_type", "mimeType", "mime_type"]),
            content,
        });
    }
    let uri = text(&["url", "fileUri", "file_uri"])?;
    Some(Part::Uri { modality, uri })
}

fn modality_of(source: &Value) -> &'static str {
    let mime = source.get("mimeType").or(source.get("mime_type"));
    let mime = mime.and_then(Value::as_str).unwrap_or_default();
    modality_named(mime.split('/').next())
}

fn modality_named(name: Option<&str>) -> &'static str {
    match name {
        Some("image") => "image",
        Some("audio") => "audio",
        Some("video") => "video",
        _ => "document",
    }
}

/// The tools that a request offers, each as a schema of its own.
fn tools(request: &Map<String, Value>) -> Vec<Value> {
    let offered = request.get("tools").and_then(Value::as_array);
    offered
        .into_iter()
        .flatten()
        .flat_map(|tool| {
            let several = tool
                .get("functionDeclarations")
                .or(tool.get("function_declarations"));
            match several.and_then(Value::as_array) {
                Some(several) => several.clone(),
                None => vec![tool.clone()],
            }
        })
        .filter(Value::is_object)
        .collect()
}

impl Part {
    /// In the words of OpenTelemetry.
    pub(super) fn gen_ai(&self) -> Value {
        match self {
            Self::Text(text) => json!({ "type": "text", "content": text }),
            Self::Reasoning(text) => json!({ "type": "reasoning", "content": text }),
            Self::Call {
                id,
                name,
                arguments,
            } => json!({ "type": "tool_call", "id": id, "name": name, "arguments": arguments }),
            Self::Response { id, response } => {
                json!({ "type": "tool_call_response", "id": id, "response": response })
            }
            Self::Uri { modality, uri } => {
                json!({ "type": "uri", "modality": modality, "uri": uri })
            }
            Self::Blob {
                modality,
                mime,
                content,
            } => {
                json!({ "type": "blob", "modality": modality, "mime_type": mime, "content": content })
            }
            Self::Other(value) => match value {
                Value::Object(members) if members.contains_key("type") => value.clone(),
                value => json!({ "type": "other", "content": value }),
            },
        }
    }

    /// What it says in words.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Response { response, .. } => Some(match response {
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    let texts: Option<Vec<&str>> = items
                        .iter()
                        .map(|item| item.get("text").and_then(Value::as_str))
                        .collect();
                    texts.map_or_else(|| response.to_string(), |texts| texts.concat())
                }
                other => other.to_string(),
            }),
            _ => None,
        }
    }
}
