//! What a model was given and answered, in the words of a conversation.

use rollout_core::event::RawJson;
use serde_json::{Map, Value, json};

use super::{
    attributes::Attributes,
    payload::payload,
    unflatten::take_list,
    value::{parsed, text},
};

/// Takes a conversation that a model was given, in the first of the ways in which one is written.
pub(super) fn take_input(attributes: &mut Attributes, told: Vec<Value>) -> Option<RawJson> {
    gen_ai(attributes)
        .or_else(|| {
            let messages = openinference_list(attributes, "llm.input_messages");
            with_tools(messages, openinference_tools(attributes))
        })
        .or_else(|| list(traceloop(attributes, "gen_ai.prompt")))
        .or_else(|| list(told))
}

/// Takes what the model has answered.
pub(super) fn take_output(attributes: &mut Attributes, told: Vec<Value>) -> Option<RawJson> {
    attributes
        .take_payload(&["gen_ai.output.messages"])
        .or_else(|| list(openinference_list(attributes, "llm.output_messages")))
        .or_else(|| list(traceloop(attributes, "gen_ai.completion")))
        .or_else(|| list(told))
}

fn list(messages: Vec<Value>) -> Option<RawJson> {
    if messages.is_empty() {
        return None;
    }
    RawJson::of(&messages).ok()
}

fn with_tools(messages: Vec<Value>, tools: Vec<Value>) -> Option<RawJson> {
    if messages.is_empty() || tools.is_empty() {
        return list(messages);
    }
    RawJson::of(&json!({ "messages": messages, "tools": tools })).ok()
}

/// The conversation as OpenTelemetry writes it: whole, with what the system says and the tools beside.
fn gen_ai(attributes: &mut Attributes) -> Option<RawJson> {
    const MESSAGES: &str = "gen_ai.input.messages";
    const SYSTEM: &str = "gen_ai.system_instructions";
    const TOOLS: &str = "gen_ai.tool.definitions";

    if !attributes.has(MESSAGES) && !attributes.has(SYSTEM) {
        return None;
    }
    let messages = attributes.take_payload(&[MESSAGES]);
    let system = attributes.take_payload(&[SYSTEM]);
    let tools = attributes.take_payload(&[TOOLS]);
    // Some say the system's words twice: by themselves, and as the first message.
    let system = system.filter(|_| !messages.as_ref().is_some_and(begins_with_system));
    if let (Some(messages), None, None) = (&messages, &system, &tools) {
        return Some(messages.clone());
    }
    let mut parts = Vec::new();
    for (name, part) in [("system", system), ("messages", messages), ("tools", tools)] {
        if let Some(part) = part {
            parts.push(format!("\"{name}\":{}", part.as_str()));
        }
    }
    RawJson::parse(format!("{{{}}}", parts.join(","))).ok()
}

fn begins_with_system(messages: &RawJson) -> bool {
    let messages: Value = serde_json::from_str(messages.as_str()).unwrap_or_default();
    messages
        .pointer("/0/role")
        .is_some_and(|role| role == "system")
}

/// Messages as OpenInference writes them: an attribute for each word.
fn openinference_list(attributes: &mut Attributes, name: &str) -> Vec<Value> {
    let messages = take_list(attributes, name).into_iter();
    messages.map(openinference).collect()
}

fn openinference(mut message: Attributes) -> Value {
    let mut said = Map::new();
    let role = message.take_text(&["message.role"]);
    said.insert("role".to_owned(), role.unwrap_or_default().into());
    let parts: Vec<Value> = take_list(&mut message, "message.contents")
        .into_iter()
        .map(openinference_part)
        .collect();
    let content = message.take("message.content");
    said.insert(
        "content".to_owned(),
        if parts.is_empty() {
            content.unwrap_or_default()
        } else {
            parts.into()
        },
    );
    let calls: Vec<Value> = take_list(&mut message, "message.tool_calls")
        .into_iter()
        .map(|mut call| {
            function(
                call.take("tool_call.id"),
                call.take("tool_call.function.name"),
                call.take("tool_call.function.arguments"),
            )
        })
        .chain(message.take("message.function_call_name").map(|name| {
            let arguments = message.take("message.function_call_arguments_json");
            function(None, Some(name), arguments)
        }))
        .collect();
    if !calls.is_empty() {
        said.insert("tool_calls".to_owned(), calls.into());
    }
    for (name, value) in message.into_object() {
        let name = name.strip_prefix("message.").unwrap_or(&name).to_owned();
        said.entry(name).or_insert(value);
    }
    said.into()
}

fn openinference_part(mut part: Attributes) -> Value {
    let text = part.take("message_content.text");
    let image = part.take("message_content.image.image.url");
    let mut said = Map::new();
    if let Some(kind) = part.take("message_content.type") {
        said.insert("type".to_owned(), kind);
    }
    if let Some(text) = text {
        said.insert("text".to_owned(), text);
    }
    if let Some(url) = image {
        said.insert("type".to_owned(), "image_url".into());
        said.insert("image_url".to_owned(), json!({ "url": url }));
    }
    for (name, value) in part.into_object() {
        let name = name.strip_prefix("message_content.").unwrap_or(&name);
        said.insert(name.to_owned(), value);
    }
    said.into()
}

fn openinference_tools(attributes: &mut Attributes) -> Vec<Value> {
    let tools = take_list(attributes, "llm.tools").into_iter();
    tools
        .map(|mut tool| match tool.take("tool.json_schema") {
            Some(schema) => parsed(schema),
            None => tool.into_object().into(),
        })
        .collect()
}

/// Messages as OpenLLMetry writes them: an attribute for each word, under the name of the prompt.
fn traceloop(attributes: &mut Attributes, name: &str) -> Vec<Value> {
    let messages = take_list(attributes, name).into_iter();
    messages
        .map(|mut message| {
            let calls: Vec<Value> = take_list(&mut message, "tool_calls")
                .into_iter()
                .map(|mut call| {
                    function(call.take("id"), call.take("name"), call.take("arguments"))
                })
                .collect();
            let mut said = message.into_object();
            let content = said.remove("content").map(parsed);
            said.insert("content".to_owned(), content.unwrap_or_default());
            if !calls.is_empty() {
                said.insert("tool_calls".to_owned(), calls.into());
            }
            said.into()
        })
        .collect()
}

fn function(id: Option<Value>, name: Option<Value>, arguments: Option<Value>) -> Value {
    json!({
        "id": id,
        "type": "function",
        "function": { "name": name, "arguments": arguments },
    })
}

/// Whether a message was given or answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Given,
    Answered,
}

/// Reads an event of the names that OpenTelemetry had for messages; `None` for any other.
pub(super) fn of_event(name: &str, body: &mut Attributes) -> Option<(Side, Vec<Value>)> {
    let (side, role) = match name {
        "gen_ai.system.message" => (Side::Given, "system"),
        "gen_ai.user.message" => (Side::Given, "user"),
        "gen_ai.assistant.message" => (Side::Given, "assistant"),
        "gen_ai.tool.message" => (Side::Given, "tool"),
        "gen_ai.choice" => (Side::Answered, "assistant"),
        "gen_ai.content.prompt" => {
            return Some((Side::Given, whole(body.take("gen_ai.prompt")?, "user")));
        }
        "gen_ai.content.completion" => {
            let said = body.take("gen_ai.completion")?;
            return Some((Side::Answered, whole(said, "assistant")));
        }
        _ => return None,
    };
    if let Some(content) = body.take_object("gen_ai.event.content") {
        body.add_all(Attributes::of_object(content));
    }
    let finished = body.take("finish_reason");
    let mut message = match body.take("message").map(parsed) {
        Some(Value::Object(message)) => Attributes::of_object(message),
        Some(content) => {
            let mut message = Attributes::default();
            message.add("content", content);
            message.add_all(std::mem::take(body));
            message
        }
        None => std::mem::take(body),
    };
    let mut said = Map::new();
    let given = message.text("role").unwrap_or_else(|| role.to_owned());
    said.insert("role".to_owned(), given.into());
    let content = message.take("content").map(parsed);
    said.insert("content".to_owned(), content.unwrap_or_default());
    for (theirs, ours) in [
        ("tool_calls", "tool_calls"),
        ("id", "tool_call_id"),
        ("name", "name"),
    ] {
        if let Some(value) = message.take(theirs) {
            said.insert(ours.to_owned(), parsed(value));
        }
    }
    if let Some(finished) = finished {
        said.insert("finish_reason".to_owned(), finished);
    }
    Some((side, vec![said.into()]))
}

/// Messages in one text of JSON, or a text that is one.
fn whole(said: Value, role: &str) -> Vec<Value> {
    match parsed(said) {
        Value::Array(messages) => messages,
        Value::Object(message) => vec![message.into()],
        text => vec![json!({ "role": role, "content": text })],
    }
}

/// Takes the events that pydantic-ai writes into one attribute.
pub(super) fn take_events(attributes: &mut Attributes, name: &str) -> (Vec<Value>, Vec<Value>) {
    let (mut given, mut answered) = (Vec::new(), Vec::new());
    let Some(Value::Array(events)) = attributes.get(name).cloned().map(parsed) else {
        return (given, answered);
    };
    for event in events {
        let Value::Object(event) = event else {
            return (Vec::new(), Vec::new());
        };
        let named = event.get("event.name").and_then(text);
        let Some((side, said)) = named.and_then(|name| {
            let mut body = Attributes::of_object(event);
            of_event(&name, &mut body)
        }) else {
            continue;
        };
        match side {
            Side::Given => given.extend(said),
            Side::Answered => answered.extend(said),
        }
    }
    if !given.is_empty() || !answered.is_empty() {
        attributes.take(name);
    }
    (given, answered)
}

/// The messages before the first of the model's own: what an agent was given, of all that was said.
pub(super) fn before_answer(messages: &Value) -> Option<RawJson> {
    let Value::Array(messages) = messages else {
        return None;
    };
    let given = messages
        .iter()
        .take_while(|message| message.get("role").is_none_or(|role| role != "assistant"));
    list(given.cloned().collect())
}

/// What is asked and answered in one object of logfire's, which holds the provider's own.
pub(super) fn take_answer_data(attributes: &mut Attributes) -> Option<RawJson> {
    let mut answer = attributes.take_object("response_data")?;
    if let Some(message) = answer.remove("message") {
        return payload(&Value::Array(vec![message]), None);
    }
    if let Some(text) = answer.remove("combined_chunk_content") {
        return payload(&text, None);
    }
    payload(&answer.into(), None)
}
