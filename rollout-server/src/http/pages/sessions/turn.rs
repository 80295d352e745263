//! One trace as a turn: what was asked, what was answered, and how it went.

use jiff::Timestamp;

use crate::{
    http::pages::{
        facts::{self, Moment, Status},
        groups::{self, Group},
        list::version,
        text::Budget,
        turn::{self, TurnView},
        value::{Form, ValueView},
    },
    present,
    query::{MessageRow, TraceDetail},
    value::{Chat, Turn},
};

/// Messages of one turn; the trace has all of them.
const MESSAGES: usize = 40;

/// A trace among others.
pub(super) struct TurnOf {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) href: String,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) started: Option<Moment>,
    pub(super) duration: String,
    pub(super) running_ms: Option<f64>,
    pub(super) spans: String,
    pub(super) errors: Option<String>,
    pub(super) tokens: String,
    pub(super) cost: String,
    pub(super) failure: Option<(String, String)>,
    pub(super) said: Vec<Said>,
    /// What is not shown of it.
    pub(super) left_out: Option<String>,
    pub(super) judged: Vec<Group>,
}

/// What went in or came out.
pub(super) struct Said {
    pub(super) title: &'static str,
    pub(super) view: ValueView,
}

impl TurnOf {
    pub(super) fn of(trace: &TraceDetail, now: Timestamp) -> Self {
        let summary = &trace.summary;
        let (duration, running_ms) = facts::duration_of(summary, now);
        let known = |known: Option<String>| known.unwrap_or_else(|| "–".to_owned());
        let (said, left_out) = said(trace);
        let judged = [
            groups::judged("Feedback", &trace.feedback),
            groups::judged("Signals", &trace.signals),
        ];
        Self {
            id: summary.trace_id.clone(),
            version: version(trace),
            href: facts::trace_href(&summary.trace_id),
            name: facts::name_of(summary),
            status: Status::of(&summary.status),
            started: summary.started_at.map(Moment::of),
            duration,
            running_ms,
            spans: present::count(summary.span_count),
            errors: (summary.error_count > 0).then(|| present::count(summary.error_count)),
            tokens: known(present::tokens(&summary.usage).map(present::count)),
            cost: known(present::trace_cost(summary)),
            failure: summary.error.as_ref().map(|error| {
                let kind = error.kind.clone().unwrap_or_else(|| "error".to_owned());
                (kind, error.message.clone().unwrap_or_default())
            }),
            said,
            left_out,
            judged: judged.into_iter().flatten().collect(),
        }
    }
}

/// The messages, where the program reported some; else what the trace was given and what it returned.
fn said(trace: &TraceDetail) -> (Vec<Said>, Option<String>) {
    if !trace.messages.is_empty() {
        let seen = trace.messages.iter().filter(|message| !message.is_internal);
        let seen: Vec<_> = seen.collect();
        let more = trace.messages.len() - seen.len().min(MESSAGES);
        let left_out = (more > 0).then(|| match more {
            1 => "1 more message".to_owned(),
            more => format!("{more} more messages"),
        });
        let skipped = seen.len().saturating_sub(MESSAGES);
        let turns = seen.into_iter().skip(skipped).map(message).collect();
        let said = Said {
            title: "Messages",
            view: conversation(turns),
        };
        return (vec![said], left_out);
    }
    let mut left_out = None;
    let mut said = Vec::new();
    if let Some(input) = &trace.input {
        let view = match Chat::read(input.as_str()) {
            // What was said before is in the turns before.
            Some(mut chat) if !chat.turns.is_empty() => {
                let last = chat.turns.split_off(chat.turns.len() - 1);
                let before = chat.turns.len();
                left_out = (before > 0).then(|| match before {
                    1 => "1 earlier message".to_owned(),
                    before => format!("{before} earlier messages"),
                });
                conversation(last)
            }
            _ => ValueView::of(Some(input), ""),
        };
        said.push(Said {
            title: "Input",
            view,
        });
    }
    if let Some(output) = &trace.output {
        said.push(Said {
            title: "Output",
            view: ValueView::of(Some(output), ""),
        });
    }
    (said, left_out)
}

/// Turns without images: those are on the page of the trace.
fn conversation(turns: Vec<Turn>) -> ValueView {
    let said = turns.into_iter().map(|turn| turn::Said {
        turn,
        notes: Vec::new(),
        images: None,
        first_image: 0,
    });
    let mut budget = Budget::default();
    ValueView::turns(TurnView::all(
        said.collect(),
        None,
        Form::Chat,
        None,
        &mut budget,
    ))
}

fn message(row: &MessageRow) -> Turn {
    let content = row.content.as_ref();
    Turn {
        role: row.role.clone().unwrap_or_else(|| "message".to_owned()),
        answers: row.tool_call_id.clone(),
        parts: content
            .map(|content| Chat::content(content.as_str()))
            .unwrap_or_default(),
        results: Vec::new(),
    }
}
