//! The shape of the database, version by version.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;

/// Only ever appended to: the database's `user_version` is how many of them it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    // A process that has only ever sent over HTTP: its spool is elsewhere.
    "ALTER TABLE writers ADD COLUMN remote INTEGER NOT NULL DEFAULT 0;",
    include_str!("runs.sql"),
    "ALTER TABLE traces ADD COLUMN output_preview TEXT; ALTER TABLE traces ADD COLUMN output_rank INTEGER;",
    include_str!("cost.sql"),
];

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
    if seen < MIGRATIONS.len() {
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    }
    Ok(transaction.commit()?)
}
