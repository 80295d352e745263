//! The caller's side: what a span costs the thread that it is on, net of the bare function.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::child::Task;
use crate::contender::{Contender, Kind, LEAVES, Mode, SPANS, Shape, Values};
use crate::measure::{median, minimum, process_time, thread_time};
use crate::table::{Table, at_most, count, figure};

/// Processes of each contender, in turn with those of the others.
pub const ROUNDS: usize = 5;

/// Samples of a process, of each shape.
const SAMPLES: usize = 15;

/// Samples before those, which are forgotten.
const WARM_UP: usize = 5;

/// Trees of a sample, after which the queues are drained.
const TREES: u64 = 50;

/// The same where nothing is recorded.
const TREES_UNRECORDED: u64 = 300;

/// What is measured where nothing is recorded.
const UNRECORDED: [Shape; 3] = [Shape::Sync, Shape::Async, Shape::Deep];

/// Spans that a contender must have room for.
const ROOM: usize = 8 * 1024;

/// What a process found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    cases: Vec<Case>,
    /// What the exporter has counted, and what it should have.
    counted: (u64, u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Case {
    shape: Shape,
    /// Nanoseconds of the calling thread per span, by sample.
    caller: Vec<f64>,
    /// Nanoseconds of all threads per span, by sample, with what is done until the exporter has it.
    everywhere: Vec<f64>,
}

/// Measures one contender. `None` where there is no such mode.
pub fn measure(kind: Kind, mode: Mode) -> Option<Found> {
    let contender = kind.start(mode, ROOM)?;
    let bare = Kind::Bare.start(Mode::Off, 0)?;
    let values = Values::default();
    let recorder = Kind::RECORDERS.contains(&kind);
    let (trees, shapes) = match mode {
        Mode::On => (TREES, kind.shapes()),
        _ if recorder => (TREES_UNRECORDED, &UNRECORDED[..]),
        _ => (TREES_UNRECORDED, kind.shapes()),
    };
    let case = |&shape| Case {
        shape,
        caller: Vec::new(),
        everywhere: Vec::new(),
    };
    let mut cases: Vec<Case> = shapes.iter().map(case).collect();
    let mut recorded = 0;
    for case in &mut cases {
        let run = |who: &dyn Contender| {
            for _ in 0..trees {
                who.tree(case.shape, LEAVES, &values);
            }
        };
        for sample in 0..WARM_UP + SAMPLES {
            let without = thread_time(|| run(&*bare));
            let mut with = 0.0;
            let everywhere = process_time(|| {
                with = thread_time(|| run(&*contender));
                contender.drain();
            });
            recorded += trees;
            if sample >= WARM_UP {
                let spans = (trees * SPANS) as f64;
                case.caller.push((with - without) / spans);
                case.everywhere.push((everywhere - without) / spans);
            }
        }
    }
    let expected = recorded * contender.expected(LEAVES);
    Some(Found {
        cases,
        counted: (contender.counted(), expected),
    })
}

/// What all processes of a contender found about a shape, round by round.
#[derive(Default)]
struct Series {
    medians: Vec<f64>,
    least: Vec<f64>,
    everywhere: Vec<f64>,
}

type Key = (Kind, Mode, Shape);

struct Results {
    all: HashMap<Key, Series>,
    counted: Vec<(Kind, Mode, u64, u64)>,
}

impl Results {
    fn gather(rounds: usize) -> Self {
        let mut tasks: Vec<(Kind, Mode)> = vec![(Kind::Clock, Mode::Off), (Kind::Json, Mode::Off)];
        for mode in [Mode::On, Mode::Unsampled, Mode::Off] {
            tasks.extend(Kind::RECORDERS.map(|kind| (kind, mode)));
        }
        let mut results = Self {
            all: HashMap::new(),
            counted: Vec::new(),
        };
        for _ in 0..rounds {
            for &(kind, mode) in &tasks {
                let found: Option<Found> = Task::Caller(kind, mode).run();
                if let Some(found) = found {
                    results.add(kind, mode, &found);
                }
            }
        }
        results
    }

    fn add(&mut self, kind: Kind, mode: Mode, found: &Found) {
        for case in &found.cases {
            let series = self.all.entry((kind, mode, case.shape)).or_default();
            series.medians.push(median(&case.caller));
            series.least.push(minimum(&case.caller));
            series.everywhere.push(median(&case.everywhere));
        }
        let (counted, expected) = found.counted;
        let known = self
            .counted
            .iter_mut()
            .find(|(other, its, ..)| (*other, *its) == (kind, mode));
        match known {
            Some((_, _, all, wanted)) => {
                *all += counted;
                *wanted += expected;
            }
            None => self.counted.push((kind, mode, counted, expected)),
        }
    }

    fn get(&self, key: Key) -> Option<&Series> {
        self.all.get(&key)
    }

    /// Median and least.
    fn cell(&self, key: Key) -> String {
        self.get(key).map_or("–".to_owned(), |series| {
            format!(
                "{} ({})",
                figure(median(&series.medians)),
                figure(minimum(&series.least))
            )
        })
    }

    /// The median of the ratios of rounds.
    fn ratio(&self, ours: Key, theirs: Key, of: impl Fn(&Series) -> &Vec<f64>) -> f64 {
        let (Some(ours), Some(theirs)) = (self.get(ours), self.get(theirs)) else {
            return f64::NAN;
        };
        let pairs = of(ours).iter().zip(of(theirs));
        median(
            &pairs
                .map(|(ours, theirs)| ours / theirs)
                .collect::<Vec<_>>(),
        )
    }
}

/// Measures all contenders.
pub fn tables(rounds: usize) -> Vec<Table> {
    let results = Results::gather(rounds);
    vec![
        costs(&results),
        ratios(&results),
        nothing_recorded(&results),
        everywhere(&results),
        counts(&results),
    ]
}

fn costs(results: &Results) -> Table {
    let kinds = [Kind::Clock, Kind::Json].into_iter().chain(Kind::RECORDERS);
    let kinds: Vec<Kind> = kinds.collect();
    let heads = std::iter::once("ns per span").chain(kinds.iter().map(|kind| kind.name()));
    let mut table = Table::new(
        "A span, on the thread that is traced",
        "CPU time of the calling thread per span of a tree of one root and a hundred leaves, less that of the same \
         functions without an attribute; queues are drained between samples, off the clock. The median over all \
         processes, and in brackets the least sample. Two reads of the processor's clock are the floor for everybody \
         who tells when a span begins and ends, and `serde_json`, into a buffer that is reused, for everybody who \
         writes JSON at once. The bare registry keeps no values.",
        &heads.collect::<Vec<_>>(),
    );
    for shape in Shape::ALL {
        let cells = kinds.iter().map(|&kind| {
            let mode = match kind {
                Kind::Clock | Kind::Json => Mode::Off,
                _ => Mode::On,
            };
            results.cell((kind, mode, shape))
        });
        let cells: Vec<String> = cells.collect();
        table.row(std::iter::once(shape.name().to_owned()).chain(cells));
    }
    table
}

fn ratios(results: &Results) -> Table {
    let mut table = Table::new(
        "The same, as ratios",
        "Of the medians of two processes that ran one after the other; the median over the rounds.",
        &["rollout /", "ratio"],
    );
    let on = |kind, shape| (kind, Mode::On, shape);
    for (shape, kind, bar) in [
        (Shape::Sync, Kind::Fastrace, 0.7),
        (Shape::Async, Kind::Fastrace, 0.2),
        (Shape::Deep, Kind::Fastrace, 0.15),
        (Shape::Waiting, Kind::Fastrace, 0.15),
    ] {
        let ratio = results.ratio(on(Kind::Rollout, shape), on(kind, shape), |s| &s.medians);
        let what = format!("{}, {}", kind.name(), shape.name());
        table.row([what, at_most(ratio, bar, 2)]);
    }
    for shape in [Shape::Captured, Shape::CapturedList] {
        let json = (Kind::Json, Mode::Off, shape);
        let ratio = results.ratio(on(Kind::Rollout, shape), json, |s| &s.medians);
        let what = format!("serde_json, {}", shape.name());
        table.row([what, at_most(ratio, 0.5, 2)]);
    }
    let clock = (Kind::Clock, Mode::Off, Shape::Sync);
    let floor = results.ratio(on(Kind::Rollout, Shape::Sync), clock, |s| &s.medians);
    table.row(["two reads of the clock, sync".to_owned(), figure(floor)]);
    table
}

fn nothing_recorded(results: &Results) -> Table {
    let heads =
        std::iter::once("ns per call").chain(Kind::RECORDERS.iter().map(|kind| kind.name()));
    let mut table = Table::new(
        "A call of which nothing is recorded",
        "As above. Off: nothing was started. Unsampled: a rate of 0. `tracing-opentelemetry` and `logfire` that are \
         off are `tracing` that is; the bare registry and `logfire` have no rate.",
        &heads.collect::<Vec<_>>(),
    );
    for (mode, said, bars) in [
        (Mode::Off, "off", [Some(1.0), Some(3.0), None]),
        (Mode::Unsampled, "unsampled", [Some(3.0), Some(5.0), None]),
    ] {
        for (shape, bar) in UNRECORDED.into_iter().zip(bars) {
            let cells = Kind::RECORDERS.map(|kind| {
                let key = (kind, mode, shape);
                match (results.get(key), bar) {
                    (Some(series), Some(bar)) if kind == Kind::Rollout => {
                        at_most(median(&series.medians), bar, 2)
                    }
                    _ => results.cell(key),
                }
            });
            let what = format!("{said}, {}", shape.name());
            table.row(std::iter::once(what).chain(cells));
        }
    }
    table
}

fn everywhere(results: &Results) -> Table {
    let heads =
        std::iter::once("ns per span").chain(Kind::RECORDERS.iter().map(|kind| kind.name()));
    let heads = heads.chain(["rollout / serde_json", "what capture adds / serde_json"]);
    let mut table = Table::new(
        "A span, on all threads",
        "CPU time of the whole process per span until the exporter has it, less the bare functions. The exporters count \
         spans and do nothing else: ours is given the JSON of two events a span, the others' what their libraries keep \
         in memory. What capture adds is the cost of the row less that of the first one.",
        &heads.collect::<Vec<_>>(),
    );
    let on = |kind, shape| results.get((kind, Mode::On, shape));
    let of = |kind, shape| on(kind, shape).map_or(f64::NAN, |series| median(&series.everywhere));
    for shape in Shape::ALL {
        let cells = Kind::RECORDERS.map(|kind| figure(of(kind, shape)));
        let row = std::iter::once(shape.name().to_owned()).chain(cells);
        let json = (Kind::Json, Mode::Off, shape);
        let ratios = match results.get(json) {
            Some(alone) => {
                let ours = (Kind::Rollout, Mode::On, shape);
                let whole = results.ratio(ours, json, |series| &series.everywhere);
                let added = of(Kind::Rollout, shape) - of(Kind::Rollout, Shape::Sync);
                let added = added / median(&alone.everywhere);
                [whole, added].map(|ratio| at_most(ratio, 1.6, 2))
            }
            None => ["–", "–"].map(str::to_owned),
        };
        table.row(row.chain(ratios));
    }
    table
}

fn counts(results: &Results) -> Table {
    let mut table = Table::new(
        "What the exporters counted",
        "Events for rollout (a start and an end), spans for the others, of all rounds. Nobody was measured while \
         dropping.",
        &["", "reached the exporter", "recorded"],
    );
    for (kind, mode, counted, expected) in &results.counted {
        if *mode != Mode::Off {
            let unsampled = if *mode == Mode::On { "" } else { ", unsampled" };
            let what = format!("{}{unsampled}", kind.name());
            table.row([what, count(*counted), count(*expected)]);
        }
    }
    table
}
