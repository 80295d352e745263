//! What is told of a span: the events that it is for us.

use jiff::Timestamp;
use opentelemetry_proto::tonic::trace::v1::Span;
use rollout_core::event::{
    Agent, Event, EventType, Message, Outcome, RawJson, RawObject, USAGE_ATTRIBUTE, limit,
};
use serde_json::{Map, Value, json};

use super::{
    cut::cut,
    kind,
    payload::payload,
    resource::Source,
    span::Read,
    span_events::{Exception, time},
    value::{float, parsed},
};
use crate::{fold::ERROR_MESSAGE, ingest::validate::Fault};

/// The events that a span is for us.
pub(super) fn events(source: &Source, span: Span) -> Result<Vec<Event>, Fault> {
    let span = Read::of(source, span)?;
    if span.ours.is_late {
        return Ok(span.scores().chain(span.messages()).collect());
    }
    let mut events = vec![span.event()];
    events.extend(
        span.exceptions
            .iter()
            .enumerate()
            .map(|(n, e)| span.exception(n, e)),
    );
    events.extend(span.scores());
    events.extend(span.messages());
    if span.trace.name.is_none() && span.enters {
        events.push(span.name_of_trace());
    }
    if span.ids.parent.is_none() {
        events.push(span.trace_event());
    } else if span.trace.speaks_for_the_trace() {
        events.push(span.said_of_trace());
    }
    Ok(events)
}

impl Read<'_> {
    /// Everything that is known of the span.
    fn event(&self) -> Event {
        let mut event = match self.ended_at {
            Some(_) => self.ids.event(EventType::SpanEnd, "end"),
            // Somebody sends spans that run.
            None => self.ids.event(EventType::SpanStart, "start"),
        };
        event.parent_span_id.clone_from(&self.ids.parent);
        event.span_type = Some(self.kind.clone());
        self.live(&mut event);
        event.model = self.model.clone();
        event.tool = self.tool.clone();
        event.agent = self.agent();
        event.usage = self.used.usage.counts();
        event.context = self.trace.context.clone();
        event.integration = self.source.integration.clone();
        event.raw = raw(&[
            ("input", &self.content.input),
            ("output", &self.content.output),
        ]);
        let mut members = self.members.clone();
        if self.kind == kind::LLM || !self.used.usage.is_empty() {
            let source = if self.used.usage.is_empty() {
                "absent"
            } else {
                "reported"
            };
            members.insert("rollout.usage_source".to_owned(), source.into());
        }
        if !self.used.said.is_empty() {
            let said = self.used.said.clone();
            members.insert("rollout.provider_usage".to_owned(), said.into());
        }
        let mut attributes = self.said_beside();
        if self.enters && self.ids.parent.is_some() {
            // As our own clients say it of what goes on with a trace of another process.
            attributes.insert("rollout.parent.remote".to_owned(), true.into());
        }
        for (name, number) in self.used.usage.attributes() {
            attributes.insert(format!("{USAGE_ATTRIBUTE}{name}"), number.into());
        }
        if let Some(failure) = &self.failure {
            if let Some(message) = &failure.message {
                attributes.insert(ERROR_MESSAGE.to_owned(), message.clone().into());
            }
            if let Some(stacktrace) = &failure.stacktrace {
                members.insert("exception.stacktrace".to_owned(), stacktrace.clone());
            }
        }
        attributes.insert("rollout.metadata".to_owned(), members.into());
        event.attributes = RawObject::of(&attributes).ok();
        event
    }

    /// The trace, which begins and ends with its root.
    fn trace_event(&self) -> Event {
        let mut event = match self.ended_at {
            Some(_) => self.ids.event(EventType::TraceEnd, "trace_end"),
            None => self.ids.event(EventType::TraceStart, "trace_start"),
        };
        event.span_id = None;
        self.live(&mut event);
        event.name.clone_from(&self.trace.name);
        event.agent = self.agent();
        event.context = self.trace.context.clone();
        self.whole_input(&mut event);
        let mut attributes = self.said_beside();
        attributes.remove("rollout.trace.metadata");
        let mut members = self.source.resource.rest.clone();
        members.extend(self.trace.metadata.clone());
        let resource = &self.source.resource;
        for (name, text) in [
            ("service_name", &resource.service_name),
            (
                "release",
                if self.trace.release.is_some() {
                    &self.trace.release
                } else {
                    &resource.release
                },
            ),
        ] {
            if let Some(text) = text {
                attributes.insert(name.to_owned(), text.clone().into());
            }
        }
        if let Some((trace, span)) = &self.caller {
            attributes.insert("rollout.link.trace_id".to_owned(), trace.clone().into());
            attributes.insert("rollout.link.span_id".to_owned(), span.clone().into());
        }
        if let Some(message) = self
            .failure
            .as_ref()
            .and_then(|failure| failure.message.as_ref())
        {
            attributes.insert(ERROR_MESSAGE.to_owned(), message.clone().into());
        }
        attributes.insert("rollout.metadata".to_owned(), members.into());
        event.attributes = RawObject::of(&attributes).ok();
        event
    }

    /// What a trace is called that nobody gives a name: as its root, or, without one, as the span through which it
    /// came to a program. It is said in 1970, so that whatever else is said of the trace is later.
    fn name_of_trace(&self) -> Event {
        let mut event = self.ids.event(EventType::SpanUpdate, "name");
        event.span_id = None;
        event.occurred_at = Some(Timestamp::UNIX_EPOCH);
        event.started_at = self.started_at;
        event.name.clone_from(&self.name);
        event
    }

    /// What a span below the root says of its trace.
    fn said_of_trace(&self) -> Event {
        let mut event = self.ids.event(EventType::SpanUpdate, "trace");
        event.span_id = None;
        event.occurred_at = self.ended_at.or(self.started_at);
        event.name.clone_from(&self.trace.name);
        event.context = self.trace.context.clone();
        event.raw = raw(&[("input", &self.trace.input), ("output", &self.trace.output)]);
        event
    }

    fn whole_input(&self, event: &mut Event) {
        let input = self.trace.input.as_ref().or(self.content.input.as_ref());
        let output = self.trace.output.as_ref().or(self.content.output.as_ref());
        event.raw = raw(&[("input", &input.cloned()), ("output", &output.cloned())]);
    }

    /// Times, name and outcome.
    fn live(&self, event: &mut Event) {
        event.name.clone_from(&self.name);
        event.started_at = self.started_at;
        event.ended_at = self.ended_at;
        event.occurred_at = self.ended_at.or(self.started_at);
        if self.ended_at.is_none() {
            return;
        }
        event.duration_ms = self.duration_ms;
        let said = self.ours.status.as_deref();
        let status = match &self.failure {
            _ if said.is_some() => said.unwrap_or_default(),
            Some(_) => "error",
            None => "ok",
        };
        event.status = Some(cut(status, limit::WORD));
        event.outcome = Outcome {
            success: Some(self.failure.is_none() && status != "cancelled"),
            status: Some(cut(status, limit::WORD)),
            ..Outcome::default()
        };
        if let Some(failure) = &self.failure {
            event.error = failure.error.clone();
        }
    }

    /// The agent, and where it runs: on what stands for the trace, and on agents.
    fn agent(&self) -> Agent {
        if self.ids.parent.is_some() && self.kind != kind::AGENT {
            return Agent::default();
        }
        let environment = self.trace.environment.as_ref();
        let environment = environment.or(self.source.resource.environment.as_ref());
        Agent {
            environment: environment.map(|name| cut(name, limit::LABEL)),
            ..self.agent.clone()
        }
    }

    /// Attributes that speak of the trace, whatever event they ride on.
    fn said_beside(&self) -> Map<String, Value> {
        let mut said = Map::new();
        if !self.trace.tags.is_empty() {
            said.insert("rollout.trace.tags".to_owned(), json!(self.trace.tags));
        }
        if !self.trace.metadata.is_empty() {
            let metadata = self.trace.metadata.clone();
            said.insert("rollout.trace.metadata".to_owned(), metadata.into());
        }
        said
    }

    /// An exception that was recorded and did not end the span.
    fn exception(&self, number: usize, exception: &Exception) -> Event {
        let mut event = self.ids.event(EventType::Error, &format!("error_{number}"));
        event.occurred_at = time(exception.at).or(self.started_at);
        event.name = exception.kind.as_ref().map(|kind| cut(kind, limit::NAME));
        event.error.kind = exception.kind.as_ref().map(|kind| cut(kind, limit::TITLE));
        event.error.message_preview = exception
            .message
            .as_ref()
            .map(|message| cut(message, limit::ERROR_MESSAGE));
        if let Some(stacktrace) = &exception.stacktrace {
            event.attributes = RawObject::of(&json!({ "exception.stacktrace": stacktrace })).ok();
        }
        event
    }

    fn messages(&self) -> impl Iterator<Item = Event> {
        self.messages.iter().enumerate().map(|(number, said)| {
            let text = |name: &str| said.attributes.text(name);
            let mime = text("mime_type").unwrap_or_else(|| "text/plain".to_owned());
            let mut event = self
                .ids
                .event(EventType::Message, &format!("message_{number}"));
            if self.ours.is_late {
                event.span_id.clone_from(&self.ids.parent);
            }
            event.occurred_at = time(said.at).or(self.started_at);
            event.message = Message {
                role: text("role").map(|role| cut(&role, limit::WORD)),
                content: said
                    .attributes
                    .get("content")
                    .and_then(|content| payload(content, Some(&mime))),
                tool_call_id: text("tool_call_id").map(|id| cut(&id, limit::ID)),
                is_internal: said.attributes.has("is_internal"),
                ..Message::default()
            };
            event
        })
    }

    fn scores(&self) -> impl Iterator<Item = Event> {
        self.evaluations
            .iter()
            .enumerate()
            .map(|(number, evaluation)| {
                let said = &evaluation.attributes;
                // A judgement that our own exporter has put into others' words.
                let is_of = match said.text("rollout.event_type").as_deref() {
                    Some("feedback") => EventType::Feedback,
                    Some("user.signal") => EventType::UserSignal,
                    _ => EventType::EvalResult,
                };
                let mut event = self.ids.event(is_of, &format!("eval_{number}"));
                if self.ours.is_late {
                    event.span_id.clone_from(&self.ids.parent);
                }
                event.occurred_at = time(evaluation.at).or(self.started_at);
                let name = said.text("gen_ai.evaluation.name");
                event.name = name.map(|name| cut(&name, limit::NAME));
                if is_of == EventType::EvalResult {
                    let score = said.get("gen_ai.evaluation.score.value");
                    event.outcome.eval_score = score.and_then(float);
                    let label = said.text("gen_ai.evaluation.score.label");
                    event.status = label.map(|label| cut(&label, limit::WORD));
                }
                let mut rest = said.rest_without(&[
                    "rollout.event_type",
                    "gen_ai.evaluation.name",
                    "gen_ai.evaluation.score.value",
                    "gen_ai.evaluation.score.label",
                ]);
                if is_of != EventType::EvalResult
                    && let Some(value) = rest.get_mut("value")
                {
                    *value = parsed(value.take());
                }
                event.attributes = RawObject::of(&rest).ok();
                event
            })
    }
}

fn raw(payloads: &[(&str, &Option<RawJson>)]) -> Option<RawObject> {
    let members = payloads.iter().filter_map(|(name, payload)| {
        let payload = payload.as_ref()?;
        Some(format!("\"{name}\":{}", payload.as_str()))
    });
    let members: Vec<String> = members.collect();
    if members.is_empty() {
        return None;
    }
    RawObject::parse(format!("{{{}}}", members.join(","))).ok()
}
