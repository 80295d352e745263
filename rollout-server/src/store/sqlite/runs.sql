-- What traces are rollouts of.
CREATE TABLE rollouts (
    trace INTEGER PRIMARY KEY,
    run_id TEXT,
    phase TEXT,
    step_number INTEGER,
    datapoint_id TEXT,
    env_name TEXT,
    model_name TEXT,
    grader_name TEXT,
    group_id TEXT,
    sample_index INTEGER,
    turns INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    -- When its last request began, where it takes several.
    resumed_at INTEGER,
    facts_at INTEGER NOT NULL
);
CREATE INDEX rollouts_by_run ON rollouts (run_id, step_number, datapoint_id) WHERE run_id IS NOT NULL;
CREATE INDEX rollouts_by_datapoint ON rollouts (datapoint_id) WHERE datapoint_id IS NOT NULL;

-- The last score of each grader.
CREATE TABLE scores (
    trace INTEGER NOT NULL,
    grader TEXT NOT NULL,
    at INTEGER NOT NULL,
    value REAL NOT NULL,
    passed INTEGER,
    PRIMARY KEY (trace, grader)
) WITHOUT ROWID;

-- Runs that are registered, or that a rollout names.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    first_at INTEGER NOT NULL,
    registered_at INTEGER,
    phase TEXT,
    project TEXT
);
CREATE INDEX runs_by_time ON runs (first_at DESC, id DESC);

CREATE TABLE run_steps (
    run INTEGER NOT NULL,
    step_number INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    PRIMARY KEY (run, step_number)
) WITHOUT ROWID;

CREATE TABLE datapoints (
    datapoint_id TEXT PRIMARY KEY,
    registered_at INTEGER NOT NULL,
    env_name TEXT
) WITHOUT ROWID;
