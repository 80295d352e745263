-- One statement each, split at the semicolons. `{cluster}` becomes ` ON CLUSTER …` or nothing, `{Replicated}` the word
-- or nothing. What stands here has been created somewhere: a change is another step in `migrate.rs`.

-- A trace. A row says what some events of it said; rows of one trace fold into one.
-- `attributes_said`: when (nanoseconds), name, value. `spans_ended`: number, whether it failed, and its tokens: input,
-- output, cached, cache creation, reasoning, total; and its cost. Columns that are sums are computed when they are read:
-- a set does not mind what comes twice.
CREATE TABLE IF NOT EXISTS traces{cluster} (
    day Date,
    trace_id String CODEC(ZSTD(1)),
    external_trace_id SimpleAggregateFunction(anyLast, Nullable(String)),
    name SimpleAggregateFunction(anyLast, Nullable(String)),
    started_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))),
    ended_at SimpleAggregateFunction(max, Nullable(DateTime64(6, 'UTC'))),
    duration_ns SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    end_status SimpleAggregateFunction(anyLast, Nullable(String)),
    error_type SimpleAggregateFunction(anyLast, Nullable(String)),
    error_message SimpleAggregateFunction(anyLast, Nullable(String)),
    agent_name SimpleAggregateFunction(anyLast, Nullable(String)),
    agent_version SimpleAggregateFunction(anyLast, Nullable(String)),
    service_name SimpleAggregateFunction(anyLast, Nullable(String)),
    release SimpleAggregateFunction(anyLast, Nullable(String)),
    environment SimpleAggregateFunction(anyLast, Nullable(String)),
    deployment SimpleAggregateFunction(anyLast, Nullable(String)),
    user_id SimpleAggregateFunction(anyLast, Nullable(String)),
    account_id SimpleAggregateFunction(anyLast, Nullable(String)),
    session_id SimpleAggregateFunction(anyLast, Nullable(String)),
    conversation_id SimpleAggregateFunction(anyLast, Nullable(String)),
    user_traits SimpleAggregateFunction(anyLast, Nullable(String)),
    account_traits SimpleAggregateFunction(anyLast, Nullable(String)),
    link_trace_id SimpleAggregateFunction(anyLast, Nullable(String)),
    link_span_id SimpleAggregateFunction(anyLast, Nullable(String)),
    run_id SimpleAggregateFunction(anyLast, Nullable(String)),
    phase SimpleAggregateFunction(anyLast, Nullable(String)),
    step_number SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    datapoint_id SimpleAggregateFunction(anyLast, Nullable(String)),
    turns SimpleAggregateFunction(max, Nullable(UInt64)),
    input SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(3)),
    output SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(3)),
    writer SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(1)),
    tags SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    attributes_said SimpleAggregateFunction(groupUniqArrayArray, Array(Tuple(Int64, String, String))),
    message_ids SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    spans_begun SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    spans_ended SimpleAggregateFunction(groupUniqArrayArray, Array(Tuple(UInt64, Bool, Nullable(UInt64),
        Nullable(UInt64), Nullable(UInt64), Nullable(UInt64), Nullable(UInt64), Nullable(UInt64), Nullable(Float64)))),
    status LowCardinality(String) ALIAS coalesce(end_status, if(ended_at IS NULL, 'running', 'ok')),
    attributes Map(String, String) ALIAS CAST(arrayMap(said -> (said.2, said.3), arrayFilter((said, nth) -> nth = 1,
        arrayReverseSort(attributes_said),
        arrayEnumerateUniq(arrayMap(said -> said.2, arrayReverseSort(attributes_said))))), 'Map(String, String)'),
    message_count UInt64 ALIAS length(message_ids),
    span_count UInt64 ALIAS length(arrayUnion(spans_begun, arrayMap(span -> span.1, spans_ended))),
    open_count UInt64 ALIAS length(arrayUnion(spans_begun, arrayMap(span -> span.1, spans_ended))) - length(arrayDistinct(arrayMap(span -> span.1, spans_ended))),
    error_count UInt64 ALIAS arrayCount(span -> span.2, spans_ended),
    input_tokens Nullable(UInt64) ALIAS arrayReduce('sum', arrayMap(span -> span.3, spans_ended)),
    output_tokens Nullable(UInt64) ALIAS arrayReduce('sum', arrayMap(span -> span.4, spans_ended)),
    cached_tokens Nullable(UInt64) ALIAS arrayReduce('sum', arrayMap(span -> span.5, spans_ended)),
    cache_creation_tokens Nullable(UInt64) ALIAS arrayReduce('sum', arrayMap(span -> span.6, spans_ended)),
    reasoning_tokens Nullable(UInt64) ALIAS arrayReduce('sum', arrayMap(span -> span.7, spans_ended)),
    total_tokens Nullable(UInt64) ALIAS arrayReduce('sum', arrayMap(span -> span.8, spans_ended)),
    cost_usd Nullable(Float64) ALIAS arrayReduce('sum', arrayMap(span -> span.9, spans_ended)),
    INDEX by_session session_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_run run_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_user user_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_writer writer TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {Replicated}AggregatingMergeTree
PARTITION BY day ORDER BY trace_id
SETTINGS ttl_only_drop_parts = 1{window};

-- A span, in the same way.
CREATE TABLE IF NOT EXISTS spans{cluster} (
    day Date,
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    parent_span_id SimpleAggregateFunction(anyLast, Nullable(String)),
    type SimpleAggregateFunction(anyLast, Nullable(String)),
    name SimpleAggregateFunction(anyLast, Nullable(String)),
    sequence SimpleAggregateFunction(min, Nullable(UInt64)),
    started_at SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC'))),
    ended_at SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC'))),
    duration_ns SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    end_status SimpleAggregateFunction(anyLast, Nullable(String)),
    error_type SimpleAggregateFunction(anyLast, Nullable(String)),
    error_message SimpleAggregateFunction(anyLast, Nullable(String)),
    tool_call_id SimpleAggregateFunction(anyLast, Nullable(String)),
    provider SimpleAggregateFunction(anyLast, Nullable(String)),
    model SimpleAggregateFunction(anyLast, Nullable(String)),
    input_tokens SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    output_tokens SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    cached_tokens SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    cache_creation_tokens SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    reasoning_tokens SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    total_tokens SimpleAggregateFunction(anyLast, Nullable(UInt64)),
    cost_usd SimpleAggregateFunction(anyLast, Nullable(Float64)),
    input SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(3)),
    output SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(3)),
    stream_preview SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(3)),
    writer SimpleAggregateFunction(anyLast, Nullable(String)) CODEC(ZSTD(1)),
    attributes_said SimpleAggregateFunction(groupUniqArrayArray, Array(Tuple(Int64, String, String))),
    status LowCardinality(String) ALIAS coalesce(end_status, if(ended_at IS NULL, 'running', 'ok')),
    attributes Map(String, String) ALIAS CAST(arrayMap(said -> (said.2, said.3), arrayFilter((said, nth) -> nth = 1,
        arrayReverseSort(attributes_said),
        arrayEnumerateUniq(arrayMap(said -> said.2, arrayReverseSort(attributes_said))))), 'Map(String, String)'),
    INDEX by_writer writer TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {Replicated}AggregatingMergeTree
PARTITION BY day ORDER BY (trace_id, span_id)
SETTINGS ttl_only_drop_parts = 1{window};

-- What was said in a conversation. A row that comes twice is one.
CREATE TABLE IF NOT EXISTS messages{cluster} (
    day Date,
    trace_id String CODEC(ZSTD(1)),
    at DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    sequence Nullable(UInt64),
    span_id Nullable(String),
    role LowCardinality(String),
    content String CODEC(ZSTD(3)),
    content_type LowCardinality(Nullable(String)),
    tool_call_id Nullable(String),
    is_internal Bool,
    turn_index Nullable(UInt64),
    intra_index Nullable(UInt64),
    attributes Map(String, String)
) ENGINE = {Replicated}ReplacingMergeTree
PARTITION BY day ORDER BY (trace_id, at, event_id)
SETTINGS ttl_only_drop_parts = 1{window};

-- Every other thing that happened: feedback, signals, scores, metrics, and what the program reports itself.
CREATE TABLE IF NOT EXISTS events{cluster} (
    day Date,
    trace_id String CODEC(ZSTD(1)),
    at DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    external_trace_id Nullable(String),
    span_id Nullable(String),
    type LowCardinality(String),
    name LowCardinality(Nullable(String)),
    value Nullable(String) CODEC(ZSTD(1)),
    score Nullable(Float64),
    event String CODEC(ZSTD(3))
) ENGINE = {Replicated}ReplacingMergeTree
PARTITION BY day ORDER BY (trace_id, at, event_id)
SETTINGS ttl_only_drop_parts = 1{window};

-- Free metadata of traces (`span_id` is empty) and spans. Of one key, what was said last holds.
CREATE TABLE IF NOT EXISTS entity_metadata{cluster} (
    day Date,
    key LowCardinality(String),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    value String CODEC(ZSTD(1)),
    at DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = {Replicated}ReplacingMergeTree(at)
PARTITION BY day ORDER BY (key, trace_id, span_id)
SETTINGS ttl_only_drop_parts = 1{window};

-- Tags of traces (`span_id` is empty) and spans.
CREATE TABLE IF NOT EXISTS tags{cluster} (
    day Date,
    tag LowCardinality(String),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = {Replicated}ReplacingMergeTree
PARTITION BY day ORDER BY (tag, trace_id, span_id)
SETTINGS ttl_only_drop_parts = 1{window};
