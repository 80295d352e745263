-- One statement each, split at the semicolons. `{cluster}` becomes ` ON CLUSTER …` or nothing, `{Replicated}` the word
-- or nothing. What stands here has been created somewhere: a change is another step in `migrations.rs`.

-- Every event as it is on the wire. What comes twice is one row, the one that came first. A process that sends over HTTP
-- what its spool is read for as well makes two, which tell whose the event is.
-- `trace` is the trace's id; of what is only known by the caller's id, that one behind the character 1.
CREATE TABLE IF NOT EXISTS rollout_events{cluster} (
    day Date,
    trace String CODEC(ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    writer String CODEC(ZSTD(1)),
    arrived Int64 CODEC(Delta, ZSTD(1)),
    event String CODEC(ZSTD(3)),
    first UInt64 MATERIALIZED toUInt64(9223372036854775807 - arrived) CODEC(Delta, ZSTD(1))
) ENGINE = {Replicated}ReplacingMergeTree(first)
PARTITION BY day PRIMARY KEY trace ORDER BY (trace, event_id, writer)
SETTINGS index_granularity = 512;

-- What lists, filters and sums know of a trace: folded from its events by a server, anew when there are more of them.
-- `version` is how many were known.
CREATE TABLE IF NOT EXISTS rollout_traces{cluster} (
    trace String CODEC(ZSTD(1)),
    version UInt64,
    gone Bool,
    born Int64,
    arrived Int64,
    sort_at Int64,
    runs Bool,
    open Bool,
    writers Array(String),
    trace_id Nullable(String),
    external_trace_id Nullable(String),
    name Nullable(String),
    status String,
    failed Bool,
    ended_at Nullable(Int64),
    took Nullable(Int64),
    step Nullable(UInt16),
    span_count UInt64,
    error_count UInt64,
    error_kind Nullable(String),
    user_id Nullable(String),
    account_id Nullable(String),
    session_id Nullable(String),
    conversation_id Nullable(String),
    agent_name Nullable(String),
    version_of_agent Nullable(String),
    environment Nullable(String),
    tags Array(String),
    meta Map(String, String),
    run_id Nullable(String),
    phase Nullable(String),
    step_number Nullable(Int64),
    datapoint_id Nullable(String),
    env_name Nullable(String),
    group_id Nullable(String),
    turns Nullable(UInt64),
    graders Array(String),
    scores Array(Float64),
    input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    cached_tokens Nullable(UInt64),
    cache_creation_tokens Nullable(UInt64),
    reasoning_tokens Nullable(UInt64),
    total_tokens Nullable(UInt64),
    cost_usd Nullable(Float64),
    types Array(String),
    span_names Array(String),
    tools Array(String),
    models Array(String),
    providers Array(String),
    span_errors Array(String),
    foreign_spans Array(String),
    link_trace_id Nullable(String),
    link_span_id Nullable(String),
    input_preview Nullable(String) CODEC(ZSTD(3)),
    summary String CODEC(ZSTD(3))
) ENGINE = {Replicated}ReplacingMergeTree(version)
ORDER BY trace
SETTINGS index_granularity = 1024;

-- What of a trace is searched for a text, in lower case. It holds for the row of `rollout_traces` of the same version.
CREATE TABLE IF NOT EXISTS rollout_texts{cluster} (
    trace String CODEC(ZSTD(1)),
    version UInt64,
    sort_at Int64,
    text String CODEC(ZSTD(3)),
    INDEX pieces text TYPE ngrambf_v1(4, 65536, 3, 0) GRANULARITY 1
) ENGINE = {Replicated}ReplacingMergeTree(version)
ORDER BY trace
SETTINGS index_granularity = 64;

-- How far the spools of processes are read, and which of them are gone.
CREATE TABLE IF NOT EXISTS rollout_writers{cluster} (
    name String,
    moved Int64,
    spool Bool,
    segment UInt64,
    offset UInt64,
    gone Bool,
    gone_at Int64
) ENGINE = {Replicated}ReplacingMergeTree(moved)
ORDER BY name;

-- What was registered: `kind` is `run`, `step` or `datapoint`. What is said twice is one row, the one that came first.
CREATE TABLE IF NOT EXISTS rollout_registry{cluster} (
    kind String,
    id String,
    step_number Int64,
    phase String,
    belongs_to String,
    at Int64,
    first UInt64 MATERIALIZED toUInt64(9223372036854775807 - at)
) ENGINE = {Replicated}ReplacingMergeTree(first)
ORDER BY (kind, id, step_number, phase, belongs_to);
