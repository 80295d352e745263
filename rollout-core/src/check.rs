//! Whether events would arrive: a diagnostic batch sent past the queue, or a line written to the
//! spool and read back.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::{Config, SpoolKind};
use crate::event::EventBatchError;
use crate::spool::{Spool, SpoolOptions, runs_of};
use crate::stats::Counters;

/// What `check` found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckResult {
    /// Whether everything was taken.
    pub ok: bool,
    /// Diagnostic events that were taken; three where there is an ingest API.
    pub accepted: u64,
    /// Diagnostic events that were refused.
    pub rejected: u64,
    /// Why, for each refused event.
    pub errors: Vec<EventBatchError>,
    /// What was done and how it went, in words; on failure, what to do.
    pub message: String,
}

impl CheckResult {
    /// There was nobody to ask.
    pub(crate) fn stopped(enabled: bool) -> Self {
        Self::failed(if enabled {
            "the client has been shut down, or did not answer in time".into()
        } else {
            "rollout is switched off: set ROLLOUT_ENABLED=true and leave ROLLOUT_DISABLED unset"
                .into()
        })
    }

    fn failed(message: String) -> Self {
        Self {
            ok: false,
            accepted: 0,
            rejected: 0,
            errors: Vec::new(),
            message,
        }
    }
}

/// Sends the diagnostic batch to the ingest API, or tries the spool if there is none. Must run
/// inside the worker's runtime.
#[cfg_attr(
    not(feature = "http"),
    expect(
        clippy::unused_async,
        reason = "there is a network to wait for with `http` only"
    )
)]
pub(crate) async fn check(config: &Config) -> CheckResult {
    #[cfg(feature = "http")]
    if config.base_url().is_some() {
        return send(config).await;
    }
    try_spool(config)
}

#[cfg(feature = "http")]
async fn send(config: &Config) -> CheckResult {
    use std::fmt::Write as _;

    use crate::export::{Batch, HttpExporter};

    let address = config.base_url().unwrap_or_default();
    let mut exporter = match HttpExporter::new(config) {
        Ok(exporter) => exporter,
        Err(error) => return CheckResult::failed(error.to_string()),
    };
    let batch = Batch::from_lines(&lines(config));
    let total = batch.len() as u64;
    match exporter.post(&batch).await {
        Ok(answer) => {
            let accepted = answer.accepted;
            let mut message = format!("{address} took {accepted} of {total} diagnostic events");
            if let Some(first) = answer.errors.first() {
                // Writing to a String cannot fail.
                let _ = write!(message, "; {}: {}", first.code, first.message);
            }
            CheckResult {
                ok: accepted == total && answer.rejected == 0,
                accepted,
                rejected: answer.rejected,
                errors: answer.errors,
                message,
            }
        }
        Err(error) => CheckResult::failed(format!("{address} did not take the events: {error}")),
    }
}

/// Writes the diagnostic events to a spool of their own and reads them back.
fn try_spool(config: &Config) -> CheckResult {
    let place = config.dir().display();
    if config.spool() == SpoolKind::Memory {
        return CheckResult {
            ok: true,
            accepted: 0,
            rejected: 0,
            errors: Vec::new(),
            message: "no address is set and the spool is in memory: events reach this process's \
                      own exporters only"
                .into(),
        };
    }
    let options = SpoolOptions {
        dir: config.dir().to_owned(),
        kind: SpoolKind::Disk,
        keep: false,
        max_disk_bytes: config.max_spool_bytes(),
        max_memory_bytes: config.max_queue_bytes(),
    };
    let mut spool = Spool::open(options, Arc::new(Counters::default()));
    let lines = lines(config);
    let reader = spool.add_reader("check", false);
    spool.append(&lines, &runs_of(&lines));
    let on_disk = spool.is_on_disk();
    let read = spool.read(reader, lines.len(), 3);
    spool.advance(reader, None);
    spool.close();
    if on_disk && read.is_some_and(|chunk| chunk.lines == lines) {
        CheckResult {
            ok: true,
            accepted: 3,
            rejected: 0,
            errors: Vec::new(),
            message: format!(
                "no address is set; 3 diagnostic events were written to the spool in {place} and \
                 read back"
            ),
        }
    } else {
        CheckResult::failed(format!(
            "the spool in {place} cannot be written and read: set ROLLOUT_DIR to a folder that can"
        ))
    }
}

/// The three diagnostic events, one per line.
fn lines(config: &Config) -> Vec<u8> {
    let id = uuid();
    let now = Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string();
    let event = |index: u64, kind: &str, word: &str| {
        let mut event = json!({
            "event_id": format!("evt_check_{word}_{id}"),
            "event_type": kind,
            "trace_id": format!("trace_check_{id}"),
            "sequence": index,
            "occurred_at": now,
            "name": "rollout.sdk.check",
            "schema_version": crate::event::SCHEMA_VERSION,
            "attributes": { "diagnostic": true, "rollout_check": true },
            "agent": agent(config),
        });
        match kind {
            "trace.start" => event["started_at"] = json!(now),
            "trace.end" => {
                event["started_at"] = json!(now);
                event["ended_at"] = json!(now);
                event["duration_ms"] = json!(0.0);
                event["status"] = json!("ok");
                event["outcome"] = json!({ "success": true, "status": "ok" });
            }
            _ => {
                event["attributes"]["metric_name"] = json!("ingestion_check");
                event["attributes"]["value"] = json!(1);
            }
        }
        event.to_string() + "\n"
    };
    [
        event(1, "trace.start", "start"),
        event(2, "metric", "metric"),
        event(3, "trace.end", "end"),
    ]
    .concat()
    .into_bytes()
}

fn agent(config: &Config) -> Value {
    let fields = [
        ("id", config.agent_id()),
        ("name", config.agent_name()),
        ("version", config.agent_version()),
        ("deployment", config.deployment()),
        ("environment", config.environment()),
    ];
    fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))))
        .collect()
}

fn uuid() -> String {
    crate::export::uuid(fastrand::u128(..))
}
