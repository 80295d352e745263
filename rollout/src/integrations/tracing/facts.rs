//! What fields say, in the words of a span.

use rollout_core::{SpanEnd, SpanUpdate, Usage};
use serde_json::{Map, Value};

use super::collect::{Entry, Fields};
use super::kind::Kind;

/// A field as it is told: its name and value.
pub(super) type Fact = (&'static str, Value);

/// Which side of a call a field is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Known before anything is done.
    Asked,
    Answered,
    Error,
    /// Told in another way, or of no interest.
    Silent,
}

const INPUTS: &[&str] = &[
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.definitions",
];

const OUTPUTS: &[&str] = &[
    "gen_ai.completion",
    "gen_ai.output.messages",
    "gen_ai.tool.call.result",
];

fn side(name: &str) -> Side {
    match name {
        "error"
        | "err"
        | "error.type"
        | "error.message"
        | "exception.message"
        | "exception.type"
        | "otel.status_code"
        | "otel.status_description"
        | "otel.status_message"
        | "gen_ai.tool.error.type" => Side::Error,
        "otel.name" | "otel.kind" | "rig.completion_parent" | "gen_ai.conversation.id" => {
            Side::Silent
        }
        "gen_ai.tool.call.outcome" => Side::Answered,
        name if OUTPUTS.contains(&name)
            || name.starts_with("gen_ai.usage.")
            || name.starts_with("gen_ai.response.") =>
        {
            Side::Answered
        }
        _ => Side::Asked,
    }
}

/// What is to be told, and what of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling {
    pub(super) kind: Kind,
    /// Messages, arguments and results: where a wrapper sees the same call, it tells them better.
    pub(super) input: bool,
    pub(super) output: bool,
}

/// What has been asked and is not told yet; of what makes the input up, all.
pub(super) fn take_asked(fields: &mut Fields) -> Vec<Fact> {
    take(fields, |side| side == Side::Asked)
}

/// Whether a field is about what is asked.
pub(super) fn is_asked(name: &str) -> bool {
    side(name) == Side::Asked
}

/// All that is not told yet.
pub(super) fn take_rest(fields: &mut Fields) -> Vec<Fact> {
    take(fields, |side| side != Side::Silent)
}

fn take(fields: &mut Fields, wanted: impl Fn(Side) -> bool) -> Vec<Fact> {
    let list = fields.list_mut();
    let input = list
        .iter()
        .any(|entry| !entry.told && INPUTS.contains(&entry.name));
    let takes = |entry: &Entry| {
        let whole_input = input && INPUTS.contains(&entry.name);
        (!entry.told || whole_input) && wanted(side(entry.name))
    };
    let mut taken = Vec::new();
    for entry in list.iter_mut() {
        if takes(entry) {
            entry.told = true;
            taken.push((entry.name, entry.value.clone()));
        }
    }
    taken
}

/// The changes that these facts are.
pub(super) fn update(telling: Telling, facts: Vec<Fact>) -> SpanUpdate {
    let mut update = SpanUpdate::new();
    let mut usage = Usage::default();
    let (mut input, mut counted) = (Map::new(), Map::new());
    for (name, value) in facts {
        if side(name) == Side::Error {
            continue;
        }
        // A JSON text is what it says: then its members are redacted by their names.
        let value = parsed(value);
        if INPUTS.contains(&name) {
            input.insert(name.to_owned(), value);
        } else if OUTPUTS.contains(&name) {
            if telling.output {
                update = update.output(value);
            }
        } else if telling.kind == Kind::Llm && count(&mut usage, name, &value) {
            counted.insert(tail(name).to_owned(), value);
        } else {
            update = plain(update, telling.kind, name, value);
        }
    }
    if let Some(input) = composed(input).filter(|_| telling.input) {
        update = update.input(input);
    }
    if usage.is_empty() {
        update
    } else {
        if usage.total_tokens.is_none()
            && let (Some(input), Some(output)) = (usage.input_tokens, usage.output_tokens)
        {
            usage.total_tokens = Some(input.saturating_add(output));
        }
        update
            .attribute("rollout.provider_usage", counted)
            .usage(usage)
    }
}

/// Whether a field counts tokens.
pub(super) fn is_usage(name: &str) -> bool {
    name.starts_with("gen_ai.usage.")
}

fn tail(name: &str) -> &str {
    name.strip_prefix("gen_ai.usage.").unwrap_or(name)
}

fn plain(mut update: SpanUpdate, kind: Kind, name: &'static str, value: Value) -> SpanUpdate {
    if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
        if name == kind.name_field() {
            update = update.name(text);
        }
        match name {
            "gen_ai.request.model" => return update.model(text),
            "gen_ai.provider.name" | "gen_ai.system" => return update.provider(text),
            "gen_ai.tool.call.id" => return update.tool_call_id(text),
            _ => {}
        }
    }
    if name == "gen_ai.request.temperature"
        && let Some(temperature) = value.as_f64()
    {
        update = update.temperature(temperature);
    }
    update.attribute(name, value)
}

/// Takes a count of tokens; `false` where the field is none that is known.
fn count(usage: &mut Usage, name: &str, value: &Value) -> bool {
    let slot = match name {
        "gen_ai.usage.input_tokens" | "gen_ai.usage.prompt_tokens" => &mut usage.input_tokens,
        "gen_ai.usage.output_tokens" | "gen_ai.usage.completion_tokens" => &mut usage.output_tokens,
        "gen_ai.usage.total_tokens" => &mut usage.total_tokens,
        "gen_ai.usage.cache_read.input_tokens" | "gen_ai.usage.cached_tokens" => {
            &mut usage.cached_tokens
        }
        "gen_ai.usage.cache_creation.input_tokens" => &mut usage.cache_creation_tokens,
        "gen_ai.usage.reasoning_tokens" | "gen_ai.usage.reasoning.output_tokens" => {
            &mut usage.reasoning_tokens
        }
        _ => return false,
    };
    match value.as_u64() {
        Some(tokens) => *slot = Some(tokens),
        None => return false,
    }
    true
}

/// The messages, the prompt or the arguments by themselves; with more, each under a name.
fn composed(mut parts: Map<String, Value>) -> Option<Value> {
    // Some say the system's words twice: by themselves, and as the first message.
    let says_system = |messages: &Value| {
        let first = messages.get(0).and_then(|message| message.get("role"));
        first.and_then(Value::as_str) == Some("system")
    };
    if parts.get("gen_ai.input.messages").is_some_and(says_system) {
        parts.remove("gen_ai.system_instructions");
    }
    if parts.len() < 2 {
        return parts.into_iter().next().map(|(name, value)| match &*name {
            "gen_ai.system_instructions" => serde_json::json!({ "system": value }),
            "gen_ai.tool.definitions" => serde_json::json!({ "tools": value }),
            _ => value,
        });
    }
    let mut input = Map::new();
    for (name, as_name) in [
        ("gen_ai.system_instructions", "system"),
        ("gen_ai.prompt", "prompt"),
        ("gen_ai.input.messages", "messages"),
        ("gen_ai.tool.call.arguments", "arguments"),
        ("gen_ai.tool.definitions", "tools"),
    ] {
        if let Some(value) = parts.remove(name) {
            input.insert(as_name.to_owned(), value);
        }
    }
    Some(input.into())
}

fn parsed(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        value => value,
    }
}

/// Whether these facts say that it failed, and how.
pub(super) fn failure(facts: &[Fact]) -> SpanEnd {
    let get = |wanted: &[&str]| {
        let found = |name: &&str| facts.iter().find(|(known, _)| known == name);
        wanted.iter().find_map(found).map(|(_, value)| value)
    };
    let text = |wanted: &[&str]| get(wanted).and_then(Value::as_str).map(str::to_owned);
    let error = get(&["error", "err"]);
    let flagged = error == Some(&Value::Bool(true));
    let code = text(&["otel.status_code"]).unwrap_or_default();
    let error_type = text(&["error.type", "exception.type", "gen_ai.tool.error.type"]);
    let described = text(&[
        "error.message",
        "exception.message",
        "otel.status_description",
        "otel.status_message",
    ]);
    let (message, chain) = match error {
        Some(Value::Array(chain)) => {
            let mut texts = chain
                .iter()
                .filter_map(|text| text.as_str().map(str::to_owned));
            (texts.next(), texts.collect())
        }
        Some(Value::String(text)) => (Some(text.clone()), Vec::new()),
        _ => (None, Vec::new()),
    };
    let failed = flagged
        || code.eq_ignore_ascii_case("error")
        || message.is_some()
        || error_type.is_some()
        || text(&["error.message", "exception.message"]).is_some();
    if !failed {
        return SpanEnd::default();
    }
    let message = message.or(described);
    let unsaid = || error_type.clone().unwrap_or_else(|| "error".to_owned());
    SpanEnd {
        error: Some(message.unwrap_or_else(unsaid)),
        error_type,
        error_chain: chain,
        ..SpanEnd::default()
    }
}
