//! The rows of the tables, as they are inserted.
//!
//! What one batch says of a trace or a span is one row; the engine folds it into what earlier ones said, by the same
//! rules as [`TraceRow`] and [`SpanRow`] do here.

use clickhouse::Row;
use serde::Serialize;

use crate::event::Usage;

/// Takes over what is said later, if anything is: `anyLast` over values that may be unset.
pub(super) fn last<T>(field: &mut Option<T>, said: Option<T>) {
    if said.is_some() {
        *field = said;
    }
}

/// When it was said, in nanoseconds since 1970; a name; and a text, or the JSON of what is none.
pub(super) type Said = (i64, String, String);

/// Declares a row whose fields are unset until something is said.
macro_rules! row {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Row, Serialize)]
        pub(super) struct $name { $($(#[$field_meta])* pub(super) $field: $kind,)* }
    };
}

row! {
    /// What is said of a trace.
    TraceRow {
        day: u16,
        trace_id: String,
        external_trace_id: Option<String>,
        name: Option<String>,
        /// Microseconds since 1970: an end repeats its start no better than that.
        started_at: Option<i64>,
        /// The same.
        ended_at: Option<i64>,
        duration_ns: Option<u64>,
        end_status: Option<String>,
        error_type: Option<String>,
        error_message: Option<String>,
        agent_name: Option<String>,
        agent_version: Option<String>,
        service_name: Option<String>,
        release: Option<String>,
        environment: Option<String>,
        deployment: Option<String>,
        user_id: Option<String>,
        account_id: Option<String>,
        session_id: Option<String>,
        conversation_id: Option<String>,
        user_traits: Option<String>,
        account_traits: Option<String>,
        link_trace_id: Option<String>,
        link_span_id: Option<String>,
        run_id: Option<String>,
        phase: Option<String>,
        step_number: Option<u64>,
        datapoint_id: Option<String>,
        turns: Option<u64>,
        input: Option<String>,
        output: Option<String>,
        writer: Option<String>,
        tags: Vec<String>,
        attributes_said: Vec<Said>,
        message_ids: Vec<u64>,
        spans_begun: Vec<u64>,
        spans_ended: Vec<Ended>,
    }
}

/// A span that has ended, as its trace counts it: its number, whether it failed, and its usage.
pub(super) type Ended = (
    u64,
    bool,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<f64>,
);

row! {
    /// What is said of a span.
    SpanRow {
        day: u16,
        trace_id: String,
        span_id: String,
        parent_span_id: Option<String>,
        #[serde(rename = "type")]
        kind: Option<String>,
        name: Option<String>,
        sequence: Option<u64>,
        /// Nanoseconds since 1970.
        started_at: Option<i64>,
        /// The same.
        ended_at: Option<i64>,
        duration_ns: Option<u64>,
        end_status: Option<String>,
        error_type: Option<String>,
        error_message: Option<String>,
        tool_call_id: Option<String>,
        provider: Option<String>,
        model: Option<String>,
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cached_tokens: Option<u64>,
        cache_creation_tokens: Option<u64>,
        reasoning_tokens: Option<u64>,
        total_tokens: Option<u64>,
        cost_usd: Option<f64>,
        input: Option<String>,
        output: Option<String>,
        stream_preview: Option<String>,
        writer: Option<String>,
        attributes_said: Vec<Said>,
    }
}

row! {
    /// A message.
    MessageRow {
        day: u16,
        trace_id: String,
        at: i64,
        event_id: String,
        sequence: Option<u64>,
        span_id: Option<String>,
        role: String,
        content: String,
        content_type: Option<String>,
        tool_call_id: Option<String>,
        is_internal: bool,
        turn_index: Option<u64>,
        intra_index: Option<u64>,
        attributes: Vec<(String, String)>,
    }
}

row! {
    /// Any other event.
    EventRow {
        day: u16,
        trace_id: String,
        at: i64,
        event_id: String,
        external_trace_id: Option<String>,
        span_id: Option<String>,
        #[serde(rename = "type")]
        kind: &'static str,
        name: Option<String>,
        value: Option<String>,
        score: Option<f64>,
        event: String,
    }
}

row! {
    /// Metadata of a trace, or of a span.
    MetadataRow {
        day: u16,
        key: String,
        trace_id: String,
        span_id: String,
        value: String,
        at: i64,
    }
}

row! {
    /// A tag of a trace, or of a span.
    TagRow {
        day: u16,
        tag: String,
        trace_id: String,
        span_id: String,
    }
}

impl SpanRow {
    pub(super) fn take_usage(&mut self, usage: &Usage) {
        last(&mut self.input_tokens, usage.input_tokens);
        last(&mut self.output_tokens, usage.output_tokens);
        last(&mut self.cached_tokens, usage.cached_tokens);
        last(&mut self.cache_creation_tokens, usage.cache_creation_tokens);
        last(&mut self.reasoning_tokens, usage.reasoning_tokens);
        last(&mut self.total_tokens, usage.total_tokens);
        last(&mut self.cost_usd, usage.cost_usd);
    }
}

/// All rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) traces: Vec<TraceRow>,
    pub(super) spans: Vec<SpanRow>,
    pub(super) messages: Vec<MessageRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) metadata: Vec<MetadataRow>,
    pub(super) tags: Vec<TagRow>,
}
