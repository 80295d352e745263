//! The bound of a spool against a model of it: whatever is appended, read and handed over meanwhile, each exporter gets
//! every line at most once and in order, what it does not get is counted, and a trace of which a part is missing says
//! how much.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::{Spool, SpoolOptions, runs};
use crate::config::SpoolKind;
use crate::stats::{Counters, DropReason};

/// Segments of 8 KiB.
const BOUND: u64 = 64 << 10;
const READERS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// A line of this many bytes of one of the traces that run, or of none.
    Append { trace: Option<u8>, bytes: usize },
    /// The trace ends, and another one begins in its place.
    End(u8),
    /// So many events at most, to a reader.
    Read { reader: usize, events: u64 },
    /// What was read last is handed over.
    Advance(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (prop::option::weighted(0.9, 0..6_u8), 100..3000_usize)
            .prop_map(|(trace, bytes)| Step::Append { trace, bytes }),
        4 => (0..6_u8).prop_map(Step::End),
        2 => (0..READERS, 1..8_u64).prop_map(|(reader, events)| Step::Read { reader, events }),
        2 => (0..READERS).prop_map(Step::Advance),
    ]
}

/// What somebody gets.
#[derive(Default)]
struct Got {
    numbers: Vec<u64>,
    /// By trace: how many events are missing, as its marks say.
    marks: BTreeMap<String, u64>,
}

impl Got {
    fn take(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
            let line: Value = serde_json::from_slice(line).expect("a whole line");
            if let Some(number) = line["n"].as_u64() {
                self.numbers.push(number);
            } else {
                let lost = line["attributes"]["rollout.dropped"]["spool_full"].as_u64();
                let trace = line["trace_id"].as_str().expect("a trace").to_owned();
                *self.marks.entry(trace).or_default() += lost.expect("a number");
            }
        }
    }
}

struct World {
    spool: Spool,
    counters: Arc<Counters>,
    /// Trace and kind of every line.
    lines: Vec<(Option<String>, &'static str)>,
    running: [u64; 6],
    traces: u64,
    got: [Got; READERS],
    taken: [Vec<u8>; READERS],
}

impl World {
    fn new(dir: &Path, kind: SpoolKind) -> Self {
        let counters = Arc::new(Counters::default());
        let options = SpoolOptions {
            dir: dir.to_owned(),
            kind,
            keep: false,
            max_disk_bytes: BOUND,
            max_memory_bytes: BOUND,
        };
        let mut spool = Spool::open(options, Arc::clone(&counters));
        for name in ["http", "other"] {
            spool.add_reader(name, true);
        }
        let mut world = Self {
            spool,
            counters,
            lines: Vec::new(),
            running: [0; 6],
            traces: 0,
            got: Default::default(),
            taken: Default::default(),
        };
        for slot in 0..6 {
            world.begin(slot);
        }
        world
    }

    fn begin(&mut self, slot: usize) {
        self.traces += 1;
        self.running[slot] = self.traces;
        self.append(Some(slot), "trace.start", 20);
    }

    fn append(&mut self, slot: Option<usize>, kind: &'static str, bytes: usize) {
        let number = self.lines.len();
        let trace = slot.map(|slot| format!("{:032x}", self.running[slot]));
        let id = trace.as_ref().map(|id| format!("\"trace_id\":\"{id}\","));
        let line = format!(
            "{{\"event_id\":\"evt_{number}\",\"event_type\":\"{kind}\",{}\"n\":{number},\"x\":\"{}\"}}\n",
            id.unwrap_or_default(),
            "x".repeat(bytes)
        );
        self.lines.push((trace, kind));
        self.spool
            .append(line.as_bytes(), &runs::of(line.as_bytes()));
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append { trace, bytes } => {
                self.append(trace.map(usize::from), "span.update", bytes);
            }
            Step::End(slot) => {
                self.append(Some(slot.into()), "trace.end", 20);
                self.begin(slot.into());
            }
            Step::Read { reader, events } => {
                let chunk = self.spool.read(reader, 8000, events);
                self.taken[reader] = chunk.map(|chunk| chunk.lines).unwrap_or_default();
            }
            Step::Advance(reader) => {
                self.spool.advance(reader, None);
                self.got[reader].take(&std::mem::take(&mut self.taken[reader]));
            }
        }
    }

    fn end(mut self) {
        for reader in 0..READERS {
            loop {
                self.run(Step::Read { reader, events: 7 });
                if self.taken[reader].is_empty() {
                    break;
                }
                self.run(Step::Advance(reader));
            }
            assert_eq!(self.spool.waiting(reader), 0);
            assert_eq!(self.spool.done(reader), self.spool.lines());
        }
        let lost = self.counters.snapshot().dropped(DropReason::SpoolFull);
        let mut missing_for_anybody = BTreeSet::new();
        for got in &self.got {
            assert!(got.numbers.is_sorted_by(|a, b| a < b), "{:?}", got.numbers);
            let known: BTreeSet<u64> = got.numbers.iter().copied().collect();
            let mut by_trace: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
            for (number, (trace, _)) in self.lines.iter().enumerate() {
                let is_known = known.contains(&(number as u64));
                if !is_known {
                    missing_for_anybody.insert(number);
                }
                if let Some(trace) = trace {
                    let (there, missing) = by_trace.entry(trace).or_default();
                    *(if is_known { there } else { missing }) += 1;
                }
            }
            for (trace, (there, missing)) in by_trace {
                if there > 0 && missing > 0 {
                    // The last to go are marks: then it is remembered, until more of the trace comes.
                    let told = got.marks.contains_key(trace) || self.spool.is_unsaid(trace);
                    assert!(told, "{trace}: {there} there, {missing} missing, no mark");
                }
            }
        }
        assert_eq!(missing_for_anybody.len() as u64, lost);
        assert_eq!(self.spool.lost(), lost);
        assert_eq!(self.spool.events(), self.lines.len() as u64);
    }
}

fn bytes(dir: &Path) -> u64 {
    super::folder::list(dir)
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().flatten())
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "ndjson"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_is_counted_and_marked(
        steps in prop::collection::vec(step(), 50..400),
        in_memory in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let kind = if in_memory { SpoolKind::Memory } else { SpoolKind::Disk };
        let mut world = World::new(dir.path(), kind);
        for step in steps {
            world.run(step);
            if !in_memory {
                let bytes = bytes(dir.path());
                prop_assert!(bytes <= BOUND, "{bytes}");
            }
        }
        world.end();
    }
}
