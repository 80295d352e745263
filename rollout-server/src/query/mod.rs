//! What can be asked of a store, and what it answers.

mod chart;
mod complete;
mod filter;
pub(crate) mod found;
mod group;
mod hits;
mod reprice;
mod runs;
pub(crate) mod tree;
mod types;

pub use chart::{Chart, ChartBucket, ChartQuery, MAX_BUCKETS, latency, latency_step, step_ms};
pub use complete::{Completion, CompletionItem, complete};
pub use filter::{
    Comparison, Filter, FilterError, FilterProblem, KEYS, Key, MEASURES, Measure, Moment, Pattern,
    Term, Test, WordInfo,
};
pub use group::{GroupBy, GroupPage, GroupQuery, GroupSummary, MAX_GROUPS, ValueCount, ValueQuery};
pub use hits::{MAX_HITS, SpanHit, SpanHits};
pub(crate) use hits::{Needle, SEARCHED_BYTES, walk};
pub use reprice::{RepricePage, RepriceQuery, RepricedTrace};
pub use runs::{
    DatapointPage, DatapointQuery, DatapointSummary, RolloutFacts, RolloutTally, RunDetail,
    RunPage, RunSummary, ScoreRow, ScoreStats, StepSummary,
};
pub use types::{
    CodeLocation, CostSource, EventRow, Failure, FeedbackRow, Found, MessageRow, PREVIEW_CHARS,
    SpanDetail, SpanPage, SpanRow, TraceContext, TraceDetail, TraceLink, TracePage, TraceSummary,
};

/// How many traces a page holds at most.
pub const MAX_TRACES: u64 = 500;
/// How many spans a page holds at most.
pub const MAX_SPANS: u64 = 10_000;

/// How many runs a page holds at most.
pub const MAX_RUNS: u64 = 200;
/// How many datapoints a page holds at most.
pub const MAX_DATAPOINTS: u64 = 10_000;

/// Which runs are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct RunQuery {
    /// What one of their rollouts must have. What they come to is told of all.
    pub filter: Filter,
    /// How many at most, from 1 to [`MAX_RUNS`].
    pub limit: u64,
    /// The [`RunPage::next_cursor`] of the page before.
    pub cursor: Option<String>,
}

impl Default for RunQuery {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            limit: 50,
            cursor: None,
        }
    }
}

/// Which traces are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceQuery {
    /// What they must have.
    pub filter: Filter,
    /// The oldest first.
    pub ascending: bool,
    /// How many at most, from 1 to [`MAX_TRACES`].
    pub limit: u64,
    /// The [`TracePage::next_cursor`] of the page before.
    pub cursor: Option<String>,
}

impl Default for TraceQuery {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            ascending: false,
            limit: 50,
            cursor: None,
        }
    }
}
