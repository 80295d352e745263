//! What must hold for whatever bytes come in. `fuzz/` has a libFuzzer target for each function; `tests/fuzz.rs` runs
//! them over the seeds and over mutations of these on a stable toolchain.

mod answering;
mod filter;
mod hostile;
mod mutate;
mod otlp;
mod propagation;
mod sse;

use std::cell::LazyCell;
use std::fs;
use std::path::Path;

use rollout::{
    Batch, Builder, Client, Config, ExportFuture, Exporter, MemoryExporter, Receipt, SpoolKind,
};
use rollout_server::ingest::{Encoding, receive, sync_once};
use rollout_server::open_store;
use tempfile::TempDir;

pub use self::filter::filter;
pub use self::hostile::Hostile;
pub use self::mutate::Mutator;
pub use self::otlp::otlp;
pub use self::propagation::propagation;
pub use self::sse::sse;
use crate::DEADLINE;

/// A request's body; its first byte says in which encoding. Every event of a batch that is taken is either good, or
/// named by its place.
pub fn ingest(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let encoding = match first % 4 {
        0 => Encoding::Gzip,
        1 => Encoding::Zstd,
        _ => Encoding::Identity,
    };
    if let Ok(received) = receive(body, encoding) {
        let all = received.events.len() + received.errors.len();
        assert!((1..=1000).contains(&all));
        assert!(received.errors.iter().all(|error| error.index < all as u64));
        let places = received.errors.iter().map(|error| error.index);
        assert!(places.is_sorted_by(|one, next| one < next));
        // What is taken can be written again.
        for event in &received.events {
            serde_json::to_string(event).expect("an event is JSON");
        }
    }
}

/// The event that a line is, or that hangs on the rest of another one.
fn whole_event(line: &[u8]) -> Option<&[u8]> {
    const BEGIN: &[u8] = br#"{"event_id":""#;
    let last = line.windows(BEGIN.len()).rposition(|bytes| bytes == BEGIN);
    let is_event = |text: &&[u8]| {
        text.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
    };
    let hanging = last.map(|at| &line[at..]);
    Some(line).filter(is_event).or(hanging.filter(is_event))
}

/// What a dead process has left: its first byte says how much of the rest is its cursor, what follows is its segment.
/// The next process hands over whole lines only, all of them if the cursor is damaged, and says of others what is lost
/// with them; the server reads what it can.
pub fn spool(data: &[u8]) {
    let (length, rest) = data.split_first().unwrap_or((&0, &[]));
    let (cursor, segment) = rest.split_at(usize::from(*length).min(rest.len()));
    let dir = tempfile::tempdir().expect("a folder");
    let left = Left::write(dir.path(), cursor, segment);
    let store = open_store(dir.path()).expect("a store");
    sync_once(dir.path(), &store).expect("it is read");
    drop(store);
    let sent = left.taken_over();
    let whole = segment
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    let lines = || {
        segment[..whole]
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
    };
    if serde_json::from_slice::<serde_json::Value>(cursor).is_err() {
        let mut whole = lines().filter_map(whole_event).peekable();
        for line in &sent {
            if whole.next_if_eq(&line.as_slice()).is_none() {
                assert!(line.starts_with(br#"{"event_id":"evt_lost_"#));
            }
        }
        assert_eq!(whole.next(), None);
    } else {
        assert!(sent.len() <= lines().count());
    }
}

struct Left<'a> {
    dir: &'a Path,
}

impl<'a> Left<'a> {
    fn write(dir: &'a Path, cursor: &[u8], segment: &[u8]) -> Self {
        let folder = dir.join("spool/20260102T030405.000000Z-1-00000000");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("lock"), "").expect("a file");
        fs::write(folder.join("fuzz.cursor"), cursor).expect("a file");
        fs::write(folder.join("00000001.ndjson"), segment).expect("a file");
        Self { dir }
    }

    /// The events that the next process hands over.
    fn taken_over(&self) -> Vec<Vec<u8>> {
        let (sender, sent) = std::sync::mpsc::channel();
        let client = crate::events::builder()
            .dir(self.dir)
            .exporter(Box::new(Next(sender)))
            .build()
            .expect("a client");
        let report = client.blocking_shutdown(DEADLINE).expect("a report");
        assert!(!report.timed_out, "{report:?}");
        sent.try_iter().collect()
    }
}

/// Says which events it was given.
struct Next(std::sync::mpsc::Sender<Vec<u8>>);

impl Exporter for Next {
    fn name(&self) -> &'static str {
        "fuzz"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        for event in batch.events() {
            self.0.send(event.to_vec()).expect("somebody listens");
        }
        Box::pin(std::future::ready(Ok(Receipt::all())))
    }

    fn resumes(&self) -> bool {
        true
    }
}

/// A `rollout.toml`. What is refused says where; what is taken holds what it promises.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Config::from_toml(text) {
        Ok(config) => {
            assert!(config.dir().is_absolute());
            assert!((0.0..=1.0).contains(&config.sample_rate()));
            assert!(config.max_queue_bytes() > 0 && config.max_spool_bytes() > 0);
            let shown = format!("{config:?}");
            if let Some(key) = config.api_key() {
                let key = key.as_str();
                assert!(
                    key.len() < 16 || !shown.contains(key),
                    "a key is never shown"
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The bound of a captured value here.
const VALUE_BYTES: u64 = 4096;

struct Recording {
    client: Client,
    memory: MemoryExporter,
    _dir: TempDir,
}

impl Recording {
    fn new(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let memory = MemoryExporter::new();
        let dir = tempfile::tempdir().expect("a folder");
        let client = configure(crate::events::builder())
            .dir(dir.path())
            .spool(SpoolKind::Memory)
            .exporter(Box::new(memory.clone()))
            .build()
            .expect("a client");
        Self {
            client,
            memory,
            _dir: dir,
        }
    }
}

thread_local! {
    static CLIENT: LazyCell<Recording> =
        LazyCell::new(|| Recording::new(|builder| builder.max_value_bytes(VALUE_BYTES)));
}

/// A value that does with its serializer what the bytes say. The call goes on, and what is recorded is JSON within
/// its bound.
pub fn capture(data: &[u8]) {
    capture_of(&Hostile::new(data, true));
}

/// The same without panics, for libFuzzer, which ends at one whoever would catch it.
pub fn capture_calmly(data: &[u8]) {
    capture_of(&Hostile::new(data, false));
}

fn capture_of(value: &Hostile<'_>) {
    CLIENT.with(|recording| {
        let trace = recording.client.trace("hostile").start();
        trace.in_scope(|| {
            rollout::signal("hostile", value);
            rollout::feedback("after", &1);
        });
        trace.end();
        let report = recording.client.blocking_flush(DEADLINE).expect("a report");
        assert!(report.is_complete(), "{report:?}");
        let events = recording.memory.events();
        recording.memory.clear();
        let after = events.iter().filter(|event| event["name"] == "after");
        assert_eq!(after.count(), 1, "what follows is recorded");
        for event in &events {
            // A byte of a text takes six at most as JSON.
            let length = event.to_string().len() as u64;
            assert!(length < 8 * VALUE_BYTES, "{length} bytes");
        }
    });
}

/// One of the functions, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("ingest", ingest),
    ("otlp", otlp),
    ("spool", spool),
    ("configuration", configuration),
    ("capture", capture),
    ("sse", sse),
    ("propagation", propagation),
    ("filter", filter),
];

/// What to begin with.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let framed = |first: u8, body: &[u8]| [&[first], body].concat();
    match target {
        "ingest" => crate::wire::recordings()
            .iter()
            .map(|file| crate::wire::recording(file))
            .flat_map(|body| [framed(2, &body), framed(0, &crate::wire::gzip(&body))])
            .collect(),
        "otlp" => {
            let request = otlp::seed();
            let (protobuf, json) = (crate::otlp::protobuf(&request), crate::otlp::json(&request));
            vec![
                framed(0, &protobuf),
                framed(2, &crate::wire::gzip(&protobuf)),
                framed(1, &json),
                framed(3, &crate::wire::gzip(&json)),
            ]
        }
        "spool" => {
            let lines: Vec<u8> = crate::wire::recordings()
                .iter()
                .filter_map(|file| serde_json::from_slice(&crate::wire::recording(file)).ok())
                .filter_map(|batch: serde_json::Value| batch["events"].as_array().cloned())
                .flatten()
                .take(12)
                .flat_map(|event| format!("{event}\n").into_bytes())
                .collect();
            let cursor = br#"{"segment":1,"offset":0}"#;
            let end = format!(r#"{{"segment":1,"offset":{}}}"#, lines.len());
            vec![
                framed(0, &lines),
                framed(cursor.len() as u8, &[cursor.as_slice(), &lines].concat()),
                framed(end.len() as u8, &[end.as_bytes(), &lines].concat()),
                framed(0, &lines[..lines.len() - 10]),
                framed(0, b"\n\n{}\nnonsense\n\xff\xfe\n{\"event_id\":"),
                framed(3, b"{}\n"),
            ]
        }
        "configuration" => [
            "dir = \"here\"\nsample_rate = 0.5\nflush_at = 10\nenabled = true\n",
            "api_key = \"sk-0123456789abcdef\"\nbase_url = \"http://localhost:4747/path/\"\n",
            "exporters = [\"local\", \"http\"]\nbase_url = \"https://user:pass@example.test\"\n",
            "max_spool_bytes = \"1 GiB\"\nmax_queue_bytes = \"64 KiB\"\nspool = \"memory\"\n",
            "flush_interval = 1e308\ntimeout = -1\nflush_at = 99999999999999999999\n",
            "[table]\nkey = 1979-05-27\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "sse" => sse::seeds(),
        "propagation" => propagation::seeds(),
        "filter" => filter::seeds(),
        _ => (0..=255)
            .map(|operation| vec![operation, 3, operation, 200, 1, 7])
            .collect(),
    }
}
