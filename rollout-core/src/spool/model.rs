//! The spool against a model of it: whatever is appended, read, handed over and torn off by crashes, each exporter gets
//! every line that was there, in order, and one twice only if the crash came before its cursor was written, or if the
//! exporter said that it needs it once more; then it is marked.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Spool, SpoolOptions, adopt, runs, segment};
use crate::config::SpoolKind;
use crate::stats::Counters;

const READERS: [&str; 2] = ["http", "other"];

/// Segments of 64 KiB, and a bound that nothing here reaches.
const BOUND: u64 = 512 << 10;

/// Lines that may be needed once more in any case: they are of less than 4 KiB, and an eighth of the bound is kept, but
/// for a batch of 8 KiB.
const HELD_AT_LEAST: usize = 13;

#[derive(Debug, Clone)]
enum Step {
    /// Lines of these lengths in one write.
    Append(Vec<usize>),
    /// So many events at most, to a reader.
    Read { reader: usize, events: u64 },
    /// What was read last is handed over. The reader needs it, and so many batches before it of those that it needs
    /// already.
    Advance { reader: usize, needs: Option<u64> },
    /// The process dies. Of its last write this many bytes are missing; a cursor may be half written.
    Crash { missing: usize, cursor: bool },
    /// The process ends well.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(1..4000_usize, 1..8).prop_map(Step::Append),
        6 => (0..READERS.len(), 1..20_u64).prop_map(|(reader, events)| Step::Read { reader, events }),
        6 => (0..READERS.len(), prop::option::of(0..6_u64))
            .prop_map(|(reader, needs)| Step::Advance { reader, needs }),
        3 => (0..6000_usize, any::<bool>()).prop_map(|(missing, cursor)| Step::Crash { missing, cursor }),
        1 => Just(Step::Close),
    ]
}

/// What there should be.
#[derive(Default)]
struct Model {
    /// The numbers of the lines of each process, in order.
    appended: Vec<Vec<u32>>,
    /// What each reader has got, by process, in order.
    got: [BTreeMap<usize, Vec<u32>>; READERS.len()],
    /// What each reader has read and not handed over, and its number.
    taken: [(u64, Vec<u32>); READERS.len()],
    /// What each needs once more of this process.
    needed: [Vec<(u64, Vec<u32>)>; READERS.len()],
    next: u32,
}

struct World<'a> {
    dir: &'a Path,
    counters: Arc<Counters>,
    model: Model,
    spool: Spool,
    /// Bytes of the last write that are in the last segment.
    last_write: Vec<(u32, usize)>,
}

impl<'a> World<'a> {
    fn new(dir: &'a Path) -> Self {
        let counters = Arc::new(Counters::default());
        let mut model = Model::default();
        model.appended.push(Vec::new());
        Self {
            dir,
            spool: open(dir, &counters),
            counters,
            model,
            last_write: Vec::new(),
        }
    }

    fn process(&self) -> usize {
        self.model.appended.len() - 1
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append(lengths) => self.append(&lengths),
            Step::Read { reader, events } => {
                let chunk = self.spool.read(reader, 8000, events);
                let taken = chunk.map(|chunk| (chunk.number, numbers(&chunk.lines)));
                self.model.taken[reader] = taken.unwrap_or_default();
            }
            Step::Advance { reader, needs } => {
                let (number, taken) = std::mem::take(&mut self.model.taken[reader]);
                let needed = &mut self.model.needed[reader];
                if number > 0 {
                    needed.push((number, taken.clone()));
                }
                let last = needed.last().map_or(0, |(last, _)| *last);
                let from = needs.map(|back| last.saturating_sub(back));
                needed.retain(|(number, _)| from.is_some_and(|from| *number >= from));
                let from = needed.first().map(|(number, _)| *number);
                self.spool.advance(reader, from);
                let process = self.process();
                self.model.got[reader]
                    .entry(process)
                    .or_default()
                    .extend(taken);
            }
            Step::Crash { missing, cursor } => self.crash(missing, cursor),
            Step::Close => {
                self.spool.close();
                self.begin();
            }
        }
    }

    fn append(&mut self, lengths: &[usize]) {
        let mut lines = Vec::new();
        self.last_write.clear();
        for length in lengths {
            let number = self.model.next;
            self.model.next += 1;
            let line = format!("{{\"n\":{number},\"x\":\"{}\"}}\n", "x".repeat(*length));
            lines.extend_from_slice(line.as_bytes());
            self.last_write.push((number, line.len()));
            let process = self.process();
            self.model.appended[process].push(number);
        }
        self.spool.append(&lines, &runs::of(&lines));
    }

    /// Dies with the end of the last write missing.
    fn crash(&mut self, missing: usize, cursor: bool) {
        let folder = self
            .spool
            .writer()
            .map(|name| self.dir.join("spool").join(&*name));
        let process = self.process();
        if let Some(folder) = &folder {
            let last = segment::list(folder).unwrap_or_default().pop();
            // What was handed over was there; a write that broke off was not.
            let handed_over = self
                .model
                .got
                .iter()
                .filter_map(|got| got.get(&process)?.last())
                .max();
            if let Some((_, path, length)) = last {
                let mut left = missing as u64;
                let mut keep = length;
                while let Some((number, bytes)) = self.last_write.pop() {
                    let is_delivered = handed_over.is_some_and(|last| number <= *last);
                    if left == 0 || is_delivered || bytes as u64 > keep {
                        break;
                    }
                    let cut = left.min(bytes as u64);
                    keep -= cut;
                    left -= cut;
                    self.model.appended[process].retain(|known| *known != number);
                }
                let file = OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(keep).unwrap();
            }
            if cursor {
                let mut torn = fs::File::create(folder.join("http.cursor.next")).unwrap();
                torn.write_all(b"{\"segm").unwrap();
            }
        }
        self.begin();
    }

    /// The next process begins; what the ones before have left is taken over, all of it.
    fn begin(&mut self) {
        self.model.taken = Default::default();
        self.last_write.clear();
        self.model.appended.push(Vec::new());
        // The old one's lock goes here.
        self.spool = open(self.dir, &self.counters);
        self.take_over();
    }

    fn take_over(&mut self) {
        let names = READERS.map(str::to_owned);
        let needed = std::mem::take(&mut self.model.needed);
        for mut backlog in adopt(self.dir, &names) {
            let reader = READERS
                .iter()
                .position(|name| *name == backlog.exporter())
                .unwrap();
            let mut again = Vec::new();
            while let Some(chunk) = backlog.read(8000, 7).unwrap() {
                if chunk.again {
                    again.extend(numbers(&chunk.lines));
                    backlog.advance(None).unwrap();
                    continue;
                }
                for number in numbers(&chunk.lines) {
                    let process = self
                        .model
                        .appended
                        .iter()
                        .position(|lines| lines.contains(&number));
                    let process = process.expect("a line that somebody appended");
                    self.model.got[reader]
                        .entry(process)
                        .or_default()
                        .push(number);
                }
                backlog.advance(None).unwrap();
            }
            backlog.finish();
            // What is kept has a bound, beyond which the oldest is let go.
            let needed: Vec<u32> = needed[reader].iter().flat_map(|(_, n)| n.clone()).collect();
            assert!(needed.ends_with(&again), "{again:?} of {needed:?}");
            assert!(
                again.len() >= needed.len().min(HELD_AT_LEAST),
                "{again:?} of {needed:?}"
            );
        }
    }

    /// Every reader has got every line once, in the order of each process.
    fn end(mut self) {
        self.spool.close();
        drop(std::mem::replace(
            &mut self.spool,
            open(self.dir, &self.counters),
        ));
        self.take_over();
        for got in &self.model.got {
            for (process, lines) in self.model.appended.iter().enumerate() {
                let none = Vec::new();
                assert_eq!(
                    got.get(&process).unwrap_or(&none),
                    lines,
                    "process {process}"
                );
            }
        }
        assert_eq!(self.counters.snapshot().events_lost(), 0);
        let left: Vec<PathBuf> = super::folder::list(self.dir);
        assert!(left.len() <= 1, "{left:?}");
    }
}

fn open(dir: &Path, counters: &Arc<Counters>) -> Spool {
    let options = SpoolOptions {
        dir: dir.to_owned(),
        kind: SpoolKind::Disk,
        keep: false,
        max_disk_bytes: BOUND,
        max_memory_bytes: BOUND,
    };
    let mut spool = Spool::open(options, Arc::clone(counters));
    for name in READERS {
        spool.add_reader(name, true);
    }
    spool
}

fn numbers(lines: &[u8]) -> Vec<u32> {
    let lines = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_slice(line).expect("a whole line");
            line["n"].as_u64().expect("a number") as u32
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_gets_every_line_once(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path());
        for step in steps {
            world.run(step);
        }
        world.end();
    }
}
