//! The tables: made, and brought to this version, by whoever comes first.
//!
//! Every step does nothing where it was done before, so that several programs may begin at once: all of them take the
//! steps, and the server does each once. What was done is written down in `rollout_migrations`, so that a program that
//! may only insert need not ask for more.

use clickhouse::Client;

use super::refusal::{Cause, Refusal, code};
use crate::config::ClickHouseSettings;

/// What brings the tables from one version to the next, by the version that it leads to. What is here has been done
/// somewhere, and stays as it is. A column that comes later must have a `DEFAULT`, so that older programs go on to
/// insert without it.
const STEPS: &[(u32, &str)] = &[(1, include_str!("schema.sql"))];

/// The tables that rows go into.
pub(super) const TABLES: [&str; 6] = [
    "traces",
    "spans",
    "messages",
    "events",
    "entity_metadata",
    "tags",
];

/// `TABLE_ALREADY_EXISTS`, `DATABASE_ALREADY_EXISTS`: somebody was faster, in the middle of `IF NOT EXISTS`.
const EXISTS: [u32; 2] = [57, 82];

/// `UNKNOWN_TABLE`, `UNKNOWN_DATABASE`.
const UNKNOWN: [u32; 2] = [60, 81];

/// `ACCESS_DENIED`.
const DENIED: u32 = 497;

/// Makes the tables what this version needs. `anew`: whatever was written down, because some table is not there.
pub(super) async fn prepare(
    client: &Client,
    settings: &ClickHouseSettings,
    anew: bool,
) -> Result<(), Refusal> {
    let version = if anew { 0 } else { version(client).await? };
    if STEPS.iter().any(|(number, _)| *number > version) {
        migrate(client, settings, version).await?;
    }
    keep(client, settings).await
}

async fn migrate(
    client: &Client,
    settings: &ClickHouseSettings,
    version: u32,
) -> Result<(), Refusal> {
    let database = format!(
        "CREATE DATABASE IF NOT EXISTS {}{{cluster}}",
        quoted(settings.database())
    );
    // It may be there, and the user need not be who may make one.
    match execute(&client.clone().with_database(""), settings, &database).await {
        Err(error) if code(&error) != Some(DENIED) => return Err(Refusal::of(&error)),
        _ => {}
    }
    let journal = "CREATE TABLE IF NOT EXISTS rollout_migrations{cluster} (version UInt32, applied_at DateTime \
                   DEFAULT now(), applied_by String) ENGINE = {Replicated}ReplacingMergeTree ORDER BY version";
    execute(client, settings, journal)
        .await
        .map_err(|error| Refusal::of(&error))?;
    for (number, step) in STEPS.iter().filter(|(number, _)| *number > version) {
        for statement in statements(step) {
            execute(client, settings, statement)
                .await
                .map_err(|error| Refusal::of(&error))?;
        }
        let done = format!(
            "INSERT INTO rollout_migrations (version, applied_by) VALUES ({number}, 'rollout-rust/{}')",
            env!("CARGO_PKG_VERSION")
        );
        execute(client, settings, &done)
            .await
            .map_err(|error| Refusal::of(&error))?;
    }
    Ok(())
}

/// Up to which version steps were taken. A later program may have gone further: its tables have room for our rows.
async fn version(client: &Client) -> Result<u32, Refusal> {
    let asked = client.query_raw("SELECT max(version) FROM rollout_migrations");
    match asked.fetch_one::<u32>().await {
        Ok(version) => Ok(version),
        Err(error) if code(&error).is_some_and(|code| UNKNOWN.contains(&code)) => Ok(0),
        Err(error) => Err(Refusal::of(&error)),
    }
}

/// Sets how long rows are kept, where that is asked for and is not so.
async fn keep(client: &Client, settings: &ClickHouseSettings) -> Result<(), Refusal> {
    let Some(days) = settings.ttl_days() else {
        return Ok(());
    };
    // As the server writes it; an empty settings clause there is none.
    let asked = client.query_raw(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND has({tables:Array(String)}, name) AND \
         engine_full NOT LIKE concat('%TTL day + toIntervalDay(', {days:String}, ') SETTINGS %')",
    );
    let tables = format!("['{}']", TABLES.join("','"));
    let asked = asked.with_setting("param_tables", tables);
    let asked = asked.with_setting("param_days", days.to_string());
    let others = asked.fetch_all::<String>().await;
    for table in others.map_err(|error| Refusal::of(&error))? {
        let statement =
            format!("ALTER TABLE {table}{{cluster}} MODIFY TTL day + INTERVAL {days} DAY");
        execute(client, settings, &statement)
            .await
            .map_err(|error| Refusal::of(&error))?;
    }
    Ok(())
}

async fn execute(
    client: &Client,
    settings: &ClickHouseSettings,
    statement: &str,
) -> clickhouse::error::Result<()> {
    let statement = filled(statement, settings.cluster());
    match client.query_raw(&statement).execute().await {
        Err(error) if code(&error).is_some_and(|code| EXISTS.contains(&code)) => Ok(()),
        done => done,
    }
}

/// A statement for a cluster, or for one server.
fn filled(statement: &str, cluster: Option<&str>) -> String {
    let (on, replicated, window) = match cluster {
        Some(cluster) => (format!(" ON CLUSTER {}", quoted(cluster)), "Replicated", ""),
        // Replicated tables remember the blocks that came last by themselves.
        None => (
            String::new(),
            "",
            ", non_replicated_deduplication_window = 1000",
        ),
    };
    statement
        .replace("{cluster}", &on)
        .replace("{Replicated}", replicated)
        .replace("{window}", window)
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
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

impl Refusal {
    /// Whether some table, or the database, is not there.
    pub(super) fn misses_table(&self) -> bool {
        matches!(self.cause, Cause::Code(code) if UNKNOWN.contains(&code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_statement_for_each_table() {
        let made: Vec<_> = statements(STEPS[0].1).collect();
        assert_eq!(made.len(), TABLES.len());
        for (statement, table) in made.iter().zip(TABLES) {
            let begins = format!("CREATE TABLE IF NOT EXISTS {table}{{cluster}} (\n    day Date,");
            assert!(statement.starts_with(&begins), "{statement}");
        }
    }

    #[test]
    fn a_cluster_has_replicated_tables() {
        for statement in statements(STEPS[0].1) {
            let one = filled(statement, None);
            assert!(
                !one.contains("CLUSTER") && !one.contains("Replicated"),
                "{one}"
            );
            let many = filled(statement, Some("we"));
            let head = many.lines().next().unwrap_or_default();
            assert!(head.ends_with(" ON CLUSTER `we` ("), "{head}");
            assert!(many.contains("ENGINE = Replicated"), "{many}");
            assert!(
                !many.contains("non_replicated") && !many.contains('{'),
                "{many}"
            );
        }
    }
}
