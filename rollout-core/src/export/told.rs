//! An event's attributes, told apart: what rides in them for the protocol, and what the program said.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::event::{Event, RawObject, USAGE_ATTRIBUTE};

/// What the attributes of one event say.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What the six digits of `occurred_at` leave out.
    nanoseconds: u64,
    /// The caller's trace and span, where a trace begins inside another.
    pub(super) link: (Option<String>, Option<String>),
    /// The span's parent is of another process.
    pub(super) is_branch: bool,
    pub(super) trace_tags: Vec<String>,
    pub(super) trace_metadata: Map<String, Value>,
    pub(super) tags: Vec<String>,
    pub(super) metadata: Map<String, Value>,
    /// What the provider counts beside the fields of `usage`.
    pub(super) usage: Vec<(String, Number)>,
    pub(super) service_name: Option<String>,
    pub(super) release: Option<String>,
    /// The repository, and the commit.
    pub(super) repository: Option<String>,
    pub(super) commit: Option<String>,
    /// An error's message where it is too long for its section, and its causes.
    pub(super) error_message: Option<String>,
    pub(super) error_chain: Vec<String>,
    /// Everything else, under its own name.
    pub(super) rest: Map<String, Value>,
}

impl Told {
    pub(super) fn of(event: &Event) -> Self {
        let mut told = Self::default();
        let members = event.attributes.as_ref().map(RawObject::members);
        for (name, value) in members.unwrap_or_default() {
            told.take(event, name, parsed(value));
        }
        told
    }

    fn take(&mut self, event: &Event, name: Cow<'_, str>, value: Value) {
        match &*name {
            "rollout.ns" => self.nanoseconds = value.as_u64().unwrap_or(0).min(999),
            "rollout.link.trace_id" => self.link.0 = text(value),
            "rollout.link.span_id" => self.link.1 = text(value),
            "rollout.parent.remote" => self.is_branch = value == Value::Bool(true),
            "rollout.trace.tags" => self.trace_tags = texts(value),
            "rollout.trace.metadata" => self.trace_metadata.extend(members(value)),
            "rollout.dropped" => {
                self.trace_metadata.insert(name.into_owned(), value);
            }
            "rollout.metadata" => self.metadata.extend(members(value)),
            "rollout.tags" | "tags" => self.tags = texts(value),
            "span_type" if event.span_type.is_some() => {}
            "service_name" => self.service_name = text(value),
            "release" => self.release = text(value),
            "vcs.repository.url.full" => self.repository = text(value),
            "vcs.ref.head.revision" => self.commit = text(value),
            "rollout.error.message" => self.error_message = text(value),
            "rollout.error.chain" => self.error_chain = texts(value),
            _ => match (name.strip_prefix(USAGE_ATTRIBUTE), value) {
                (Some(counted), Value::Number(number)) => {
                    self.usage.push((counted.to_owned(), number));
                }
                (_, value) => {
                    self.rest.insert(name.into_owned(), value);
                }
            },
        }
    }

    /// A time of the event, in nanoseconds since 1970: the event's own is cut to microseconds.
    pub(super) fn exact(&self, event: &Event, time: Timestamp) -> u64 {
        let left_out = if event.occurred_at == Some(time) {
            self.nanoseconds
        } else {
            0
        };
        u64::try_from(time.as_nanosecond())
            .unwrap_or(0)
            .saturating_add(left_out)
    }

    /// When the event happened; zero where it does not say so.
    pub(super) fn at(&self, event: &Event) -> u64 {
        let time = event.occurred_at.or(event.ended_at).or(event.started_at);
        time.map_or(0, |time| self.exact(event, time))
    }
}

/// The members of `raw` that are shown, as JSON texts.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) preview: Option<String>,
}

impl Payloads {
    pub(super) fn of(event: &Event) -> Self {
        let mut payloads = Self::default();
        let members = event.raw.as_ref().map(RawObject::members);
        for (name, value) in members.unwrap_or_default() {
            let field = match &*name {
                "input" | "arguments" => &mut payloads.input,
                "output" | "result" => &mut payloads.output,
                "stream_preview" => &mut payloads.preview,
                _ => continue,
            };
            *field = Some(value.get().to_owned());
        }
        payloads
    }
}

/// A JSON text as a value. What cannot be one here, for its depth or for halves of characters, stays text.
pub(super) fn parsed(value: &RawValue) -> Value {
    parsed_text(value.get())
}

/// The same.
pub(super) fn parsed_text(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn texts(value: Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.into_iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
