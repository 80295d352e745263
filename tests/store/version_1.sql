-- Times are nanoseconds since 1970, durations nanoseconds. A `..._at` beside other columns is
-- when the newest of them was said.

CREATE TABLE traces (
    id INTEGER PRIMARY KEY,
    -- Without a trace_id: known by the caller's id alone, until a trace comes that has both.
    trace_id TEXT,
    external_trace_id TEXT,
    -- Whether there is a run, and not only feedback or an identity.
    runs INTEGER NOT NULL DEFAULT 0,
    begun INTEGER NOT NULL DEFAULT 0,
    name TEXT,
    said_status TEXT,
    started_at INTEGER,
    ended_at INTEGER,
    duration INTEGER,
    error_kind TEXT,
    error_message TEXT,
    span_count INTEGER NOT NULL DEFAULT 0,
    error_count INTEGER NOT NULL DEFAULT 0,
    open_count INTEGER NOT NULL DEFAULT 0,
    usage TEXT,
    agent_name TEXT,
    user_id TEXT,
    account_id TEXT,
    session_id TEXT,
    conversation_id TEXT,
    tags TEXT,
    input_preview TEXT,
    preview_rank INTEGER,
    link_trace_id TEXT,
    link_span_id TEXT,
    first_at INTEGER,
    facts_at INTEGER NOT NULL DEFAULT 0,
    -- The process that records it, where its spool is read.
    writer INTEGER,
    interrupted INTEGER NOT NULL DEFAULT 0,
    -- Another number after every change.
    version INTEGER NOT NULL DEFAULT 0,
    sort_at INTEGER GENERATED ALWAYS AS (coalesce(started_at, first_at, 0)) VIRTUAL,
    status TEXT GENERATED ALWAYS AS (
        CASE
            WHEN ended_at IS NOT NULL THEN coalesce(said_status, 'ok')
            WHEN interrupted THEN 'interrupted'
            -- Nobody reports such a trace's end.
            WHEN NOT begun AND open_count = 0 THEN iif(error_count > 0, 'error', 'ok')
            ELSE 'running'
        END
    ) VIRTUAL
);
CREATE UNIQUE INDEX traces_by_trace_id ON traces (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX traces_by_external_id ON traces (external_trace_id) WHERE external_trace_id IS NOT NULL;
CREATE INDEX traces_by_time ON traces (sort_at DESC, id DESC) WHERE runs;
CREATE INDEX traces_by_link ON traces (link_trace_id) WHERE link_trace_id IS NOT NULL;
CREATE INDEX traces_open ON traces (writer) WHERE ended_at IS NULL AND writer IS NOT NULL;

CREATE TABLE spans (
    id INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    parent TEXT,
    kind TEXT,
    name TEXT,
    said_status TEXT,
    started_at INTEGER,
    ended_at INTEGER,
    duration INTEGER,
    error_kind TEXT,
    error_message TEXT,
    tool_call_id TEXT,
    provider TEXT,
    model TEXT,
    usage TEXT,
    facts_at INTEGER NOT NULL,
    usage_at INTEGER NOT NULL,
    writer INTEGER,
    interrupted INTEGER NOT NULL DEFAULT 0,
    status TEXT GENERATED ALWAYS AS (
        CASE
            WHEN ended_at IS NOT NULL THEN coalesce(said_status, 'ok')
            WHEN interrupted THEN 'interrupted'
            ELSE 'running'
        END
    ) VIRTUAL
);
CREATE UNIQUE INDEX spans_by_span_id ON spans (trace, span_id);
-- Finds the caller of a trace whose sender names only the caller's span. Senders with W3C ids
-- name the trace too, so theirs need not be here.
CREATE INDEX spans_by_foreign_id ON spans (span_id) WHERE length(span_id) <> 16;
CREATE INDEX spans_open ON spans (writer) WHERE ended_at IS NULL AND writer IS NOT NULL;

-- One payload a row. id = 8 * the row it belongs to + what it is.
CREATE TABLE trace_payloads (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE span_payloads (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);

-- Events that are shown as they are: messages, feedback, metrics, chunks.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    span_id TEXT,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_by_trace ON events (trace, kind, at);
CREATE INDEX events_by_span ON events (trace, span_id, at) WHERE span_id IS NOT NULL;

-- The ids of all events of a trace, by 64 bits of their hash.
CREATE TABLE seen (trace INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (trace, event)) WITHOUT ROWID;

-- How far the spools of processes are read.
CREATE TABLE writers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    segment INTEGER NOT NULL DEFAULT 0,
    offset INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0
);

INSERT INTO traces (id, trace_id, runs, begun, name, said_status, started_at, ended_at, duration, span_count, first_at)
    VALUES (1, 'before', 1, 1, 'before', 'ok', 1767323045000000000, 1767323046000000000, 1000000000, 1, 1767323045000000000);
INSERT INTO spans (id, trace, span_id, kind, name, said_status, started_at, ended_at, duration, facts_at, usage_at)
    VALUES (1, 1, 's', 'task', 'step', 'ok', 1767323045000000000, 1767323046000000000, 1000000000, 1767323045000000000, 0);
INSERT INTO writers (id, name, segment, offset, gone) VALUES (1, 'w1', 1, 100, 1);
PRAGMA user_version = 1;
