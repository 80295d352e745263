//! What the worker remembers of a trace while it runs.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Draft;
use super::RunSums;
use super::event::Object;
use crate::clock::Ticks;
use crate::queue::Record;
use crate::span::record::{Field, RecordKind, fields};
use crate::stats::DropReason;

/// Traces that are remembered at most; past this, the one that was touched longest ago is forgotten.
const MOST: usize = 16 * 1024;

/// What every event of a trace repeats, and what its end sums up.
#[derive(Debug, Default)]
pub(super) struct TraceState {
    pub(super) sequence: u64,
    /// When it began, as far as is known here.
    pub(super) since: Option<Ticks>,
    pub(super) user_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) conversation_id: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) external_id: Option<String>,
    /// JSON texts.
    pub(super) user_traits: Option<Vec<u8>>,
    pub(super) account_traits: Option<Vec<u8>>,
    /// Tags, each as JSON, and metadata as key and JSON, that updates have added: told again at the end.
    pub(super) tags: Vec<Vec<u8>>,
    pub(super) metadata: Vec<(String, Vec<u8>)>,
    /// What it sums up, where it is a rollout.
    pub(super) run: Option<RunSums>,
    /// Events that were lost, by reason, and whether that is yet to be said.
    dropped: Vec<(DropReason, u64)>,
    pub(super) unsaid: bool,
    touched: u64,
}

impl TraceState {
    /// Notes that so many events more were lost; with none, that what is known is to be said again.
    pub(super) fn lose(&mut self, reason: DropReason, events: u64) {
        match self.dropped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, lost)) => *lost += events,
            // What was to be said again is known no more.
            None if events == 0 => return,
            None => self.dropped.push((reason, events)),
        }
        self.unsaid = true;
    }

    /// Says what was lost by now, if that is yet to be said.
    pub(super) fn say_dropped(&mut self, attributes: &mut Object<'_>) {
        if std::mem::take(&mut self.unsaid) {
            attributes.object("rollout.dropped", |dropped| {
                for (reason, lost) in &self.dropped {
                    dropped.number(reason.as_str(), *lost);
                }
            });
        }
    }
}

/// What a span is called and what it calls, as updates have said it: an end that only repeats what was said at the
/// start goes behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes(Vec<(Field, String)>);

impl Changes {
    fn set(&mut self, field: Field, text: &str) {
        self.0.retain(|(known, _)| *known != field);
        self.0.push((field, text.to_owned()));
    }

    pub(super) fn get(&self, field: Field) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == field);
        found.map(|(_, text)| text.as_str())
    }
}

/// The names that a record changes, and does not only repeat.
pub(super) fn changes_of<'a>(draft: &'a Draft<'_>) -> impl Iterator<Item = (Field, &'a [u8])> {
    let named = |field| {
        matches!(
            field,
            Field::Name | Field::Model | Field::Provider | Field::ToolCallId
        )
    };
    draft
        .fields()
        .skip_while(|(field, _)| *field != Field::Changed)
        .filter(move |(field, _)| named(*field))
}

/// Trace ids are random already.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64 ^ (id >> 64) as u64;
    }
}

/// All traces that run, or have ended of late.
#[derive(Default)]
pub(super) struct Traces {
    states: HashMap<u128, TraceState, BuildHasherDefault<IdHasher>>,
    clock: u64,
    /// The ids that models gave to tool calls that are under way, by their spans.
    tool_calls: HashMap<u64, String>,
    /// Spans that are under way and are called otherwise than when they began.
    changes: HashMap<u64, Changes>,
    /// Spans under way that are said to have failed: the fields that say so.
    failures: HashMap<u64, Vec<u8>>,
}

impl Traces {
    /// The state of a trace; `events` is how many events there have been in all, where a forgotten trace goes on
    /// counting, so that no number is used twice.
    pub(super) fn get(&mut self, trace: u128, starts: bool, events: u64) -> &mut TraceState {
        self.clock += 1;
        if self.states.len() >= MOST && !self.states.contains_key(&trace) {
            self.forget_some();
        }
        let state = self.states.entry(trace).or_insert_with(|| TraceState {
            sequence: if starts { 0 } else { events },
            ..TraceState::default()
        });
        state.touched = self.clock;
        state
    }

    /// Whether what a trace has lost is yet to be said.
    pub(super) fn is_unsaid(&self, trace: u128) -> bool {
        self.states.get(&trace).is_some_and(|state| state.unsaid)
    }

    /// Remembers that a span is said to have failed. At its end, the payload with what was said of it.
    pub(super) fn failure_of(&mut self, record: &Record, payload: &[u8]) -> Option<Vec<u8>> {
        match RecordKind::from_byte(record.kind)? {
            RecordKind::SpanUpdate => {
                let says_so = fields(payload).any(|(field, _)| field == Field::ErrorType);
                if says_so
                    && (self.failures.len() < MOST || self.failures.contains_key(&record.span))
                {
                    self.failures.insert(record.span, payload.to_vec());
                }
                None
            }
            RecordKind::SpanEnd | RecordKind::ToolResult if !self.failures.is_empty() => {
                let mut failed = self.failures.remove(&record.span)?;
                // What the end says itself comes after, and so goes before.
                failed.extend_from_slice(payload);
                Some(failed)
            }
            _ => None,
        }
    }

    /// Remembers the id of a tool call until its result.
    pub(super) fn tool_started(&mut self, span: u64, id: &str) {
        if self.tool_calls.len() < MOST {
            self.tool_calls.insert(span, id.to_owned());
        }
    }

    /// The id of a tool call that ends.
    pub(super) fn tool_ended(&mut self, span: u64) -> Option<String> {
        self.tool_calls.remove(&span)
    }

    /// Takes in what an update of a span changes.
    pub(super) fn changed(&mut self, span: u64, draft: &Draft<'_>) {
        let mut changes = changes_of(draft).peekable();
        if changes.peek().is_none() {
            return;
        }
        if self.changes.len() >= MOST && !self.changes.contains_key(&span) {
            // So many at once are spans whose ends were lost.
            self.changes.clear();
        }
        let known = self.changes.entry(span).or_default();
        for (field, bytes) in changes {
            known.set(field, &String::from_utf8_lossy(bytes));
        }
    }

    /// What was changed of a span so far.
    pub(super) fn changes(&self, span: u64) -> Option<Changes> {
        self.changes.get(&span).cloned()
    }

    /// The same of a span that ends.
    pub(super) fn last_changes(&mut self, span: u64) -> Option<Changes> {
        if self.changes.is_empty() {
            return None;
        }
        self.changes.remove(&span)
    }

    #[cold]
    fn forget_some(&mut self) {
        let mut touched: Vec<u64> = self.states.values().map(|state| state.touched).collect();
        let middle = touched.len() / 2;
        let (_, median, _) = touched.select_nth_unstable(middle);
        let median = *median;
        self.states.retain(|_, state| state.touched > median);
    }
}
