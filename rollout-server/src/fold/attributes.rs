//! An event's attributes, told apart: what rides in them for the protocol, and what the program
//! said.

use std::{borrow::Cow, collections::BTreeMap};

use rollout_core::event::{Event, RawObject, USAGE_ATTRIBUTE, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::run::{RUN, RunPatch, TURN_INDEX};
use super::state::TAGS;

/// A free member: its name, and its value as JSON text.
pub(crate) type Member<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Where a message rides that is too long for the error section.
pub(crate) const ERROR_MESSAGE: &str = "rollout.error.message";
/// Where an error's causes ride, an array of texts.
pub(crate) const ERROR_CHAIN: &str = "rollout.error.chain";
/// Where the sizes of cut payloads ride, an object.
pub(crate) const TRUNCATED: &str = "rollout.truncated";
/// Where it rides how many events of the trace were lost, an object with a count for each reason. The trace has an
/// attribute for each.
pub(crate) const DROPPED: &str = "rollout.dropped";
/// Where the source location rides.
pub(crate) const CODE: [&str; 3] = ["code.file.path", "code.line.number", "code.function.name"];

/// Says of what has begun that it will never end: who recorded it is gone. So a store tells it whose traces go to
/// another one.
pub(crate) const INTERRUPTED: &str = "rollout.interrupted";
/// Where it rides that a span goes on with a trace of another process.
pub(crate) const BRANCH: &str = "rollout.parent.remote";
/// Where the caller's trace and span ride.
pub(crate) const LINK: [&str; 2] = ["rollout.link.trace_id", "rollout.link.span_id"];
/// Where a trace's tags ride.
pub(crate) const TRACE_TAGS: &str = "rollout.trace.tags";
/// Where members of a trace ride on an event of one of its parts.
pub(crate) const TRACE_METADATA: &str = "rollout.trace.metadata";
/// Where members ride that are what they are, whatever they are called.
pub(crate) const METADATA: &str = "rollout.metadata";
/// What an event's time leaves out.
pub(crate) const NANOSECONDS: &str = "rollout.ns";

/// What rides on every event: its program, and its exact time.
pub(crate) const REPEATED: [&str; 3] = ["service_name", "release", NANOSECONDS];

/// The attributes of one event.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    /// What the six digits of `occurred_at` leave out.
    pub(super) nanoseconds: i64,
    /// The caller's trace and span.
    pub(super) link: (Option<Cow<'a, str>>, Option<Cow<'a, str>>),
    /// The span is the topmost of a process that goes on with a trace of another one.
    pub(super) branch: bool,
    /// What has begun will never end.
    pub(super) interrupted: bool,
    /// The usage section with what rides beside it.
    pub(super) usage: Usage,
    /// The tags that are set.
    pub(super) tags: Vec<String>,
    /// What the trace is a rollout of, or the turn of a message.
    pub(super) run: Option<RunPatch<'a>>,
    /// What is said about the trace, whatever the event is about.
    pub(super) trace_members: Vec<Member<'a>>,
    /// What the program said, and what only a span's page shows.
    pub(super) members: Vec<Member<'a>>,
    /// The part of it that is the same on every event of a program.
    pub(super) resource: Vec<Member<'a>>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        let mut attributes = Self::default();
        if !event.usage.is_empty() {
            attributes.usage = event.usage.clone().into();
        }
        for (name, value) in event
            .attributes
            .as_ref()
            .map(RawObject::members)
            .unwrap_or_default()
        {
            attributes.take(event, name, value.get());
        }
        attributes.take_sections(event);
        attributes
    }

    fn take(&mut self, event: &Event, name: Cow<'a, str>, value: &'a str) {
        if RunPatch::take(&mut self.run, &name, value) {
            return;
        }
        match &*name {
            NANOSECONDS => self.nanoseconds = read(value).unwrap_or(0).clamp(0, 999),
            _ if name == LINK[0] => self.link.0 = read(value),
            _ if name == LINK[1] => self.link.1 = read(value),
            BRANCH => self.branch = read(value).unwrap_or(false),
            INTERRUPTED => self.interrupted = read(value).unwrap_or(false),
            TRACE_TAGS => self
                .tags
                .extend(read::<Vec<String>>(value).into_iter().flatten()),
            TRACE_METADATA => self.trace_members.extend(members(value)),
            DROPPED => self.trace_members.extend(
                members(value).map(|(reason, count)| (format!("{DROPPED}.{reason}").into(), count)),
            ),
            METADATA => self.members.extend(members(value)),
            "rollout.tags" | "tags" => {
                self.tags
                    .extend(read::<Vec<String>>(value).into_iter().flatten());
                self.members.push((TAGS.into(), value.into()));
            }
            // The type, said twice.
            "span_type" if event.span_type.is_some() => {}
            "service_name" | "release" => self.resource.push((name, value.into())),
            _ => match name.strip_prefix(USAGE_ATTRIBUTE).zip(read(value)) {
                Some((counted, number)) => self.usage.set_attribute(counted, number),
                None => self.members.push((name, value.into())),
            },
        }
    }

    /// Keeps what the event's sections say and no column holds.
    fn take_sections(&mut self, event: &'a Event) {
        let outcome = &event.outcome;
        self.text("model.version", event.model.model_version.as_deref());
        self.text(
            "model.reasoning_mode",
            event.model.reasoning_mode.as_deref(),
        );
        self.number("model.temperature", event.model.temperature.as_ref());
        self.number("tool.retry_count", event.tool.retry_count.as_ref());
        self.text(
            "tool.args_shape_hash",
            event.tool.args_shape_hash.as_deref(),
        );
        self.number("outcome.eval_score", outcome.eval_score.as_ref());
        self.number("outcome.user_accepted", outcome.user_accepted.as_ref());
        self.number("outcome.human_escalated", outcome.human_escalated.as_ref());
        self.text(
            "outcome.business_outcome",
            outcome.business_outcome.as_deref(),
        );
        self.text("outcome.failure_reason", outcome.failure_reason.as_deref());
        self.text("error.signature", event.error.signature.as_deref());
        self.text("integration.name", event.integration.name.as_deref());
        self.text("integration.version", event.integration.version.as_deref());
        self.text(
            "integration.framework",
            event.integration.framework.as_deref(),
        );
        self.text("integration.runtime", event.integration.runtime.as_deref());
        if event.span_id.is_some() {
            self.text("links.run_id", event.links.run_id.as_deref());
        }
    }

    fn text(&mut self, name: &'static str, text: Option<&str>) {
        self.number(name, text.as_ref());
    }

    fn number<T: serde::Serialize>(&mut self, name: &'static str, value: Option<&T>) {
        if let Some(json) = value.and_then(|value| serde_json::to_string(value).ok()) {
            self.members.push((name.into(), json.into()));
        }
    }
}

/// Whether an attribute of that name says something of its event, so that a member that is called so has to ride in
/// [`METADATA`].
pub(crate) fn is_taken(name: &str) -> bool {
    let taken = [
        NANOSECONDS,
        BRANCH,
        INTERRUPTED,
        TRACE_TAGS,
        TRACE_METADATA,
        DROPPED,
        METADATA,
        "rollout.tags",
        "span_type",
        TURN_INDEX,
    ];
    let below = [USAGE_ATTRIBUTE, RUN];
    taken.contains(&name)
        || LINK.contains(&name)
        || below.iter().any(|prefix| name.starts_with(prefix))
}

fn members(object: &str) -> impl Iterator<Item = Member<'_>> {
    let object: BTreeMap<Cow<'_, str>, &RawValue> = read(object).unwrap_or_default();
    object
        .into_iter()
        .map(|(name, value)| (name, value.get().into()))
}

/// Reads a JSON text as a type; `None` where it is of another.
pub(crate) fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok()
}
