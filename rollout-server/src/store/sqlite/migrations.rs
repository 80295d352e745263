//! The shape of the database, version by version.

use rusqlite::{Connection, TransactionBehavior};

use super::{dictionary::Dictionary, facts::Writing};
use crate::store::StoreError;

/// Only ever appended to: the database's `user_version` is how many of them it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    // A process that has only ever sent over HTTP: its spool is elsewhere.
    "ALTER TABLE writers ADD COLUMN remote INTEGER NOT NULL DEFAULT 0;",
    include_str!("runs.sql"),
    "ALTER TABLE traces ADD COLUMN output_preview TEXT; ALTER TABLE traces ADD COLUMN output_rank INTEGER;",
    // What is in it of older traces is written by `migrate`.
    include_str!("facts.sql"),
    include_str!("cost.sql"),
];

/// How many migrations a database has seen that has facts.
const FACTS: usize = 5;
/// Traces whose facts are written at once.
const AT_ONCE: i64 = 1_000;

/// How many migrations a database has seen. Fails if a newer version of the program has made it; nothing is written.
pub(super) fn seen(connection: &Connection) -> Result<usize, StoreError> {
    let seen: usize =
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? as usize;
    if seen > MIGRATIONS.len() {
        return Err(StoreError::Database(format!(
            "the database is of version {seen}, this program knows versions up to {}: use a newer program",
            MIGRATIONS.len()
        )));
    }
    Ok(seen)
}

/// Brings a database to the newest shape. Several processes may try at once.
///
/// Fails on a database that a newer version of the program has made.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen = seen(&transaction)?;
    for migration in &MIGRATIONS[seen..] {
        transaction.execute_batch(migration)?;
    }
    if seen < FACTS {
        write_facts(&transaction)?;
    }
    if seen < MIGRATIONS.len() {
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    }
    Ok(transaction.commit()?)
}

/// Writes down what filters look at of the traces that are there.
fn write_facts(connection: &Connection) -> Result<(), StoreError> {
    let mut dictionary = Dictionary::default();
    let mut last = i64::MIN;
    loop {
        let traces: Vec<i64> = {
            let mut statement = connection
                .prepare_cached("SELECT id FROM traces WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let rows = statement.query_map([last, AT_ONCE], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let Some(newest) = traces.last() else {
            return Ok(());
        };
        last = *newest;
        let mut facts = Writing::new(connection, &mut dictionary);
        for trace in traces {
            facts.reread(trace)?;
        }
        facts.finish()?;
    }
}
