//! Which traces an exporter gets, decided when they are over: those that a rule keeps, and a share of the others.
//!
//! - **The share** is decided by a hash of the trace's id, so that all processes agree. What belongs to it passes at once.
//! - **The others** wait here until a rule keeps them, which may be before they are over: then all of it goes, and what
//!   comes after it passes. If none has when the trace ends, it is left out, and counted. What comes of it later, say
//!   feedback, is left out too.
//! - **A trace of another process** has no end here. What this one adds to it is over when the topmost spans here are; it
//!   is judged by itself, and so is what comes later.
//! - **What cannot be decided is kept:** what is of a trace whose start did not come by here; at the bound in bytes, what
//!   has waited longest; a trace that is not over after [`MOST_WAIT`].
//! - **A process that dies** leaves what was waiting in its spool: the cursor on disk stays before it, see
//!   [`TailSampler::needs_from`]. The next process decides; what will never end has failed.

mod facts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use self::facts::{Event, Facts};
use crate::config::{Config, Keep};
use crate::export::Batch;
use crate::spool::Line;

/// How long a trace may take to end.
pub(super) const MOST_WAIT: Duration = Duration::from_mins(10);

/// Traces that are remembered at most because they are decided.
const MOST_DECIDED: usize = 16 * 1024;

/// What a trace takes that waits, beside its lines.
const OPEN_BYTES: usize = 512;

/// The exporter that is left alone: it shows what happens.
const CONSOLE: &str = "console";

/// Decides for one exporter.
pub(super) struct TailSampler {
    /// Traces whose hash is at most this pass.
    passes_up_to: Option<u64>,
    keep: Vec<Keep>,
    open: HashMap<Key, Open>,
    /// The same from the oldest on.
    by_age: BTreeMap<u64, Key>,
    seen: u64,
    bytes: usize,
    most_bytes: usize,
    decided: Decided,
}

/// A trace as one process tells it.
type Key = (Option<Arc<str>>, u128);

/// A trace that is not decided.
struct Open {
    age: u64,
    since: Instant,
    /// The batch in which it began.
    number: u64,
    /// Its lines, and how many that are.
    lines: Vec<u8>,
    events: u64,
    facts: Facts,
    /// It began here, and so it ends here.
    whole: bool,
    /// The topmost spans here that are under way.
    branches: BTreeSet<u64>,
}

/// A part of a batch, or of several.
struct Part {
    writer: Option<Arc<str>>,
    /// The number of the one in which the first of it came.
    number: u64,
    /// Whether an earlier process has handed it over.
    again: bool,
    lines: Vec<u8>,
}

/// What goes on to the exporter.
#[derive(Default)]
pub(super) struct Passed {
    parts: Vec<Part>,
    /// Events that do not, and never will.
    pub(super) left_out: u64,
}

impl Passed {
    /// What goes on as it came.
    fn through(&mut self, writer: Option<&Arc<str>>, batch: &Batch, line: &[u8]) {
        let (number, again) = (batch.number(), batch.is_again());
        if let Some(last) = self.parts.last_mut()
            && (last.writer.as_ref(), last.number, last.again) == (writer, number, again)
        {
            last.lines.extend_from_slice(line);
            return;
        }
        self.parts.push(Part {
            writer: writer.cloned(),
            number,
            again,
            lines: line.to_vec(),
        });
    }

    /// The same as batches of at most so many bytes and events.
    pub(super) fn batches(self, bytes: usize, events: u64) -> Vec<Batch> {
        let mut batches = Vec::new();
        for part in self.parts {
            let mut rest = part.lines.as_slice();
            while !rest.is_empty() {
                let (mut length, mut count) = (0, 0);
                for line in rest.split_inclusive(|byte| *byte == b'\n') {
                    if count == events || (count > 0 && length + line.len() > bytes) {
                        break;
                    }
                    length += line.len();
                    count += 1;
                }
                let (lines, more) = rest.split_at(length);
                let batch = Batch::from_lines(lines).of_writer(part.writer.clone());
                batches.push(batch.numbered(part.number, part.again));
                rest = more;
            }
        }
        batches
    }
}

impl TailSampler {
    /// The sampler of an exporter, if it does not get everything.
    pub(super) fn of(config: &Config, exporter: &str) -> Option<Self> {
        let rate = config.export_sample_rate_of(exporter);
        if rate >= 1.0 || exporter == CONSOLE {
            return None;
        }
        let most_bytes = usize::try_from(config.max_queue_bytes() / 8).unwrap_or(usize::MAX);
        Some(Self {
            // A cast from float saturates.
            passes_up_to: (rate > 0.0).then_some((rate * u64::MAX as f64) as u64),
            keep: config.export_keep().to_vec(),
            open: HashMap::new(),
            by_age: BTreeMap::new(),
            seen: 0,
            bytes: 0,
            most_bytes,
            decided: Decided::default(),
        })
    }

    /// Takes a batch of this writer, and gives what goes on.
    pub(super) fn take(&mut self, writer: Option<&Arc<str>>, batch: &Batch) -> Passed {
        let mut passed = Passed::default();
        for event in batch.events() {
            let mut line = event.to_vec();
            line.push(b'\n');
            self.line(writer, batch, &line, &mut passed);
        }
        while self.bytes > self.most_bytes
            && let Some(oldest) = self.oldest()
        {
            self.keep(&oldest, &mut passed);
        }
        passed
    }

    /// Whether anything has waited too long.
    pub(super) fn has_late(&self) -> bool {
        self.oldest()
            .and_then(|oldest| self.open.get(&oldest))
            .is_some_and(|open| open.since.elapsed() >= MOST_WAIT)
    }

    /// Gives that.
    pub(super) fn late(&mut self) -> Passed {
        let mut passed = Passed::default();
        while self.has_late()
            && let Some(oldest) = self.oldest()
        {
            self.keep(&oldest, &mut passed);
        }
        passed
    }

    /// Decides what a process has left open that is gone: it will never end.
    pub(super) fn gone(&mut self, writer: Option<&Arc<str>>) -> Passed {
        let mut passed = Passed::default();
        let left: Vec<Key> = self.of_writer(writer).map(|(key, _)| key.clone()).collect();
        for key in left {
            if self.keep.contains(&Keep::Failed) {
                self.keep(&key, &mut passed);
            } else {
                self.leave_out(&key, &mut passed);
            }
        }
        passed
    }

    /// The number of the oldest batch of this writer in which something began that is not decided.
    pub(super) fn needs_from(&self, writer: Option<&Arc<str>>) -> Option<u64> {
        self.of_writer(writer).map(|(_, open)| open.number).min()
    }

    /// Events of this writer that are not decided.
    pub(super) fn undecided(&self, writer: Option<&Arc<str>>) -> u64 {
        self.of_writer(writer).map(|(_, open)| open.events).sum()
    }

    fn of_writer(&self, writer: Option<&Arc<str>>) -> impl Iterator<Item = (&Key, &Open)> {
        self.by_age
            .values()
            .filter(move |(of, _)| of.as_ref() == writer)
            .filter_map(|key| self.open.get_key_value(key))
    }

    fn oldest(&self) -> Option<Key> {
        self.by_age.values().next().cloned()
    }

    fn line(&mut self, writer: Option<&Arc<str>>, batch: &Batch, line: &[u8], passed: &mut Passed) {
        // What belongs to no trace is nobody's to leave out.
        let Some(trace) = Line::new(line).trace() else {
            return passed.through(writer, batch, line);
        };
        if self.passes_up_to.is_some_and(|most| hash(trace) <= most) {
            return passed.through(writer, batch, line);
        }
        match self.decided.of(trace) {
            Some(true) => return passed.through(writer, batch, line),
            Some(false) => {
                passed.left_out += 1;
                return;
            }
            None => {}
        }
        let key = (writer.cloned(), trace);
        let event = Event::read(line);
        if !self.open.contains_key(&key)
            && !event
                .as_ref()
                .is_some_and(|event| self.begin(&key, batch.number(), event))
        {
            return passed.through(writer, batch, line);
        }
        let Some(open) = self.open.get_mut(&key) else {
            return;
        };
        open.lines.extend_from_slice(line);
        open.events += 1;
        self.bytes += line.len();
        // What cannot be read says nothing, and goes where its trace does.
        let Some(event) = event else { return };
        open.facts.take(&event);
        let is_over = open.is_over(&event);
        if self.keep.iter().any(|rule| open.facts.meet(rule)) {
            self.keep(&key, passed);
        } else if is_over {
            self.leave_out(&key, passed);
        }
    }

    /// Begins to wait for a trace, if it begins.
    fn begin(&mut self, key: &Key, number: u64, event: &Event<'_>) -> bool {
        if !event.begins() {
            return false;
        }
        self.seen += 1;
        let open = Open {
            age: self.seen,
            since: Instant::now(),
            number,
            lines: Vec::new(),
            events: 0,
            facts: Facts::default(),
            whole: event.begins_trace(),
            branches: BTreeSet::new(),
        };
        self.bytes += OPEN_BYTES;
        self.by_age.insert(open.age, key.clone());
        self.open.insert(key.clone(), open);
        true
    }

    fn close(&mut self, key: &Key) -> Option<Open> {
        let open = self.open.remove(key)?;
        self.by_age.remove(&open.age);
        self.bytes -= open.lines.len() + OPEN_BYTES;
        Some(open)
    }

    fn keep(&mut self, key: &Key, passed: &mut Passed) {
        if let Some(open) = self.close(key) {
            passed.parts.push(Part {
                writer: key.0.clone(),
                number: open.number,
                again: false,
                lines: open.lines,
            });
            self.decided.insert(key.1, true);
        }
    }

    fn leave_out(&mut self, key: &Key, passed: &mut Passed) {
        if let Some(open) = self.close(key) {
            passed.left_out += open.events;
            // Of a trace that goes on elsewhere, more may come here that is kept.
            if open.whole {
                self.decided.insert(key.1, false);
            }
        }
    }
}

impl Open {
    /// Takes in where the trace is, and tells whether it is over.
    fn is_over(&mut self, event: &Event<'_>) -> bool {
        self.whole |= event.begins_trace();
        if event.begins_branch() {
            self.branches.extend(event.span());
        } else if event.ends_span()
            && event.span().is_some_and(|span| self.branches.remove(&span))
            && self.branches.is_empty()
            && !self.whole
        {
            return true;
        }
        event.ends_trace()
    }
}

/// What was decided of traces of late.
#[derive(Default)]
struct Decided {
    traces: HashMap<u128, (bool, u64)>,
    clock: u64,
}

impl Decided {
    fn of(&mut self, trace: u128) -> Option<bool> {
        let (kept, touched) = self.traces.get_mut(&trace)?;
        self.clock += 1;
        *touched = self.clock;
        Some(*kept)
    }

    fn insert(&mut self, trace: u128, kept: bool) {
        if self.traces.len() >= MOST_DECIDED {
            self.forget_some();
        }
        self.clock += 1;
        self.traces.insert(trace, (kept, self.clock));
    }

    #[cold]
    fn forget_some(&mut self) {
        let mut touched: Vec<u64> = self.traces.values().map(|(_, at)| *at).collect();
        let middle = touched.len() / 2;
        let (_, median, _) = touched.select_nth_unstable(middle);
        let median = *median;
        self.traces.retain(|_, (_, at)| *at > median);
    }
}

/// Spreads ids evenly, and apart from what was decided when they began: `sample_rate` looks at the id itself.
fn hash(trace: u128) -> u64 {
    // The end of SplitMix64.
    let mut mixed = (trace as u64 ^ (trace >> 64) as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
