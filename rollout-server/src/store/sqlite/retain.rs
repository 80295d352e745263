//! Traces that are too old, or too many.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    bits::Bits,
    dictionary::{Dictionary, number},
    facts, search,
};
use crate::store::{Retention, StoreError};

/// Traces that go in one transaction: others wait to write meanwhile.
const AT_ONCE: usize = 50;

/// Deletes the oldest traces that are over a bound, some of them. Returns how many; none: there are no more.
///
/// A trace that runs stays, and so does the newest one.
pub(super) fn sweep(
    connection: &Connection,
    dictionary: &mut Dictionary,
    retention: &Retention,
    now: i64,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    while gone < AT_ONCE as u64 {
        let is_full = match retention.max_bytes {
            Some(most) => used(connection)? > most,
            None => false,
        };
        // Everything is older than the end of time.
        let before = match retention.max_age {
            _ if is_full => i64::MAX,
            Some(age) => now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)),
            None => return Ok(gone),
        };
        let oldest: Option<i64> = connection
            .prepare_cached(&format!(
                "SELECT id FROM (SELECT * FROM ({}) UNION ALL SELECT * FROM ({})) ORDER BY sort_at, id LIMIT 1",
                oldest("runs"),
                oldest("NOT runs"),
            ))?
            .query_row([before], |row| row.get(0))
            .optional()?;
        let Some(trace) = oldest else {
            return Ok(gone);
        };
        delete(connection, trace)?;
        let mut facts = facts::Writing::new(connection, dictionary);
        facts.remove(trace)?;
        facts.finish()?;
        search::remove(connection, trace)?;
        gone += 1;
    }
    Ok(gone)
}

/// The oldest of some traces that may go. Each of the two kinds has an index of its own.
fn oldest(which: &str) -> String {
    format!(
        "SELECT id, sort_at FROM traces
         WHERE {which} AND sort_at < ?1 AND status <> 'running' AND id < (SELECT max(id) FROM traces)
         ORDER BY sort_at, id LIMIT 1"
    )
}

/// Removes texts that no trace has any more.
pub(super) fn forget_texts(
    connection: &Connection,
    dictionary: &mut Dictionary,
) -> Result<(), StoreError> {
    let mut used = Bits::default();
    facts::each(connection, |facts| {
        facts
            .values()
            .for_each(|code| used.insert(number(code) as usize));
        Ok(())
    })?;
    dictionary.remove_unused(connection, &used)
}

fn delete(connection: &Connection, trace: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM span_payloads WHERE id IN (
            SELECT 8 * spans.id + what.value FROM spans, json_each('[0,1,2,3,4,5,6,7]') AS what
            WHERE spans.trace = ?1)",
        "DELETE FROM trace_payloads WHERE id >= 8 * ?1 AND id < 8 * (?1 + 1)",
        "DELETE FROM spans WHERE trace = ?1",
        "DELETE FROM events WHERE trace = ?1",
        "DELETE FROM seen WHERE trace = ?1",
        "DELETE FROM scores WHERE trace = ?1",
        // A run that nobody has registered is nothing without its rollouts.
        "DELETE FROM runs WHERE registered_at IS NULL
            AND run_id = (SELECT run_id FROM rollouts WHERE trace = ?1)
            AND NOT EXISTS (SELECT 1 FROM rollouts WHERE rollouts.run_id = runs.run_id AND trace <> ?1)",
        "DELETE FROM rollouts WHERE trace = ?1",
        "DELETE FROM traces WHERE id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute(params![trace])?;
    }
    Ok(())
}

/// Bytes of the pages that hold something. Those that are free are used again, so that the file grows no further.
pub(super) fn used(connection: &Connection) -> Result<u64, StoreError> {
    let pragma = |name: &str| -> Result<u64, StoreError> {
        let value: i64 = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        Ok(value.cast_unsigned())
    };
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}
