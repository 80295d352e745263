//! How fast the embedded store takes events in, beside a bare prepared insert of the very rows that come out of it.
//!
//! Both write to a file on the same disk and commit with the same durability.

use std::path::Path;
use std::time::{Duration, Instant};

use rollout_server::{STORE_FILE, open_store};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::events::{bodies, read, store_all};
use crate::table::{Table, at_least, figure};

const TRACES: usize = 500;

/// Spans of a trace.
const SPANS: usize = 100;

const ROUNDS: usize = 3;

/// Stores the same spans in each way.
pub fn tables() -> Vec<Table> {
    let bodies = bodies(0..TRACES, SPANS);
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        best[0] = best[0].min(inserted_after(dir.path(), &bodies));
        best[1] = best[1].min(stored(&bodies));
        best[2] = best[2].min(read_and_stored(&bodies));
    }
    let mut table = Table::new(
        "Into the embedded store",
        "50,000 spans of two events each, in 500 traces, as a program that records agents sends them: time that passes, \
         the best of three rounds. The bare insert is of the rows that the store has made of them, into tables of the \
         same shape and with the same settings, by prepared statements in one transaction; the index of texts, which \
         the store writes behind its commits, is not among them. The store reads events that \
         are parsed already, or the bodies of requests, from 32 senders, each of which waits for its commit.",
        &["", "spans/s", "of the bare insert"],
    );
    let names = [
        "rows inserted, bare",
        "events stored",
        "bodies read, checked and stored",
    ];
    for (index, (name, took)) in names.into_iter().zip(best).enumerate() {
        let rate = (TRACES * SPANS) as f64 / took.as_secs_f64();
        let ratio = best[0].as_secs_f64() / took.as_secs_f64();
        let ratio = if index == 0 {
            figure(ratio)
        } else {
            at_least(ratio, 0.5, 2)
        };
        table.row([name.to_owned(), figure(rate), ratio]);
    }
    vec![table]
}

fn read_and_stored(bodies: &[String]) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path()).unwrap();
    let began = Instant::now();
    store_all(&store, bodies.iter().map(|body| read(body)));
    began.elapsed()
}

fn stored(bodies: &[String]) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path()).unwrap();
    let batches: Vec<_> = bodies.iter().map(|body| read(body)).collect();
    let began = Instant::now();
    store_all(&store, batches.into_iter());
    began.elapsed()
}

/// Stores bodies in a folder; then how long it takes to insert the rows that are there into a fresh file of the same
/// shape, table by table, in one transaction.
fn inserted_after(dir: &Path, bodies: &[String]) -> Duration {
    let store = open_store(dir).unwrap();
    store_all(&store, bodies.iter().map(|body| read(body)));
    drop(store);
    let source = Connection::open(dir.join(STORE_FILE)).unwrap();
    let mut target = Connection::open(dir.join("bare.db")).unwrap();
    target.pragma_update(None, "journal_mode", "WAL").unwrap();
    target.pragma_update(None, "synchronous", "FULL").unwrap();
    target
        .pragma_update(None, "cache_size", -32 * 1024)
        .unwrap();
    // The index of texts is written behind the commits, and not by rows of anybody's.
    let own = "sql IS NOT NULL AND tbl_name NOT LIKE 'search%' AND tbl_name NOT LIKE 'sqlite%'";
    let schema = column(
        &source,
        &format!("SELECT sql FROM sqlite_schema WHERE {own} ORDER BY rowid"),
    );
    target.execute_batch(&schema.join(";")).unwrap();
    let tables = column(
        &source,
        &format!("SELECT name FROM sqlite_schema WHERE {own} AND type = 'table'"),
    );
    let tables: Vec<_> = tables.iter().map(|table| rows(&source, table)).collect();
    let began = Instant::now();
    let transaction = target.transaction().unwrap();
    for (insert, rows) in &tables {
        let mut insert = transaction.prepare(insert).unwrap();
        for row in rows {
            insert.execute(params_from_iter(row)).unwrap();
        }
    }
    transaction.commit().unwrap();
    began.elapsed()
}

/// How a row of a table is inserted, and its rows.
fn rows(source: &Connection, table: &str) -> (String, Vec<Vec<Value>>) {
    let columns = column(
        source,
        &format!("SELECT name FROM pragma_table_info('{table}')"),
    );
    let mut rows = source
        .prepare(&format!("SELECT {} FROM {table}", columns.join(", ")))
        .unwrap();
    let rows = rows.query_map([], |row| {
        (0..columns.len()).map(|column| row.get(column)).collect()
    });
    let rows = rows.unwrap().collect::<Result<_, _>>().unwrap();
    let places = vec!["?"; columns.len()].join(", ");
    let columns = columns.join(", ");
    (
        format!("INSERT INTO {table} ({columns}) VALUES ({places})"),
        rows,
    )
}

/// The first column of an answer.
fn column(source: &Connection, question: &str) -> Vec<String> {
    let mut question = source.prepare(question).unwrap();
    let rows = question.query_map([], |row| row.get(0));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}
