//! The facts of a trace or span that lists, headers and panes repeat.

use askama::filters::urlencode_strict;
use jiff::Timestamp;

use crate::{
    present::{self, Tone},
    query::{GroupBy, RolloutFacts, TraceDetail, TraceSummary},
};

/// A status in class and word.
pub(super) struct Status {
    pub(super) class: &'static str,
    pub(super) word: String,
}

impl Status {
    pub(super) fn of(status: &str) -> Self {
        Self {
            class: present::status_tone(status).class(),
            word: status.to_owned(),
        }
    }
}

/// A span's type in class and word.
pub(super) struct Kind {
    pub(super) class: &'static str,
    pub(super) word: String,
}

impl Kind {
    pub(super) fn of(kind: &str) -> Self {
        Self {
            class: present::kind_class(kind),
            word: kind.to_owned(),
        }
    }
}

/// A moment for machines and for people.
pub(super) struct Moment {
    pub(super) iso: String,
    pub(super) words: String,
    /// In UTC, as a form's field has it.
    pub(super) local: String,
}

impl Moment {
    pub(super) fn of(at: Timestamp) -> Self {
        Self {
            iso: format!("{at:.3}"),
            words: present::moment(at),
            local: at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        }
    }
}

/// One fact: a name, a value, and where a click on it leads.
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) href: Option<String>,
}

/// The head of a trace's page.
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) api: String,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) running: bool,
    pub(super) tags: Vec<String>,
    pub(super) started: Option<Moment>,
    pub(super) duration: String,
    pub(super) running_ms: Option<f64>,
    pub(super) spans: String,
    pub(super) failed: bool,
    pub(super) errors: u64,
    pub(super) more: Vec<Fact>,
}

impl Facts {
    pub(super) fn of(trace: &TraceDetail, now: Timestamp) -> Self {
        let summary = &trace.summary;
        let (duration, running_ms) = duration_of(summary, now);
        let mut more = Vec::new();
        let mut plain = |name: &str, value: Option<String>| {
            more.extend(value.map(|value| Fact {
                name: name.to_owned(),
                value,
                href: None,
            }));
        };
        plain("lost", present::dropped(trace.dropped()));
        plain("tokens", token_words(summary));
        plain("cost", present::trace_cost(summary));
        let shared = [
            (GroupBy::User, &summary.user_id),
            (GroupBy::Session, &summary.session_id),
            (GroupBy::Conversation, &summary.conversation_id),
        ];
        for (by, id) in shared {
            more.extend(id.as_ref().map(|id| Fact {
                name: group_word(by).to_owned(),
                value: id.clone(),
                href: Some(group_href(by, id)),
            }));
        }
        if let Some(rollout) = &summary.rollout {
            more.extend(rollout_facts(rollout));
        }
        more.extend(summary.scores.iter().map(|score| Fact {
            name: format!("{} score", score.grader),
            value: present::score(score.value),
            href: None,
        }));
        let said = ["run_id", "rollout_id"];
        let ids = trace.context.ids.iter();
        let is_rollout = summary.rollout.is_some();
        let ids = ids.filter(|(name, _)| !(is_rollout && said.contains(&name.as_str())));
        for (name, value) in trace.context.agent.iter().chain(ids) {
            if name != "name" || summary.name.as_ref() != Some(value) {
                more.push(Fact {
                    name: if name == "name" { "agent" } else { name }.replace('_', " "),
                    value: value.clone(),
                    href: None,
                });
            }
        }
        let id = summary.trace_id.clone();
        Self {
            href: trace_href(&id),
            api: format!("/api/v1{}", trace_href(&id)),
            name: name_of(summary),
            status: Status::of(&summary.status),
            running: present::status_tone(&summary.status) == Tone::Running,
            tags: summary.tags.clone(),
            started: summary.started_at.map(Moment::of),
            duration,
            running_ms,
            spans: present::count(summary.span_count),
            failed: summary.error_count > 0,
            errors: summary.error_count,
            more,
            id,
        }
    }
}

/// What a rollout is of.
fn rollout_facts(rollout: &RolloutFacts) -> Vec<Fact> {
    let mut found = Vec::new();
    let mut fact = |name: &str, value: Option<String>, href: Option<String>| {
        found.extend(value.map(|value| Fact {
            name: name.to_owned(),
            value,
            href,
        }));
    };
    let run = rollout.run_id.as_deref();
    fact("run", rollout.run_id.clone(), run.map(run_href));
    fact("phase", rollout.phase.clone(), None);
    let step = rollout.step_number.map(|step| step.to_string());
    let steps = run.zip(step.as_ref());
    let href = steps.map(|(run, step)| format!("{}/datapoints?step={step}", run_href(run)));
    fact("step", step, href);
    let datapoint = rollout.datapoint_id.as_deref();
    fact(
        "datapoint",
        rollout.datapoint_id.clone(),
        datapoint.map(|id| filter_href("datapoint", id)),
    );
    fact("environment", rollout.env_name.clone(), None);
    fact("policy", rollout.model_name.clone(), None);
    let sample = rollout.sample_index.map(|index| index.to_string());
    let group = rollout.group_id.as_deref();
    fact("sample", sample, group.map(|id| filter_href("group", id)));
    fact("turns", Some(present::count(rollout.turns)), None);
    found
}

/// The trace's name, or what stands for it.
pub(super) fn name_of(summary: &TraceSummary) -> String {
    summary
        .name
        .clone()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| summary.trace_id.clone())
}

/// A duration in words and, of what runs, in milliseconds up to now.
pub(super) fn duration_of(summary: &TraceSummary, now: Timestamp) -> (String, Option<f64>) {
    let running = present::status_tone(&summary.status) == Tone::Running;
    match (summary.duration_ms, summary.started_at) {
        (Some(ms), _) => (present::duration(ms), None),
        (None, Some(started)) if running => {
            let ms = present::since_ms(started, now);
            (present::duration(ms), Some(ms))
        }
        _ => ("–".to_owned(), None),
    }
}

fn token_words(summary: &TraceSummary) -> Option<String> {
    let usage = &summary.usage;
    let all = present::count(present::tokens(usage)?);
    Some(match (usage.input_tokens, usage.output_tokens) {
        (Some(input), Some(output)) => format!(
            "{all} ({} in, {} out)",
            present::count(input),
            present::count(output)
        ),
        _ => all,
    })
}

/// Text as part of an address.
pub(super) fn encoded(text: &str) -> String {
    match urlencode_strict(text) {
        Ok(encoded) => encoded.to_string(),
        Err(never) => match never {},
    }
}

/// The page of a trace.
pub(super) fn trace_href(trace_id: &str) -> String {
    format!("/traces/{}", encoded(trace_id))
}

/// The page of a span.
pub(super) fn span_href(trace_id: &str, span_id: &str) -> String {
    format!("{}?span={}", trace_href(trace_id), encoded(span_id))
}

/// The page of a run.
pub(super) fn run_href(run_id: &str) -> String {
    format!("/runs/{}", encoded(run_id))
}

/// A condition as the language of filters writes it.
pub(super) fn filter(key: &str, value: &str) -> String {
    let plain = !value.contains(char::is_whitespace) && !value.contains('"');
    if plain {
        format!("{key}:{value}")
    } else {
        format!("{key}:\"{value}\"")
    }
}

/// The list of the traces that have this.
pub(super) fn filter_href(key: &str, value: &str) -> String {
    format!("/?filter={}", encoded(&filter(key, value)))
}

/// What one of them is called.
pub(super) const fn group_word(by: GroupBy) -> &'static str {
    match by {
        GroupBy::User => "user",
        GroupBy::Session => "session",
        GroupBy::Conversation => "conversation",
    }
}

/// The page of a user, a session or a conversation.
pub(super) fn group_href(by: GroupBy, id: &str) -> String {
    format!("/{}s/{}", group_word(by), encoded(id))
}
