//! Rows as they are inserted and read.

use std::collections::BTreeSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::{
    present::{self, Tone},
    query::latency_step,
    store::{StoreError, sqlite::memory::Facts},
};

/// What the keys of traces begin with that are only known by the caller's id.
const NAMELESS: char = '\u{1}';

/// The key of what is only known by the caller's id.
pub(super) fn nameless(external: &str) -> String {
    format!("{NAMELESS}{external}")
}

/// The caller's id that a key is made of, if it is.
pub(super) fn external(key: &str) -> Option<&str> {
    key.strip_prefix(NAMELESS)
}

/// An event.
#[derive(Debug, Clone, Row, Serialize)]
pub(super) struct EventRow {
    /// Days since 1970.
    pub(super) day: u16,
    pub(super) trace: String,
    pub(super) event_id: String,
    pub(super) writer: String,
    pub(super) arrived: i64,
    pub(super) event: String,
}

/// An event as it is read.
#[derive(Debug, Clone, Row, Deserialize)]
pub(super) struct StoredEvent {
    pub(super) trace: String,
    pub(super) event_id: String,
    pub(super) writer: String,
    pub(super) arrived: i64,
    pub(super) event: String,
}

/// How much there is of a trace.
#[derive(Debug, Clone, Row, Deserialize)]
pub(super) struct Extent {
    pub(super) trace: String,
    pub(super) count: u64,
    pub(super) born: i64,
    pub(super) arrived: i64,
}

/// When a process has gone.
#[derive(Debug, Clone, Row, Deserialize)]
pub(super) struct Gone {
    pub(super) name: String,
    pub(super) gone_at: i64,
}

/// A process.
#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(super) struct WriterRow {
    pub(super) name: String,
    pub(super) moved: i64,
    pub(super) spool: bool,
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) gone: bool,
    pub(super) gone_at: i64,
}

/// Something that is registered.
#[derive(Debug, Clone, Row, Serialize)]
pub(super) struct RegistryRow {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) step_number: i64,
    pub(super) phase: String,
    pub(super) belongs_to: String,
    pub(super) at: i64,
}

/// What is searched for a text.
#[derive(Debug, Clone, Row, Serialize)]
pub(super) struct TextRow {
    pub(super) trace: String,
    pub(super) version: u64,
    pub(super) sort_at: i64,
    pub(super) text: String,
}

/// What lists, filters and sums know of a trace.
#[derive(Debug, Clone, Default, Row, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "columns that a filter looks at"
)]
pub(super) struct TraceRow {
    pub(super) trace: String,
    pub(super) version: u64,
    pub(super) gone: bool,
    pub(super) born: i64,
    pub(super) arrived: i64,
    pub(super) sort_at: i64,
    pub(super) runs: bool,
    pub(super) open: bool,
    pub(super) writers: Vec<String>,
    pub(super) trace_id: Option<String>,
    pub(super) external_trace_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) status: String,
    pub(super) failed: bool,
    pub(super) ended_at: Option<i64>,
    pub(super) took: Option<i64>,
    pub(super) step: Option<u16>,
    pub(super) span_count: u64,
    pub(super) error_count: u64,
    pub(super) error_kind: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) conversation_id: Option<String>,
    pub(super) agent_name: Option<String>,
    pub(super) version_of_agent: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) meta: Vec<(String, String)>,
    pub(super) run_id: Option<String>,
    pub(super) phase: Option<String>,
    pub(super) step_number: Option<i64>,
    pub(super) datapoint_id: Option<String>,
    pub(super) env_name: Option<String>,
    pub(super) group_id: Option<String>,
    pub(super) turns: Option<u64>,
    pub(super) graders: Vec<String>,
    pub(super) scores: Vec<f64>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) cached_tokens: Option<u64>,
    pub(super) cache_creation_tokens: Option<u64>,
    pub(super) reasoning_tokens: Option<u64>,
    pub(super) total_tokens: Option<u64>,
    pub(super) cost_usd: Option<f64>,
    pub(super) types: Vec<String>,
    pub(super) span_names: Vec<String>,
    pub(super) tools: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) providers: Vec<String>,
    pub(super) span_errors: Vec<String>,
    pub(super) foreign_spans: Vec<String>,
    pub(super) link_trace_id: Option<String>,
    pub(super) link_span_id: Option<String>,
    pub(super) input_preview: Option<String>,
    pub(super) summary: String,
}

impl TraceRow {
    /// The row of a trace of which so much is known, by these processes.
    pub(super) fn of(
        facts: Facts,
        extent: &Extent,
        version: u64,
        writers: BTreeSet<String>,
    ) -> Result<Self, StoreError> {
        let summary = serde_json::to_string(&facts.summary)
            .map_err(|error| StoreError::Database(error.to_string()))?;
        let shown = facts.summary;
        let rollout = shown.rollout.clone().unwrap_or_default();
        let usage = shown.usage;
        Ok(Self {
            trace: extent.trace.clone(),
            version,
            gone: false,
            born: extent.born,
            arrived: extent.arrived,
            sort_at: facts.sort_at,
            runs: facts.runs,
            open: facts.open,
            writers: writers.into_iter().collect(),
            trace_id: facts.trace_id,
            external_trace_id: shown.external_trace_id,
            name: shown.name,
            failed: present::status_tone(&shown.status) == Tone::Error,
            status: shown.status,
            ended_at: facts.ended_at,
            took: facts.took,
            step: facts.took.map(|took| latency_step(took.max(0) as u64)),
            span_count: shown.span_count,
            error_count: shown.error_count,
            error_kind: shown.error.and_then(|error| error.kind),
            user_id: shown.user_id,
            account_id: facts.account_id,
            session_id: shown.session_id,
            conversation_id: shown.conversation_id,
            agent_name: shown.agent_name,
            version_of_agent: facts.version,
            environment: facts.environment,
            tags: shown.tags,
            meta: facts.meta.into_iter().collect(),
            run_id: rollout.run_id,
            phase: rollout.phase,
            step_number: rollout.step_number,
            datapoint_id: rollout.datapoint_id,
            env_name: rollout.env_name,
            group_id: rollout.group_id,
            turns: shown.rollout.map(|rollout| rollout.turns),
            graders: shown.scores.iter().map(|it| it.grader.clone()).collect(),
            scores: shown.scores.iter().map(|it| it.value).collect(),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_tokens: usage.cached_tokens,
            cache_creation_tokens: usage.cache_creation_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            total_tokens: usage.total_tokens,
            cost_usd: usage.cost_usd,
            types: facts.types,
            span_names: facts.span_names,
            tools: facts.tools,
            models: facts.models,
            providers: facts.providers,
            span_errors: facts.span_errors,
            foreign_spans: facts.foreign_spans,
            link_trace_id: facts.link.0,
            link_span_id: facts.link.1,
            input_preview: shown.input_preview,
            summary,
        })
    }

    /// Says of what was known by the caller's id alone that it is a part of a trace now.
    pub(super) fn gone(trace: &str) -> Self {
        Self {
            trace: trace.to_owned(),
            version: u64::MAX,
            gone: true,
            ..Self::default()
        }
    }
}
