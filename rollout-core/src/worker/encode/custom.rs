//! Events of a program's own, made to fit the protocol: a text that is too long is cut, and what the protocol has no
//! room for, or not in this form, rides in the attributes.

use serde_json::{Map, Value};

use super::event::{Object, cut};
use super::masks::Masks;
use crate::event::limit::{ERROR_MESSAGE, ID, LABEL, NAME, TITLE, WORD};
use crate::event::parse_time;

/// What the protocol says of a member.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// A text of so many code points.
    Text(usize),
    Time,
    Count,
    /// A number of 0 or more.
    Amount,
    Number,
    Flag,
    /// A map of anything.
    Map,
    Anything,
    /// A map of these members and no others.
    Section(&'static [(&'static str, Form)]),
}

use Form::{Amount, Anything, Count, Flag, Number, Section, Text, Time};

const EVENT: &[(&str, Form)] = &[
    ("external_trace_id", Text(ID)),
    ("span_type", Text(WORD)),
    ("started_at", Time),
    ("ended_at", Time),
    ("duration_ms", Amount),
    ("name", Text(NAME)),
    ("status", Text(WORD)),
    ("model", Section(MODEL)),
    ("tool", Section(TOOL)),
    ("usage", Section(USAGE)),
    ("outcome", Section(OUTCOME)),
    ("error", Section(ERROR)),
    ("message", Section(MESSAGE)),
    ("integration", Section(INTEGRATION)),
    ("links", Section(LINKS)),
    ("raw", Form::Map),
    ("attributes", Form::Map),
];

const MODEL: &[(&str, Form)] = &[
    ("provider", Text(LABEL)),
    ("model", Text(TITLE)),
    ("model_version", Text(LABEL)),
    ("reasoning_mode", Text(LABEL)),
    ("temperature", Number),
];

const TOOL: &[(&str, Form)] = &[
    ("name", Text(TITLE)),
    ("tool_call_id", Text(ID)),
    ("status", Text(WORD)),
    ("retry_count", Count),
    ("args_shape_hash", Text(ID)),
];

const USAGE: &[(&str, Form)] = &[
    ("input_tokens", Count),
    ("output_tokens", Count),
    ("cached_tokens", Count),
    ("reasoning_tokens", Count),
    ("total_tokens", Count),
    ("context_window_tokens", Count),
    ("context_used_tokens", Count),
    ("context_utilization", Amount),
    ("cost_usd", Amount),
];

const OUTCOME: &[(&str, Form)] = &[
    ("success", Flag),
    ("status", Text(WORD)),
    ("eval_score", Number),
    ("user_accepted", Flag),
    ("human_escalated", Flag),
    ("business_outcome", Text(TITLE)),
    ("failure_reason", Text(NAME)),
];

const ERROR: &[(&str, Form)] = &[
    ("type", Text(TITLE)),
    ("signature", Text(NAME)),
    ("message_preview", Text(ERROR_MESSAGE)),
];

const MESSAGE: &[(&str, Form)] = &[
    ("id", Text(ID)),
    ("role", Text(WORD)),
    ("content", Anything),
    ("content_type", Text(WORD)),
    ("tool_call_id", Text(ID)),
    ("index", Count),
    ("is_internal", Flag),
];

const INTEGRATION: &[(&str, Form)] = &[
    ("name", Text(LABEL)),
    ("version", Text(LABEL)),
    ("framework", Text(LABEL)),
    ("runtime", Text(LABEL)),
];

const LINKS: &[(&str, Form)] = &[
    ("run_id", Text(ID)),
    ("rollout_id", Text(ID)),
    ("dataset_id", Text(ID)),
    ("experiment_id", Text(ID)),
    ("optimization_job_id", Text(ID)),
];

/// The members of one event, sorted by where they go.
#[derive(Debug, Default)]
pub(super) struct Custom {
    members: Map<String, Value>,
    attributes: Map<String, Value>,
    external_id: Option<String>,
}

impl Custom {
    /// Takes a value in the capture format. A map is the members; anything else is the attribute `value`.
    pub(super) fn of(captured: &[u8], mask: &Masks) -> Self {
        let mut json = Vec::new();
        mask.captured(captured, &mut json);
        let mut custom = Self::default();
        match serde_json::from_slice(&json) {
            Ok(Value::Object(members)) => {
                let mut rest = Map::new();
                custom.members = fit_all(EVENT, members, "", &mut rest);
                if let Some(Value::Object(attributes)) = custom.members.remove("attributes") {
                    custom.attributes = attributes;
                }
                for (key, value) in rest {
                    custom.attributes.entry(key).or_insert(value);
                }
            }
            Ok(Value::Null) | Err(_) => {}
            Ok(value) => {
                custom.attributes.insert("value".into(), value);
            }
        }
        if let Some(Value::String(id)) = custom.members.remove("external_trace_id") {
            custom.external_id = Some(id).filter(|id| !id.is_empty());
        }
        custom
    }

    /// The caller's own id of the trace that the event belongs to.
    pub(super) fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }

    /// Writes the members but for the attributes.
    pub(super) fn members(&self, event: &mut Object<'_>) {
        put(&self.members, event);
    }

    /// Writes the members of the attributes.
    pub(super) fn attributes(&self, attributes: &mut Object<'_>) {
        put(&self.attributes, attributes);
    }
}

fn put(members: &Map<String, Value>, object: &mut Object<'_>) {
    for (key, value) in members {
        // Writing to a Vec cannot fail.
        let _ = serde_json::to_writer(object.key(key), value);
    }
}

/// The members that fit; the others go to `rest`, under their whole names.
fn fit_all(
    forms: &[(&str, Form)],
    members: Map<String, Value>,
    above: &str,
    rest: &mut Map<String, Value>,
) -> Map<String, Value> {
    let mut fitting = Map::new();
    for (key, value) in members {
        let name = format!("{above}{key}");
        let form = forms.iter().find(|(known, _)| *known == key);
        let fits = match form {
            Some((_, form)) => fit(*form, value, &name, rest),
            None => Err(value),
        };
        match fits {
            Ok(Some(value)) => {
                fitting.insert(key, value);
            }
            Ok(None) => {}
            Err(value) => {
                rest.insert(name, value);
            }
        }
    }
    fitting
}

/// The value in the form that the protocol wants; nothing where it says nothing; or the value where it does not fit.
fn fit(
    form: Form,
    value: Value,
    name: &str,
    rest: &mut Map<String, Value>,
) -> Result<Option<Value>, Value> {
    Ok(Some(match (form, value) {
        (form, Value::Null) if form != Anything => return Ok(None),
        (Text(limit), Value::String(text)) => cut(&text, limit).into_owned().into(),
        (Time, Value::String(text)) => match parse_time(&text) {
            Ok(time) => format!("{time:.6}").into(),
            Err(_) => return Err(Value::String(text)),
        },
        (Anything, value)
        | (Number, value @ Value::Number(_))
        | (Flag, value @ Value::Bool(_))
        | (Form::Map, value @ Value::Object(_)) => value,
        (Count, value) if value.is_u64() => value,
        (Amount, value) if value.as_f64().is_some_and(|number| number >= 0.0) => value,
        (Section(forms), Value::Object(members)) => {
            fit_all(forms, members, &format!("{name}."), rest).into()
        }
        (_, value) => return Err(value),
    }))
}
