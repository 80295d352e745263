//! The way back: what is known of a trace or a span, as events that say it.
//!
//! Whoever folds these events knows the same. Their ids are made of what they say, so that the same, told again, is
//! the same events, and what has changed meanwhile is new ones.

use jiff::Timestamp;
use rollout_core::event::{
    Agent, Context, Event, EventType, Links, RawObject, USAGE_ATTRIBUTE, Usage,
};
use sha2::{Digest, Sha256};

use super::{
    BRANCH, INTERRUPTED, LINK, METADATA, NANOSECONDS, RunState, TRACE_METADATA, TRACE_TAGS,
    attributes::is_taken, state::TAGS,
};

/// How the ids of these events begin.
const TOLD: &str = "evt_told_";

/// The two ids of a trace. One of them is always there.
#[derive(Debug, Clone, Default)]
pub(crate) struct TraceIds {
    pub(crate) trace_id: Option<String>,
    pub(crate) external_trace_id: Option<String>,
}

/// What is known of traces and spans alike. Times are nanoseconds since 1970, durations nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownLife {
    pub(crate) name: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) duration: Option<i64>,
    pub(crate) error_kind: Option<String>,
    pub(crate) error_message: Option<String>,
    /// It has not ended, and never will.
    pub(crate) interrupted: bool,
    /// Its beginning is told by an event of its own.
    pub(crate) begins: bool,
    /// JSON texts: payloads, and an object of all attributes.
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) attributes: Option<String>,
}

/// What is known of a trace.
#[derive(Default)]
pub(crate) struct KnownTrace {
    pub(crate) life: KnownLife,
    /// What the span is called that began with it: an event of the beginning calls the trace so, too.
    pub(crate) began_as: Option<String>,
    /// When the first of its events happened.
    pub(crate) first_at: i64,
    /// When it said something of itself last, or somebody of its attributes.
    pub(crate) last_at: i64,
    pub(crate) agent: Agent,
    pub(crate) context: Context,
    pub(crate) ids: Links,
    pub(crate) tags: Vec<String>,
    /// The caller's trace and span.
    pub(crate) link: [Option<String>; 2],
    /// What it is a rollout of.
    pub(crate) run: RunState<'static>,
}

/// What is known of a span.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownSpan {
    pub(crate) life: KnownLife,
    pub(crate) span_id: String,
    pub(crate) parent: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) tool_call_id: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) usage: Usage,
    /// What its stream has brought so far, a JSON text.
    pub(crate) preview: Option<String>,
    /// It goes on with a trace of another process.
    pub(crate) branch: bool,
    /// When something was heard of it last.
    pub(crate) facts_at: i64,
}

/// Which of the events that tell of one thing is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It begins, and there will be an end.
    Start,
    /// It has ended: everything that the start has not said.
    End,
    /// It has begun and not ended: everything.
    Open,
    /// Neither is known: everything.
    Update,
    /// Of a trace: once more what others have said of it, too, as it is in the end.
    Last,
}

/// Makes the events of one trace.
pub(crate) struct Teller {
    ids: TraceIds,
    sequence: u64,
}

impl Teller {
    pub(crate) fn new(ids: TraceIds) -> Self {
        Self { ids, sequence: 0 }
    }

    /// One event of a trace.
    pub(crate) fn trace(&mut self, trace: &KnownTrace, part: Part) -> Event {
        let life = &trace.life;
        let mut said = Attributes {
            of_trace: true,
            ..Attributes::default()
        };
        let mut event = self.event(match part {
            Part::Start | Part::Open => EventType::TraceStart,
            Part::End => EventType::TraceEnd,
            Part::Update | Part::Last => EventType::SpanUpdate,
        });
        let at = match part {
            Part::Last => trace.last_at,
            _ => trace.first_at,
        };
        said.live(&mut event, life, part, at);
        if part != Part::End {
            event.agent = trace.agent.clone();
            event.context = trace.context.clone();
            event.links = trace.ids.clone();
            for (name, id) in LINK.iter().zip(&trace.link) {
                if let Some(id) = id {
                    said.text(name, id);
                }
            }
            for (name, value) in trace.run.facts() {
                said.value(&name, &value);
            }
            if !trace.tags.is_empty() {
                said.value(TRACE_TAGS, &trace.tags);
            }
        }
        let mut raw = Members::default();
        let says = |parts: [Part; 3]| parts.contains(&part);
        let input = life.input.as_deref();
        raw.maybe(
            "input",
            input.filter(|_| says([Part::Start, Part::Open, Part::Update])),
        );
        let output = life.output.as_deref();
        raw.maybe(
            "output",
            output.filter(|_| says([Part::End, Part::Open, Part::Update])),
        );
        event.raw = raw.object();
        match part {
            Part::Start => {
                if let Some(name) = &trace.began_as {
                    event.name = Some(name.clone());
                }
                // Who it is that records is to be known from the first event on.
                said.members_of(life, |name| matches!(name, "service_name" | "release"));
            }
            Part::End => said.members_of(life, |name| !matches!(name, "service_name" | "release")),
            Part::Open | Part::Update | Part::Last => said.members_of(life, |_| true),
        }
        self.tell(event, said)
    }

    /// One event of a span.
    pub(crate) fn span(&mut self, span: &KnownSpan, part: Part) -> Event {
        let (life, mut said) = (&span.life, Attributes::default());
        let mut event = self.event(match part {
            Part::Start | Part::Open => EventType::SpanStart,
            Part::End => EventType::SpanEnd,
            Part::Update | Part::Last => EventType::SpanUpdate,
        });
        event.span_id = Some(span.span_id.clone());
        event.parent_span_id.clone_from(&span.parent);
        event.span_type.clone_from(&span.kind);
        said.live(&mut event, life, part, span.facts_at);
        let is_whole = part != Part::Start;
        if span.branch {
            said.value(BRANCH, &true);
        }
        if is_whole {
            event.tool.tool_call_id.clone_from(&span.tool_call_id);
            event.model.provider.clone_from(&span.provider);
            event.model.model.clone_from(&span.model);
            event.usage = span.usage.counts();
            for (name, number) in span.usage.attributes() {
                said.value(&format!("{USAGE_ATTRIBUTE}{name}"), &number);
            }
            said.members_of(life, |_| true);
        }
        // The earliest input of a trace's spans stands for that of the trace.
        let has_input = part != Part::End || !life.begins;
        let mut raw = Members::default();
        raw.maybe("input", life.input.as_deref().filter(|_| has_input));
        raw.maybe("output", life.output.as_deref().filter(|_| is_whole));
        raw.maybe(
            "stream_preview",
            span.preview.as_deref().filter(|_| is_whole),
        );
        event.raw = raw.object();
        self.tell(event, said)
    }

    fn event(&self, kind: EventType) -> Event {
        Event {
            trace_id: self.ids.trace_id.clone(),
            external_trace_id: self.ids.external_trace_id.clone(),
            ..Event::new("", kind)
        }
    }

    /// Gives an event its id and its number.
    fn tell(&mut self, mut event: Event, said: Attributes) -> Event {
        event.attributes = said.object();
        let written = serde_json::to_vec(&event).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(written).into();
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        event.event_id = format!("{TOLD}{:032x}", u128::from_be_bytes(head));
        self.sequence += 1;
        event.sequence = Some(self.sequence);
        event
    }
}

/// A time in whole microseconds, as events have it, and the nanoseconds that it leaves out.
fn cut(nanoseconds: i64) -> (Option<Timestamp>, i64) {
    let time = Timestamp::from_microsecond(nanoseconds.div_euclid(1000)).ok();
    (time, nanoseconds.rem_euclid(1000))
}

/// Members of an object of JSON.
#[derive(Default)]
struct Members(String);

impl Members {
    /// Adds a member; its value is a JSON text.
    fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        // A text is always valid JSON.
        self.0
            .push_str(&serde_json::to_string(name).unwrap_or_default());
        self.0.push(':');
        self.0.push_str(value);
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn object(mut self) -> Option<RawObject> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push('}');
        RawObject::parse(self.0).ok()
    }
}

/// The attributes of an event.
#[derive(Default)]
struct Attributes {
    members: Members,
    /// Whether they are those of a trace.
    of_trace: bool,
    /// What is called like something that attributes say of their event.
    apart: Members,
}

impl Attributes {
    fn value<T: serde::Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if let Ok(json) = serde_json::to_string(value) {
            self.members.add(name, &json);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.value(name, text);
    }

    /// Says the name, the times and the outcome. `at` is when an update is said.
    fn live(&mut self, event: &mut Event, life: &KnownLife, part: Part, at: i64) {
        event.name.clone_from(&life.name);
        let at = match part {
            Part::Start | Part::Open => life.started_at.unwrap_or(at),
            Part::End => life.ended_at.unwrap_or(at),
            Part::Update | Part::Last => at,
        };
        let (time, left_out) = cut(at);
        event.occurred_at = time;
        if left_out > 0 {
            self.value(NANOSECONDS, &left_out);
        }
        event.started_at = life.started_at.and_then(|at| cut(at).0);
        if part == Part::Start {
            return;
        }
        event.status.clone_from(&life.status);
        event.error.kind.clone_from(&life.error_kind);
        event.error.message_preview.clone_from(&life.error_message);
        if part == Part::End {
            event.ended_at = event.occurred_at;
            let between = life.started_at.map(|start| at.saturating_sub(start).max(0));
            let mut duration = life.duration.or(between);
            // A time in the microsecond of the event's own would be taken for just that: so the start tells it alone.
            if life.begins && event.started_at == event.ended_at && duration == between {
                (event.started_at, duration) = (None, None);
            }
            event.duration_ms = duration.map(|duration| duration as f64 / 1e6);
        } else if life.interrupted {
            self.value(INTERRUPTED, &true);
        }
    }

    /// Adds those of the known attributes whose names are wanted.
    fn members_of(&mut self, life: &KnownLife, wanted: impl Fn(&str) -> bool) {
        let known = life.attributes.clone();
        let Some(known) = known.and_then(|known| RawObject::parse(known).ok()) else {
            return;
        };
        // Whatever the order in which they were said, they are told in one.
        let mut members = known.members();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in members {
            if !wanted(&name) {
                continue;
            }
            // What attributes of a trace say by the one name are its tags, and those of a span by the others its
            // program.
            let apart = match &*name {
                TAGS => self.of_trace,
                "service_name" | "release" => !self.of_trace,
                name => is_taken(name),
            };
            let of = if apart {
                &mut self.apart
            } else {
                &mut self.members
            };
            of.add(&name, value.get());
        }
    }

    fn object(mut self) -> Option<RawObject> {
        if let Some(apart) = self.apart.object() {
            let name = if self.of_trace {
                TRACE_METADATA
            } else {
                METADATA
            };
            self.members.add(name, apart.as_str());
        }
        self.members.object()
    }
}
