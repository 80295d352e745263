//! What a span costs as a trace grows, and as threads are added.

use std::sync::Barrier;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::child::Task;
use crate::contender::{Contender, Kind, LEAVES, Mode, SPANS, Shape, Values};
use crate::graph::Graph;
use crate::measure::{median, thread_time};
use crate::table::{Table, at_least, figure};

/// Who is in the graph.
pub const KINDS: [Kind; 3] = [Kind::Rollout, Kind::Fastrace, Kind::TracingOpentelemetry];

/// Leaves of a tree.
const SIZES: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// Threads that record at a time.
const THREADS: [u64; 3] = [1, 2, 4];

/// Spans of a sample, at least.
const SAMPLE: u64 = 5_000;

const SAMPLES: usize = 9;

/// Trees that each thread records between two drains.
const TREES: u64 = 50;

/// Nanoseconds per span, and the share of spans that reached the exporter, by size or number of threads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found(Vec<(u64, f64, f64)>);

/// Trees of different sizes.
pub fn sizes(kind: Kind) -> Found {
    let room = SIZES.iter().max().copied().unwrap_or(0) as usize;
    let contender = kind.start(Mode::On, room + SAMPLE as usize).unwrap();
    let bare = Kind::Bare.start(Mode::Off, 0).unwrap();
    let values = Values::default();
    let measure = |size: u64| {
        let trees = SAMPLE.div_ceil(size + 1);
        let run = |who: &dyn Contender| {
            for _ in 0..trees {
                who.tree(Shape::Sync, size, &values);
            }
        };
        let before = contender.counted();
        let sample = || {
            let without = thread_time(|| run(&*bare));
            let with = thread_time(|| run(&*contender));
            contender.drain();
            (with - without) / (trees * (size + 1)) as f64
        };
        let samples: Vec<f64> = (0..SAMPLES).map(|_| sample()).collect();
        let expected = SAMPLES as u64 * trees * contender.expected(size);
        let share = (contender.counted() - before) as f64 / expected as f64;
        (size, median(&samples[1..]), share)
    };
    Found(SIZES.map(measure).to_vec())
}

/// Different numbers of threads.
pub fn threads(kind: Kind) -> Found {
    let most = THREADS.iter().max().copied().unwrap_or(0);
    let room = most * TREES * SPANS;
    let contender = kind.start(Mode::On, room as usize).unwrap();
    let bare = Kind::Bare.start(Mode::Off, 0).unwrap();
    let values = Values::default();
    let run = |who: &dyn Contender| {
        for _ in 0..TREES {
            who.tree(Shape::Sync, LEAVES, &values);
        }
    };
    let measure = |threads: u64| {
        let before = contender.counted();
        let barrier = Barrier::new(threads as usize + 1);
        let record = || {
            let sample = || {
                barrier.wait();
                let without = thread_time(|| run(&*bare));
                let with = thread_time(|| run(&*contender));
                barrier.wait();
                (with - without) / (TREES * SPANS) as f64
            };
            (0..SAMPLES).map(|_| sample()).collect::<Vec<f64>>()
        };
        let samples = thread::scope(|scope| {
            let recording: Vec<_> = (0..threads).map(|_| scope.spawn(record)).collect();
            for _ in 0..SAMPLES {
                barrier.wait();
                barrier.wait();
                contender.drain();
            }
            let found = recording.into_iter().map(|thread| thread.join().unwrap());
            found
                .flat_map(|found| found[1..].to_vec())
                .collect::<Vec<_>>()
        });
        contender.drain();
        let expected = threads * SAMPLES as u64 * TREES * contender.expected(LEAVES);
        let share = (contender.counted() - before) as f64 / expected as f64;
        (threads, median(&samples), share)
    };
    Found(THREADS.map(measure).to_vec())
}

/// What was measured of everybody: by size, and by threads.
pub struct Everybody {
    sizes: Vec<(Kind, Found)>,
    threads: Vec<(Kind, Found)>,
}

impl Everybody {
    /// Measures.
    pub fn measure() -> Self {
        Self {
            sizes: KINDS.map(|kind| (kind, Task::Sizes(kind).run())).into(),
            threads: KINDS.map(|kind| (kind, Task::Threads(kind).run())).into(),
        }
    }

    /// As tables.
    pub fn tables(&self) -> Vec<Table> {
        let heads = |first| {
            let names = KINDS.iter().map(|kind| kind.name());
            std::iter::once(first).chain(names).collect::<Vec<&str>>()
        };
        let mut sizes = Table::new(
            "A span, by the size of its trace",
            "CPU time of the calling thread as above, of trees of one root and so many leaves. In brackets how many of the \
             spans reached the exporter, where that is not all of them.",
            &heads("spans of the trace"),
        );
        rows(&mut sizes, &self.sizes, |size| format!("1 + {size}"));
        let mut threads = Table::new(
            "A span, by the number of threads",
            "CPU time of each thread that records, while so many do so at a time. The last row: how many spans two \
             producers record in the CPU time of one, each on a core of its own.",
            &heads("threads"),
        );
        rows(&mut threads, &self.threads, |threads| threads.to_string());
        let cells = self.threads.iter().map(|(kind, found)| {
            let of = |threads| found.0.iter().find(|(its, ..)| *its == threads);
            let both = of(1).zip(of(2));
            let gain = both.map_or(f64::NAN, |(one, two)| 2.0 * one.1 / two.1);
            match kind {
                Kind::Rollout => at_least(gain, 1.8, 2),
                _ => figure(gain),
            }
        });
        threads.row(std::iter::once("2 / 1".to_owned()).chain(cells));
        vec![sizes, threads]
    }

    /// As a picture.
    pub fn svg(&self) -> String {
        let lines = |found: &[(Kind, Found)]| {
            let line = |(kind, found): &(Kind, Found)| {
                let points = found.0.iter().map(|(at, cost, _)| (*at, *cost)).collect();
                (kind.name(), points)
            };
            found.iter().map(line).collect()
        };
        let (sizes, threads) = (lines(&self.sizes), lines(&self.threads));
        Graph {
            title: "ns of the calling thread per span",
            panels: [
                ("spans of a trace", sizes),
                ("threads that record", threads),
            ],
        }
        .svg()
    }
}

fn rows(table: &mut Table, found: &[(Kind, Found)], what: impl Fn(u64) -> String) {
    let Some((_, first)) = found.first() else {
        return;
    };
    for (index, (at, ..)) in first.0.iter().enumerate() {
        let cells = found.iter().map(|(_, found)| match found.0.get(index) {
            Some((_, cost, share)) if *share < 0.9995 => {
                format!("{} ({} %)", figure(*cost), figure(share * 100.0))
            }
            Some((_, cost, _)) => figure(*cost),
            None => "–".to_owned(),
        });
        table.row(std::iter::once(what(*at)).chain(cells));
    }
}
