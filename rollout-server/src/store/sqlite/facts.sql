-- What filters, charts and groups look at, packed, eight traces a row: see facts.rs. block = the trace's row / 8.
CREATE TABLE facts (block INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- The texts in them by number: see dictionary.rs. `name` is that of an entry of the metadata.
CREATE TABLE dictionary (
    id INTEGER PRIMARY KEY,
    facet INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL
);
CREATE UNIQUE INDEX dictionary_by_value ON dictionary (facet, name, value);

-- Texts by the short pieces of letters in them: see search.rs. rowid = 2^20 * the trace's row + which part of its text.
CREATE VIRTUAL TABLE search USING fts5 (
    pieces, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
INSERT INTO search (search, rank) VALUES ('hashsize', 16777216);

-- Traces whose texts are not there yet, or have changed, and when that was first seen.
CREATE TABLE unsearched (trace INTEGER PRIMARY KEY, at INTEGER NOT NULL);
INSERT INTO unsearched (trace, at) SELECT id, 0 FROM traces WHERE runs;

-- Finds the oldest of them without looking through all.
CREATE INDEX traces_aside ON traces (sort_at, id) WHERE NOT runs;
