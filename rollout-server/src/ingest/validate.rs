//! The bounds of the protocol, checked.

use rollout_core::event::{Batch, Event, limit};

/// What is wrong with one event.
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
}

pub(super) fn envelope<E>(batch: &Batch<E>) -> Result<(), String> {
    let texts = [
        (
            "schema_version",
            batch.schema_version.as_str(),
            1,
            limit::SCHEMA_VERSION,
        ),
        ("source", &batch.source, 1, limit::SOURCE),
        ("sdk.name", &batch.sdk.name, 1, limit::SDK_NAME),
        ("sdk.language", &batch.sdk.language, 1, limit::SDK_LANGUAGE),
        (
            "sdk.version",
            batch.sdk.version.as_deref().unwrap_or_default(),
            0,
            limit::SDK_NAME,
        ),
        ("batch_id", &batch.batch_id, 1, limit::ID),
    ];
    for (field, text, least, most) in texts {
        if text.len() < least {
            return Err(format!("`{field}` is empty"));
        }
        if is_longer(text, most) {
            return Err(too_long(field, most));
        }
    }
    match batch.events.len() {
        0 => Err("`events` is empty".to_owned()),
        events if events > limit::BATCH_EVENTS => Err(format!(
            "`events` holds {events} events, {} are allowed",
            limit::BATCH_EVENTS
        )),
        _ => Ok(()),
    }
}

/// Reads one event and checks it.
pub(super) fn event(json: &str) -> Result<Event, Fault> {
    let event: Event = serde_json::from_str(json).map_err(|error| Fault {
        code: "invalid_event",
        message: error.to_string(),
    })?;
    check(&event)?;
    Ok(event)
}

/// Checks an event.
pub(super) fn check(event: &Event) -> Result<(), Fault> {
    if is_longer(&event.event_id, limit::ID) {
        return Err(Fault {
            code: "too_long",
            message: too_long("event_id", limit::ID),
        });
    }
    if event.event_id.is_empty() {
        return Err(Fault {
            code: "missing_event_id",
            message: "`event_id` is empty".to_owned(),
        });
    }
    let named = |id: &Option<String>| id.as_ref().is_some_and(|id| !id.is_empty());
    if !named(&event.trace_id) && !named(&event.external_trace_id) {
        return Err(Fault {
            code: "missing_trace_id",
            message: "neither `trace_id` nor `external_trace_id` is given".to_owned(),
        });
    }
    if let Some((field, most)) = overlong(event) {
        return Err(Fault {
            code: "too_long",
            message: too_long(field, most),
        });
    }
    let least = [
        (
            "sequence",
            event.sequence.map(|sequence| sequence as f64),
            1.0,
        ),
        ("duration_ms", event.duration_ms, 0.0),
        ("usage.cost_usd", event.usage.cost_usd, 0.0),
        (
            "usage.context_utilization",
            event.usage.context_utilization,
            0.0,
        ),
    ];
    match least
        .into_iter()
        .find(|(_, number, least)| number.is_some_and(|number| number < *least))
    {
        Some((field, _, least)) => Err(Fault {
            code: "out_of_range",
            message: format!("`{field}` is less than {least}"),
        }),
        None => Ok(()),
    }
}

fn is_longer(text: &str, most: usize) -> bool {
    // A text has no more characters than bytes.
    text.len() > most && text.chars().nth(most).is_some()
}

fn too_long(field: &str, most: usize) -> String {
    format!("`{field}` is longer than {most} characters")
}

/// Declares [`overlong`]: the event's own fields, then those of its sections.
macro_rules! texts {
    ($($field:ident: $most:ident),*; $($section:ident { $($inner:ident: $bound:ident),* })*) => {
        /// The first text that is over its bound: its name on the wire, and the bound.
        fn overlong(event: &Event) -> Option<(&'static str, usize)> {
            let is_over = |text: &Option<String>, most| text.as_ref().is_some_and(|text| is_longer(text, most));
            $(if is_over(&event.$field, limit::$most) {
                return Some((stringify!($field), limit::$most));
            })*
            $($(if is_over(&event.$section.$inner, limit::$bound) {
                return Some((concat!(stringify!($section), ".", stringify!($inner)), limit::$bound));
            })*)*
            is_over(&event.error.kind, limit::TITLE).then_some(("error.type", limit::TITLE))
        }
    };
}

texts! {
    schema_version: SCHEMA_VERSION, trace_id: ID, external_trace_id: ID, span_id: ID, parent_span_id: ID,
    span_type: WORD, name: NAME, status: WORD;
    agent { id: ID, name: TITLE, version: LABEL, prompt_version: LABEL, deployment: LABEL, environment: LABEL }
    model { provider: LABEL, model: TITLE, model_version: LABEL, reasoning_mode: LABEL }
    tool { name: TITLE, tool_call_id: ID, status: WORD, args_shape_hash: ID }
    outcome { status: WORD, business_outcome: TITLE, failure_reason: NAME }
    error { signature: NAME, message_preview: ERROR_MESSAGE }
    context { user_id: ID, account_id: ID, session_id: ID, conversation_id: ID }
    message { id: ID, role: WORD, content_type: WORD, tool_call_id: ID }
    integration { name: LABEL, version: LABEL, framework: LABEL, runtime: LABEL }
    links { run_id: ID, rollout_id: ID, dataset_id: ID, experiment_id: ID, optimization_job_id: ID }
}
