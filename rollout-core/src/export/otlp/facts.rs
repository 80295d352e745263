//! What is known of a span or a trace that is not over.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::{Agent, Context, ErrorInfo, Event, EventType, Links, Model, Usage};
use crate::export::told::{Payloads, Told, parsed_text};

/// A program, as the events of its own tell of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// The process, by its folder in the spool.
    pub(super) writer: Option<Arc<str>>,
    pub(super) service_name: Option<String>,
    pub(super) release: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) deployment: Option<String>,
    pub(super) agent_name: Option<String>,
}

/// Something that happened at one moment of a span.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// In nanoseconds since 1970.
    pub(super) at: u64,
    pub(super) name: String,
    pub(super) attributes: Map<String, Value>,
}

/// Something that was said in a conversation.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) at: u64,
    pub(super) role: String,
    pub(super) content: Value,
    pub(super) tool_call_id: Option<String>,
    pub(super) is_internal: bool,
}

impl Said {
    pub(super) fn of(event: &Event, told: &Told) -> Self {
        let message = &event.message;
        let content = message.content.as_ref();
        Self {
            at: told.at(event),
            role: message.role.clone().unwrap_or_default(),
            content: content
                .map(|json| parsed_text(json.as_str()))
                .unwrap_or_default(),
            tool_call_id: message.tool_call_id.clone(),
            is_internal: message.is_internal,
        }
    }
}

/// What happened while something was open.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) messages: Vec<Said>,
    pub(super) moments: Vec<Moment>,
    /// What they take.
    weight: usize,
}

/// One of them.
pub(super) enum Note {
    Said(Said),
    Moment(Moment),
}

impl Notes {
    pub(super) fn add(&mut self, note: Note) {
        match note {
            Note::Said(said) => {
                self.weight += 128 + weigh(&said.content);
                self.messages.push(said);
            }
            Note::Moment(moment) => {
                self.weight += 128 + weigh_all(&moment.attributes);
                self.moments.push(moment);
            }
        }
    }

    pub(super) fn add_all(&mut self, more: &Self) {
        self.messages.extend(more.messages.iter().cloned());
        self.moments.extend(more.moments.iter().cloned());
        self.weight += more.weight;
    }
}

/// How something ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    pub(super) status: Option<String>,
    pub(super) failed: bool,
    pub(super) error: ErrorInfo,
    /// The whole message, where the section has only its head.
    pub(super) message: Option<String>,
    pub(super) chain: Vec<String>,
}

impl Outcome {
    fn of(event: &Event, told: &mut Told) -> Self {
        let failed = event.outcome.success == Some(false) || !event.error.is_empty();
        let status = event.status.clone().or(event.outcome.status.clone());
        Self {
            status: status.filter(|status| status != "started"),
            failed,
            error: event.error.clone(),
            message: told.error_message.take(),
            chain: std::mem::take(&mut told.error_chain),
        }
    }

    /// Of what nobody has ended, and nobody will.
    pub(super) fn interrupted() -> Self {
        Self {
            status: Some("interrupted".to_owned()),
            failed: true,
            error: ErrorInfo {
                kind: Some("interrupted".to_owned()),
                message_preview: Some("the process ended before the span did".to_owned()),
                ..ErrorInfo::default()
            },
            ..Self::default()
        }
    }
}

/// A span.
#[derive(Debug, Clone, Default)]
pub(super) struct SpanFacts {
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    pub(super) is_branch: bool,
    /// It began in an event that is known.
    pub(super) has_start: bool,
    /// It is none, but carries what was said when that which it was said of had gone out.
    pub(super) is_late: bool,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) started: Option<u64>,
    pub(super) ended: Option<u64>,
    pub(super) model: Model,
    pub(super) tool_call_id: Option<String>,
    pub(super) agent: Agent,
    pub(super) usage: Usage,
    /// JSON texts.
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) preview: Option<String>,
    pub(super) attributes: Map<String, Value>,
    pub(super) metadata: Map<String, Value>,
    pub(super) tags: Vec<String>,
    pub(super) context: Context,
    pub(super) outcome: Outcome,
    pub(super) notes: Notes,
    /// When something was heard of it last.
    pub(super) last: u64,
}

impl SpanFacts {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            kind: "span".to_owned(),
            ..Self::default()
        }
    }

    /// Takes over what an event says; a later one wins.
    pub(super) fn take(&mut self, event: &Event, told: &mut Told) {
        self.last = self.last.max(told.at(event));
        let parent = event.parent_span_id.as_deref().and_then(span_id);
        let parent = parent.filter(|parent| *parent != self.id);
        self.parent = parent.or(self.parent);
        self.is_branch |= told.is_branch;
        if let Some(kind) = &event.span_type {
            self.kind.clone_from(kind);
        } else if matches!(
            event.event_type,
            EventType::ToolCall | EventType::ToolResult
        ) {
            "tool".clone_into(&mut self.kind);
        }
        if let Some(name) = event.name.as_ref().or(event.tool.name.as_ref()) {
            self.name.clone_from(name);
        }
        begin(&mut self.started, event, told);
        merge_model(&mut self.model, &event.model);
        set(&mut self.tool_call_id, event.tool.tool_call_id.as_ref());
        if !event.agent.is_empty() {
            self.agent.clone_from(&event.agent);
        }
        let mut usage = Usage::from(event.usage.clone());
        for (name, number) in told.usage.drain(..) {
            usage.set_attribute(&name, number);
        }
        self.usage.merge(usage);
        let payloads = Payloads::of(event);
        self.input = payloads.input.or(self.input.take());
        self.output = payloads.output.or(self.output.take());
        self.preview = payloads.preview.or(self.preview.take());
        self.attributes.append(&mut told.rest);
        self.metadata.append(&mut told.metadata);
        unite(&mut self.tags, std::mem::take(&mut told.tags));
        merge_context(&mut self.context, &event.context);
        if matches!(event.event_type, EventType::SpanEnd | EventType::ToolResult) {
            let ended = event.ended_at.map(|ended| told.exact(event, ended));
            self.ended = Some(ended.unwrap_or(told.at(event)));
            self.outcome = Outcome::of(event, told);
        }
    }

    /// Bytes that it takes, or a little more.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.input, &self.output, &self.preview];
        let texts = texts.iter().filter_map(|text| text.as_deref());
        1024 + texts.map(str::len).sum::<usize>()
            + weigh_all(&self.attributes)
            + weigh_all(&self.metadata)
            + self.notes.weight
    }
}

/// Which span stands for a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Root {
    /// Not known, or not yet.
    #[default]
    Unknown,
    /// The one that began and ends with it.
    Span(u64),
    /// None: it becomes one itself.
    Itself,
}

/// A trace.
#[derive(Debug, Clone, Default)]
pub(super) struct TraceFacts {
    pub(super) root: Root,
    /// Its topmost span here, where it began in another process.
    pub(super) branch: Option<u64>,
    /// The number, time and name of the event that began it, where there was one.
    pub(super) began: Option<(Option<u64>, u64)>,
    pub(super) name: Option<String>,
    pub(super) started: Option<u64>,
    pub(super) ended: Option<u64>,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) context: Context,
    pub(super) external_id: Option<String>,
    pub(super) links: Links,
    pub(super) link: Option<(u128, u64)>,
    pub(super) tags: Vec<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) attributes: Map<String, Value>,
    pub(super) agent: Agent,
    pub(super) outcome: Outcome,
    pub(super) repository: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) program: Arc<Program>,
    pub(super) notes: Notes,
    /// Spans of it that are not over.
    pub(super) open: usize,
    pub(super) last: u64,
}

impl TraceFacts {
    /// Takes over what an event says of its trace, whatever it is about.
    pub(super) fn hear(&mut self, event: &Event, told: &mut Told) {
        self.last = self.last.max(told.at(event));
        unite(&mut self.tags, std::mem::take(&mut told.trace_tags));
        self.metadata.append(&mut told.trace_metadata);
        set(&mut self.external_id, event.external_trace_id.as_ref());
        set(&mut self.repository, told.repository.as_ref());
        set(&mut self.commit, told.commit.as_ref());
        if !event.links.is_empty() {
            self.links.clone_from(&event.links);
        }
        if is_about_trace(event) || event.event_type == EventType::IdentityUpdate {
            merge_context(&mut self.context, &event.context);
        } else {
            let mut context = event.context.clone();
            merge_context(&mut context, &self.context);
            self.context = context;
        }
    }

    /// Takes over what an event about it says.
    pub(super) fn take(&mut self, event: &Event, told: &mut Told) {
        if event.event_type != EventType::SpanUpdate {
            begin(&mut self.started, event, told);
        }
        set(&mut self.name, event.name.as_ref());
        if !event.agent.is_empty() {
            self.agent.clone_from(&event.agent);
        }
        let payloads = Payloads::of(event);
        self.input = payloads.input.or(self.input.take());
        self.output = payloads.output.or(self.output.take());
        unite(&mut self.tags, std::mem::take(&mut told.tags));
        self.metadata.append(&mut told.metadata);
        let link = &told.link;
        if let Some(trace) = link.0.as_deref().and_then(trace_id) {
            self.link = Some((trace, link.1.as_deref().and_then(span_id).unwrap_or(0)));
        }
        self.attributes.append(&mut told.rest);
        if event.event_type == EventType::TraceEnd {
            let ended = event.ended_at.map(|ended| told.exact(event, ended));
            self.ended = Some(ended.unwrap_or(told.at(event)));
            self.outcome = Outcome::of(event, told);
        }
    }

    /// The trace as a span, where no other stands for it.
    pub(super) fn as_span(&self, trace: u128) -> SpanFacts {
        SpanFacts {
            id: root_id(trace),
            has_start: self.began.is_some(),
            name: self.name.clone().unwrap_or_else(|| "trace".to_owned()),
            started: self.started,
            ended: self.ended,
            input: self.input.clone(),
            output: self.output.clone(),
            attributes: self.attributes.clone(),
            context: self.context.clone(),
            outcome: self.outcome.clone(),
            notes: self.notes.clone(),
            last: self.last,
            ..SpanFacts::new(0)
        }
    }

    /// Bytes that it takes, or a little more.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.input, &self.output].into_iter().flatten();
        1024 + texts.map(String::len).sum::<usize>()
            + weigh_all(&self.attributes)
            + weigh_all(&self.metadata)
            + self.notes.weight
    }
}

/// Takes over when something began, unless that is known better: only the event that begins it has all digits.
fn begin(started: &mut Option<u64>, event: &Event, told: &Told) {
    let Some(said) = event.started_at else { return };
    let said = told.exact(event, said);
    if started.is_none_or(|known| !(said..said + 1000).contains(&known)) {
        *started = Some(said);
    }
}

/// Whether an event is about its trace and no span.
pub(super) fn is_about_trace(event: &Event) -> bool {
    match event.event_type {
        EventType::TraceStart | EventType::TraceEnd => true,
        EventType::SpanUpdate => event.span_id.is_none(),
        _ => false,
    }
}

/// The id of the span that a trace becomes which has no span of its own. Other processes know it by this one, too.
pub(super) fn root_id(trace: u128) -> u64 {
    match trace as u64 {
        0 => 1,
        lower => lower,
    }
}

/// An id of a trace as OpenTelemetry has it: 32 hex digits, not all zero.
pub(super) fn trace_id(text: &str) -> Option<u128> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    (id != 0).then_some(id)
}

/// The same of a span: 16.
pub(super) fn span_id(text: &str) -> Option<u64> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u64::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    (id != 0).then_some(id)
}

/// Takes over every field that is set.
pub(super) fn merge_context(context: &mut Context, later: &Context) {
    set(&mut context.user_id, later.user_id.as_ref());
    set(&mut context.user_traits, later.user_traits.as_ref());
    set(&mut context.account_id, later.account_id.as_ref());
    set(&mut context.account_traits, later.account_traits.as_ref());
    set(&mut context.session_id, later.session_id.as_ref());
    set(&mut context.conversation_id, later.conversation_id.as_ref());
}

fn merge_model(model: &mut Model, later: &Model) {
    set(&mut model.provider, later.provider.as_ref());
    set(&mut model.model, later.model.as_ref());
    set(&mut model.model_version, later.model_version.as_ref());
    set(&mut model.reasoning_mode, later.reasoning_mode.as_ref());
    set(&mut model.temperature, later.temperature.as_ref());
}

fn set<T: Clone>(field: &mut Option<T>, later: Option<&T>) {
    if let Some(later) = later {
        *field = Some(later.clone());
    }
}

pub(super) fn unite(tags: &mut Vec<String>, more: Vec<String>) {
    for tag in more {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}

fn weigh_all(members: &Map<String, Value>) -> usize {
    let members = members.iter();
    members
        .map(|(name, value)| 64 + name.len() + weigh(value))
        .sum()
}

fn weigh(value: &Value) -> usize {
    match value {
        Value::String(text) => 32 + text.len(),
        Value::Array(items) => 32 + items.iter().map(weigh).sum::<usize>(),
        Value::Object(members) => 32 + weigh_all(members),
        _ => 32,
    }
}
