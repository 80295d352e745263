//! Traces that are too old, or too many.

use std::sync::atomic::Ordering;

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;

use super::{ClickHouse, database::list, migrations::filled};
use crate::{
    fold::nanoseconds,
    store::{Retention, StoreError},
};

/// Traces that go at once. The database writes its parts anew for it, so that few and large steps are better.
const AT_ONCE: u64 = 5_000;

/// Tables that have rows of traces. Those that are read last go last, so that what was begun is found again.
const TABLES: [&str; 3] = ["rollout_events", "rollout_texts", "rollout_traces"];

#[derive(Row, Deserialize)]
struct Old {
    trace: String,
    events: u64,
}

impl ClickHouse {
    /// Deletes the oldest traces that are over a bound, some of them. Returns how many; none: there are no more.
    ///
    /// A trace that runs stays, and so does the newest one.
    pub(super) fn sweep(&self, retention: &Retention) -> Result<u64, StoreError> {
        self.settle()?;
        let mut gone = 0;
        if let Some(age) = retention.max_age {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            let before = nanoseconds(Timestamp::now()).saturating_sub(age);
            let old = self.oldest(&format!(" AND sort_at < {before}"))?;
            gone += self.delete(&old)?;
        }
        if let Some(most) = retention.max_bytes {
            let used = self.weigh()?;
            if used > most {
                let all: Option<u64> = self.database.row("SELECT count() FROM rollout_events")?;
                // By their share of all events, since nobody knows what a trace takes when it is compressed.
                let of_event = used as f64 / all.unwrap_or(0).max(1) as f64;
                let over = (used - most) as f64;
                let mut freed = 0.0;
                let mut old = self.oldest("")?;
                let enough = old.iter().position(|trace| {
                    freed += trace.events as f64 * of_event;
                    freed >= over
                });
                if let Some(last) = enough {
                    old.truncate(last + 1);
                }
                gone += self.delete(&old)?;
            }
        }
        Ok(gone)
    }

    fn oldest(&self, bound: &str) -> Result<Vec<Old>, StoreError> {
        self.database.rows(&format!(
            "SELECT trace, version AS events FROM rollout_traces FINAL
             WHERE NOT gone AND status <> 'running'{bound}
                AND born < (SELECT max(born) FROM rollout_traces FINAL WHERE NOT gone)
             ORDER BY sort_at, born LIMIT {AT_ONCE}"
        ))
    }

    fn delete(&self, traces: &[Old]) -> Result<u64, StoreError> {
        if traces.is_empty() {
            return Ok(0);
        }
        let keys: Vec<String> = traces.iter().map(|old| old.trace.clone()).collect();
        for table in TABLES {
            let statement = format!(
                "ALTER TABLE {table}{{cluster}} DELETE WHERE trace IN {} SETTINGS mutations_sync = 2",
                list(keys.iter().map(String::as_str))
            );
            // What is not in braces of ours is text of traces.
            let (head, tail) = statement.split_at(statement.find(" DELETE").unwrap_or(0));
            let head = filled(head, self.database.address.cluster.as_deref());
            self.database
                .execute(&format!("{head}{tail}"), false)
                .map_err(|error| self.database.refusal(&error))?;
        }
        self.forget(&keys);
        self.changed();
        Ok(keys.len() as u64)
    }

    /// Asks for the bytes that the tables take in the database, compressed.
    pub(super) fn weigh(&self) -> Result<u64, StoreError> {
        let bytes: Option<u64> = self.database.row(
            "SELECT sum(bytes_on_disk) FROM system.parts
             WHERE active AND database = currentDatabase() AND table IN
                ('rollout_events', 'rollout_traces', 'rollout_texts', 'rollout_writers', 'rollout_registry')",
        )?;
        let bytes = bytes.unwrap_or(0);
        self.size.store(bytes, Ordering::Relaxed);
        Ok(bytes)
    }
}
