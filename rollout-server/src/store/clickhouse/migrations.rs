//! The tables: made, and brought to this version, by whoever comes first.
//!
//! Every step does nothing where it was done before, so that several servers may begin at once: all of them take the
//! steps, and the database does each once. What was done is written down in `rollout_store_migrations`.

use clickhouse::error::Error;

use super::database::{Database, code};
use crate::store::StoreError;

/// What brings the tables from one version to the next. What is here has been done somewhere, and stays as it is. A column
/// that comes later must have a `DEFAULT`, so that older servers go on to insert without it.
const STEPS: &[&str] = &[include_str!("schema.sql")];

/// Tables with a trace's rows, and when they go by themselves.
const KEPT: [(&str, &str); 3] = [
    ("rollout_events", "day"),
    ("rollout_traces", "toDateTime(intDiv(sort_at, 1000000000))"),
    ("rollout_texts", "toDateTime(intDiv(sort_at, 1000000000))"),
];

/// `TABLE_ALREADY_EXISTS`, `DATABASE_ALREADY_EXISTS`: somebody was faster, in the middle of `IF NOT EXISTS`.
const EXISTS: [u32; 2] = [57, 82];
/// `UNKNOWN_TABLE`, `UNKNOWN_DATABASE`.
const UNKNOWN: [u32; 2] = [60, 81];
/// `ACCESS_DENIED`.
const DENIED: u32 = 497;

/// Makes the tables what this version needs.
///
/// Fails on tables that a newer version of the program has made.
pub(super) fn migrate(database: &Database) -> Result<(), StoreError> {
    let seen = seen(database)?;
    if seen > STEPS.len() as u32 {
        return Err(StoreError::Database(format!(
            "the database is of version {seen}, this program knows versions up to {}: use a newer program",
            STEPS.len()
        )));
    }
    if seen < STEPS.len() as u32 {
        let create = format!(
            "CREATE DATABASE IF NOT EXISTS {}{{cluster}}",
            name(&database.address.database)
        );
        // It may be there, and the user need not be who may make one.
        match execute(database, &create, true) {
            Err(error) if code(&error) != Some(DENIED) => return Err(database.refusal(&error)),
            _ => {}
        }
        let journal = "CREATE TABLE IF NOT EXISTS rollout_store_migrations{cluster} (version UInt32, applied_at DateTime \
                       DEFAULT now()) ENGINE = {Replicated}ReplacingMergeTree ORDER BY version";
        run(database, journal)?;
        for (nth, step) in STEPS.iter().enumerate().skip(seen as usize) {
            for statement in statements(step) {
                run(database, statement)?;
            }
            let done = format!(
                "INSERT INTO rollout_store_migrations (version) VALUES ({})",
                nth + 1
            );
            run(database, &done)?;
        }
    }
    keep(database)
}

fn seen(database: &Database) -> Result<u32, StoreError> {
    let sql = "SELECT max(version) FROM rollout_store_migrations";
    // A question by itself says no code.
    match database.execute(sql, false) {
        Ok(()) => Ok(database.row::<u32>(sql)?.unwrap_or(0)),
        Err(error) if code(&error).is_some_and(|code| UNKNOWN.contains(&code)) => Ok(0),
        Err(error) => Err(database.refusal(&error)),
    }
}

/// Sets how long rows are kept, where that is asked for and is not so.
fn keep(database: &Database) -> Result<(), StoreError> {
    let Some(days) = database.address.ttl_days else {
        return Ok(());
    };
    for (table, at) in KEPT {
        let known: Option<String> = database.row(&format!(
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
        ))?;
        // As the server writes it.
        let wanted = format!("TTL {at} + toIntervalDay({days}) SETTINGS");
        if !known.is_some_and(|engine| engine.contains(&wanted)) {
            let statement =
                format!("ALTER TABLE {table}{{cluster}} MODIFY TTL {at} + INTERVAL {days} DAY");
            run(database, &statement)?;
        }
    }
    Ok(())
}

fn run(database: &Database, statement: &str) -> Result<(), StoreError> {
    execute(database, statement, false).map_err(|error| database.refusal(&error))
}

fn execute(database: &Database, statement: &str, aside: bool) -> Result<(), Error> {
    let statement = filled(statement, database.address.cluster.as_deref());
    match database.execute(&statement, aside) {
        Err(error) if code(&error).is_some_and(|code| EXISTS.contains(&code)) => Ok(()),
        done => done,
    }
}

/// A statement for a cluster, or for one server.
pub(super) fn filled(statement: &str, cluster: Option<&str>) -> String {
    let (on, replicated) = match cluster {
        Some(cluster) => (format!(" ON CLUSTER {}", name(cluster)), "Replicated"),
        None => (String::new(), ""),
    };
    statement
        .replace("{cluster}", &on)
        .replace("{Replicated}", replicated)
}

/// The statements of a file, without its comments.
fn statements(file: &str) -> impl Iterator<Item = &str> {
    file.split(';').filter_map(|statement| {
        let at = statement
            .find("CREATE")
            .or_else(|| statement.find("ALTER"))?;
        Some(statement[at..].trim_end())
    })
}

/// A name as SQL has it.
fn name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_replicated_tables() {
        assert_eq!(statements(STEPS[0]).count(), 5);
        for statement in statements(STEPS[0]) {
            let one = filled(statement, None);
            assert!(
                !one.contains("CLUSTER") && !one.contains("Replicated") && !one.contains('{'),
                "{one}"
            );
            let many = filled(statement, Some("we"));
            let head = many.lines().next().unwrap_or_default();
            assert!(
                head.starts_with("CREATE TABLE IF NOT EXISTS rollout_")
                    && head.ends_with(" ON CLUSTER `we` ("),
                "{head}"
            );
            assert!(many.contains("ENGINE = Replicated"), "{many}");
        }
    }
}
