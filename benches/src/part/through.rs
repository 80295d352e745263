//! From the program to the other side: how fast, at what cost, and what is lost.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rollout::{Client, ExporterKind, SpoolKind};
use serde::{Deserialize, Serialize};

use crate::child::Task;
use crate::contender::{Counting, Kind, LEAVES, Mode, SPANS, Shape, Sink, Values, recording};
use crate::measure::{cpu_of_children, own_cpu, peak_memory, thread_time};
use crate::server::{self, Server};
use crate::table::{Table, at_least, at_most, count, figure};

/// How long a million spans a second go on.
const PACED: Duration = Duration::from_secs(10);

/// Spans a second.
const PACE: u64 = 1_000_000;

/// Between two bursts of a producer with a pace.
const BEAT: Duration = Duration::from_millis(1);

/// How long a producer goes on as fast as it can.
const FLAT_OUT: Duration = Duration::from_secs(3);

/// Spans to the spool on disk, and to a server.
const SPANS_TO_DISK: u64 = 1_000_000;

/// Spans a second to a server, which is more than it stores.
const SERVE_PACE: u64 = 200_000;

/// Longer than any flush takes.
const FLUSH: Duration = Duration::from_mins(5);

/// What became of what was recorded.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// Spans that the program has had.
    spans: u64,
    /// Events, or spans where somebody knows no events: recorded, arrived, and counted as lost.
    recorded: u64,
    arrived: u64,
    lost: u64,
    /// What somebody who counts has seen: spans, or events, among which are also lines that tell of losses.
    seen: Option<u64>,
    /// Seconds of the producer, and until everything had arrived.
    produced: f64,
    took: f64,
    /// CPU seconds of all threads, and of the one that records.
    cpu: f64,
    producer: f64,
    /// MiB.
    peak: f64,
    /// CPU seconds and MiB of the server, where there is one.
    server: Option<(f64, f64)>,
}

impl Found {
    /// Spans a second that arrived.
    fn rate(&self) -> f64 {
        self.arrived as f64 / self.recorded as f64 * self.spans as f64 / self.took
    }

    /// How many are neither there nor counted as lost.
    fn unaccounted(&self) -> i64 {
        self.recorded.cast_signed() - (self.arrived + self.lost).cast_signed()
    }

    fn cpu_per_million(&self) -> f64 {
        self.cpu / (self.spans as f64 / 1e6)
    }

    fn producer_per_million(&self) -> f64 {
        self.producer / (self.spans as f64 / 1e6)
    }
}

/// Records trees, in bursts where there is a pace, until the time is over or there are enough. Returns how many.
fn produce(tree: impl Fn(), pace: Option<u64>, time: Duration, most: u64) -> u64 {
    let began = Instant::now();
    let mut trees = 0;
    while trees < most {
        let elapsed = began.elapsed();
        if elapsed >= time {
            break;
        }
        let due = match pace {
            Some(pace) => (elapsed.as_secs_f64() * pace as f64) as u64 / SPANS,
            None => trees + 10,
        };
        while trees < due.min(most) {
            tree();
            trees += 1;
        }
        if pace.is_some() {
            thread::sleep(BEAT);
        }
    }
    trees
}

/// Records by a client, and asks it what has become of that.
fn record(client: &Client, pace: Option<u64>, time: Duration, most: u64) -> Found {
    let contender = Kind::Rollout.start(Mode::Off, 0).expect("it can be off");
    let values = Values::default();
    let tree = || contender.tree(Shape::Sync, LEAVES, &values);
    let (cpu, began) = (own_cpu(), Instant::now());
    let mut trees = 0;
    let producer = thread_time(|| trees = produce(tree, pace, time, most / SPANS));
    let produced = began.elapsed().as_secs_f64();
    let report = client.blocking_flush(FLUSH).unwrap();
    let (took, stats) = (began.elapsed().as_secs_f64(), client.stats());
    let is_delivered = !stats.exporters.is_empty() || stats.spooled > 0;
    Found {
        spans: trees * SPANS,
        // A start and an end of the trace and of each span.
        recorded: trees * 2 * (SPANS + 1),
        // A processor sees whatever the worker has taken from the queues.
        arrived: if is_delivered {
            report.delivered
        } else {
            stats.recorded
        },
        lost: if is_delivered {
            report.lost
        } else {
            stats.dropped.values().sum()
        },
        seen: None,
        produced,
        took,
        cpu: own_cpu() - cpu,
        producer: producer / 1e9,
        peak: peak_memory("self"),
        server: None,
    }
}

/// A million spans a second for ten seconds, to somebody who counts.
pub fn paced(sink: Sink) -> Found {
    let counted = Counting::default();
    let client = recording(&counted, sink).init().unwrap();
    let mut found = record(&client, Some(PACE), PACED, u64::MAX);
    found.seen = Some(counted.seen());
    found
}

/// As many as one thread can record in a few seconds, to somebody who counts.
pub fn flat_out(kind: Kind, sink: Sink) -> Found {
    if kind == Kind::Rollout {
        let counted = Counting::default();
        let client = recording(&counted, sink).init().unwrap();
        let mut found = record(&client, None, FLAT_OUT, u64::MAX);
        found.seen = Some(counted.seen());
        return found;
    }
    let contender = kind.start(Mode::On, 8 * 1024).expect("everybody can be on");
    let values = Values::default();
    let (cpu, began) = (own_cpu(), Instant::now());
    let tree = || contender.tree(Shape::Sync, LEAVES, &values);
    let mut trees = 0;
    let producer = thread_time(|| trees = produce(tree, None, FLAT_OUT, u64::MAX));
    let produced = began.elapsed().as_secs_f64();
    contender.drain();
    Found {
        spans: trees * SPANS,
        recorded: trees * contender.expected(LEAVES),
        arrived: contender.counted(),
        lost: 0,
        seen: None,
        produced,
        took: began.elapsed().as_secs_f64(),
        cpu: own_cpu() - cpu,
        producer: producer / 1e9,
        peak: peak_memory("self"),
        server: None,
    }
}

/// A million spans as fast as one thread records them, to the spool on disk.
pub fn spool() -> Found {
    let dir = tempfile::tempdir().unwrap();
    let client = rollout::builder()
        .dir(dir.path())
        .spool(SpoolKind::Disk)
        .exporters([ExporterKind::Local])
        .init()
        .unwrap();
    record(&client, None, Duration::MAX, SPANS_TO_DISK)
}

/// A million spans to a server over loopback.
pub fn serve(program: &Path) -> Found {
    let (ours, its) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(program, its.path());
    let client = rollout::builder()
        .dir(ours.path())
        .endpoint(server.address())
        .exporters([ExporterKind::Http])
        .init()
        .unwrap();
    let mut found = record(&client, Some(SERVE_PACE), Duration::MAX, SPANS_TO_DISK);
    drop(client);
    let peak = peak_memory(&server.id());
    drop(server);
    found.server = Some((cpu_of_children(), peak));
    found
}

/// What one producer gets through to somebody who counts.
pub fn exporter() -> Vec<Table> {
    vec![paced_table(), flat_out_table()]
}

/// What it gets through to the spool, and to a server.
pub fn store() -> Vec<Table> {
    vec![store_table()]
}

fn paced_table() -> Table {
    let [spans, events] =
        [Sink::Processor, Sink::Exporter].map(|sink| Task::Paced(sink).run::<Found>());
    let mut table = Table::new(
        "A million spans a second",
        "One producer for ten seconds, in bursts every millisecond, with all bounds as they are by default: to a span \
         processor that counts, and to an exporter that does, with the spool in memory. The exporter gets a start and an \
         end of each span as JSON. Peak memory is that of the whole process.",
        &["", "to a processor", "to an exporter"],
    );
    let both = |of: &dyn Fn(&Found) -> String| [of(&spans), of(&events)];
    let mut row = |what: &str, cells: [String; 2]| {
        table.row(std::iter::once(what.to_owned()).chain(cells));
    };
    row("spans recorded", both(&|found| count(found.spans)));
    row(
        "spans recorded a second",
        both(&|found| figure(found.spans as f64 / found.produced)),
    );
    row(
        "events recorded (two of each span and trace)",
        both(&|found| count(found.recorded)),
    );
    row("of these, arrived", both(&|found| count(found.arrived)));
    row("spans, or events, as they are counted there", both(&seen));
    row(
        "events lost, and counted as lost",
        [at_most(spans.lost as f64, 0.0, 0), count(events.lost)],
    );
    row(
        "neither there nor counted as lost",
        both(&|found| at_most(found.unaccounted().abs() as f64, 0.0, 0)),
    );
    row(
        "seconds until the last one was there",
        both(&|found| figure(found.took - found.produced)),
    );
    row(
        "CPU seconds per million spans, all threads",
        both(&|found| figure(found.cpu_per_million())),
    );
    row(
        "of these, the producer's",
        both(&|found| figure(found.producer_per_million())),
    );
    row(
        "peak memory, MiB",
        [at_most(spans.peak, 64.0, 1), figure(events.peak)],
    );
    table
}

fn flat_out_table() -> Table {
    let [spans, events, theirs] = [
        (Kind::Rollout, Sink::Processor),
        (Kind::Rollout, Sink::Exporter),
        (Kind::Fastrace, Sink::Exporter),
    ]
    .map(|(kind, sink)| Task::FlatOut(kind, sink).run::<Found>());
    let mut table = Table::new(
        "As fast as one thread records",
        "One producer for three seconds, then a flush. The rate is that of spans which arrived, over all of that time. \
         rollout drops what does not fit into its bound of 64 MiB and counts it; its exporters get a start and an end of \
         each span as JSON. fastrace has no bound, and reports a span when it is over.",
        &["", "to a processor", "to an exporter", "fastrace"],
    );
    let all = |of: &dyn Fn(&Found) -> String| [of(&spans), of(&events), of(&theirs)];
    let mut row = |what: &str, cells: [String; 3]| {
        table.row(std::iter::once(what.to_owned()).chain(cells));
    };
    row("spans recorded", all(&|found| count(found.spans)));
    let rates = [
        at_least(spans.rate(), 5e6, 0),
        figure(events.rate()),
        figure(theirs.rate()),
    ];
    row("spans a second that arrived", rates);
    row(
        "events (fastrace: spans) that arrived",
        all(&|found| count(found.arrived)),
    );
    row("spans, or events, as they are counted there", all(&seen));
    row(
        "counted as lost, %",
        all(&|found| percent(found.lost, found)),
    );
    row(
        "neither there nor counted as lost",
        [
            at_most(spans.unaccounted().abs() as f64, 0.0, 0),
            at_most(events.unaccounted().abs() as f64, 0.0, 0),
            count(theirs.unaccounted().unsigned_abs()),
        ],
    );
    row(
        "CPU seconds per million spans, all threads",
        all(&|found| figure(found.cpu_per_million())),
    );
    row(
        "of these, the producer's",
        all(&|found| figure(found.producer_per_million())),
    );
    row("peak memory, MiB", all(&|found| figure(found.peak)));
    table
}

fn store_table() -> Table {
    let spool: Found = Task::Spool.run();
    let served: Found = Task::Serve(server::build_server()).run();
    let mut table = Table::new(
        "A million spans to where they stay",
        "To the spool on disk, as fast as one thread records them; and through it to `rollout serve` on the same machine, \
         over loopback, from a producer of 200,000 spans a second, until the last event is committed there. \
         The rate is that of what arrived, over all of that time; each span is two events of JSON.",
        &["", "to the spool", "to `rollout serve`"],
    );
    let mut row = |what: &str, cells: [String; 2]| {
        table.row(std::iter::once(what.to_owned()).chain(cells));
    };
    let both = |of: &dyn Fn(&Found) -> String| [of(&spool), of(&served)];
    row("spans recorded", both(&|found| count(found.spans)));
    row(
        "spans a second",
        [at_least(spool.rate(), 5e5, 0), figure(served.rate())],
    );
    row(
        "counted as lost, %",
        both(&|found| percent(found.lost, found)),
    );
    row(
        "neither there nor counted as lost",
        both(&|found| at_most(found.unaccounted().abs() as f64, 0.0, 0)),
    );
    row(
        "CPU seconds per million spans, all threads",
        both(&|found| figure(found.cpu_per_million())),
    );
    row(
        "of these, the producer's",
        both(&|found| figure(found.producer_per_million())),
    );
    row("peak memory, MiB", both(&|found| figure(found.peak)));
    let server = |of: fn(&(f64, f64)) -> f64| figure(served.server.as_ref().map_or(f64::NAN, of));
    row(
        "CPU seconds per million spans, of the server",
        ["–".to_owned(), server(|it| it.0)],
    );
    row(
        "peak memory of the server, MiB",
        ["–".to_owned(), server(|it| it.1)],
    );
    table
}

fn seen(found: &Found) -> String {
    count(found.seen.unwrap_or(found.arrived))
}

fn percent(events: u64, found: &Found) -> String {
    figure(events as f64 / found.recorded as f64 * 100.0)
}
