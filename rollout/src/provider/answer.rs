//! What came back.

use std::time::Duration;

use bytes::Bytes;
use rollout_core::{SpanEnd, SpanUpdate, Usage};
use serde_json::Value;

use super::estimate::estimate;
use super::events::events;
use super::{Api, Asked, Facts, anthropic, gemini, openai};

/// An answer, or as much of it as there was.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) api: Api,
    /// Of HTTP.
    pub(crate) status: u16,
    /// Its media type is that of server-sent events.
    pub(crate) is_events: bool,
    pub(crate) pieces: Vec<Bytes>,
    /// Up to which byte there was what, how long after the request.
    pub(crate) times: Vec<(usize, Duration)>,
    /// Where the request named no model, the answer's is taken.
    pub(crate) asked: Asked,
    pub(crate) capture_output: bool,
    pub(crate) estimate_usage: bool,
    /// Why the bytes ended early.
    pub(crate) broken: Option<String>,
}

impl Answer {
    /// What the span is told, after what `update` says.
    pub(crate) fn tell(self, mut update: SpanUpdate) -> (SpanUpdate, SpanEnd) {
        let bytes = self.pieces.concat();
        let mut facts = if self.is_events {
            let events = events(&bytes);
            update = self.pace(update, &events);
            let values: Vec<Value> = events
                .iter()
                .filter_map(|(_, data)| serde_json::from_str(data).ok())
                .collect();
            self.folded(&values)
        } else {
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(value) => self.read(&value),
                Err(_) => Facts::default(),
            }
        };
        if let Some(id) = &facts.id {
            update = update.attribute("gen_ai.response.id", id);
        }
        if let Some(model) = &facts.model {
            update = update.attribute("gen_ai.response.model", model);
            if !self.asked.names_model {
                update = update.model(model);
            }
        }
        if !facts.finish_reasons.is_empty() {
            update = update.attribute("gen_ai.response.finish_reasons", &facts.finish_reasons);
        }
        update = update.attribute("http.response.status_code", self.status);
        let failed = self.status >= 400;
        if !failed {
            let source = if facts.usage.is_some() {
                "reported"
            } else if self.estimate_usage {
                facts.usage = Some(self.estimated(facts.output.as_ref()));
                "estimated"
            } else {
                "absent"
            };
            update = update.attribute("rollout.usage_source", source);
        }
        if let Some(usage) = &facts.provider_usage {
            update = update.attribute("rollout.provider_usage", usage);
        }
        let error = facts.error.or_else(|| {
            failed.then(|| {
                (
                    format!("http_{}", self.status),
                    format!("the provider answered {}", self.status),
                )
            })
        });
        let error = error.or(self.broken.map(|message| ("transport".to_owned(), message)));
        let (error_type, error) = error.unzip();
        let end = SpanEnd {
            output: facts.output.filter(|_| self.capture_output),
            usage: facts.usage,
            error,
            error_type,
            ..SpanEnd::default()
        };
        (update, end)
    }

    fn estimated(&self, output: Option<&Value>) -> Usage {
        let input = self.asked.tokens;
        // An embedding is no text.
        let output = (self.api != Api::Embeddings).then(|| estimate(output.into_iter()));
        Usage {
            input_tokens: Some(input),
            output_tokens: output,
            total_tokens: Some(input.saturating_add(output.unwrap_or_default())),
            ..Usage::default()
        }
    }

    fn folded(&self, values: &[Value]) -> Facts {
        match self.api {
            Api::ChatCompletions => openai::completion_chunks(values.iter()),
            Api::Responses => openai::response_events(values.iter()),
            Api::Embeddings => values.first().map(openai::embeddings).unwrap_or_default(),
            Api::Messages => anthropic::message_events(values.iter()),
            Api::GenerateContent => gemini::content(values.iter()),
        }
    }

    fn read(&self, value: &Value) -> Facts {
        match (self.api, value) {
            // Without `alt=sse`, Gemini streams one array.
            (Api::GenerateContent, Value::Array(pieces)) => gemini::content(pieces.iter()),
            (Api::GenerateContent, _) => gemini::content(std::iter::once(value)),
            (Api::ChatCompletions, _) => openai::completion(value),
            (Api::Responses, _) => openai::response(value),
            (Api::Embeddings, _) => openai::embeddings(value),
            (Api::Messages, _) => anthropic::message(value),
        }
    }

    /// How a stream went on: events, the time to the first, and between them on average, in seconds.
    fn pace(&self, update: SpanUpdate, events: &[(usize, String)]) -> SpanUpdate {
        let told: Vec<usize> = events
            .iter()
            .filter(|(_, data)| data != "[DONE]")
            .map(|(end, _)| *end)
            .collect();
        let update = update.attribute("chunk_count", told.len());
        let (Some(first), Some(last)) = (told.first(), told.last()) else {
            return update;
        };
        let (first, last) = (self.came(*first), self.came(*last));
        let update = update.attribute("gen_ai.response.time_to_first_chunk", first.as_secs_f64());
        let steps = told.len() - 1;
        if steps == 0 {
            return update;
        }
        let between = last.saturating_sub(first).as_secs_f64() / steps as f64;
        update.attribute("rollout.time_between_chunks", between)
    }

    /// When the byte before this one came.
    fn came(&self, end: usize) -> Duration {
        let there = self.times.iter().find(|(there, _)| *there >= end);
        there.map_or(Duration::ZERO, |(_, after)| *after)
    }
}
