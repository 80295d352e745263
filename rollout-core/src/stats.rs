//! What was recorded, delivered and lost, counted as it happens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log hears of losses: at once the first time, then no more often than this.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// How many rejection codes are told apart for one exporter; the other side invents them.
const MOST_CODES: usize = 32;

/// Why something was lost.
///
/// A trace that has lost events and has others left says so itself, in the attribute `rollout.dropped` of one of its
/// events or of a line of its own: `{"queue_full": 3}`. For what cannot be said there, these counts and the warning in
/// the log are the only place:
///
/// - events that name no trace by its id, such as feedback by an external id;
/// - what is recorded after the client has stopped, and what is in memory when it stops: nobody writes any more;
/// - lines of a dead process that are damaged so much that their trace cannot be read;
/// - what was in segments that somebody has damaged, as far back as it is no longer remembered whose it was (some
///   60,000 events of traces that run at the same time, many more of traces that follow each other);
/// - what is said of a trace, say feedback, long after another process has made room by giving up all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// An event: the thread's queue was at its bound.
    QueueFull,
    /// A value, cut to its bound; the event is there and says so.
    ValueCut,
    /// An event: a record could not be turned into JSON, or belongs to no trace.
    Encode,
    /// An event: recorded after the client had stopped.
    AfterShutdown,
    /// An event: the spool was at its bound, and this was the oldest.
    SpoolFull,
    /// An event: the spool's file was damaged or removed by somebody else.
    SpoolDamaged,
    /// An event: the other side of an exporter refused it.
    Rejected,
    /// An event: it was in memory, and not delivered when the client stopped.
    Undelivered,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::ValueCut,
        Self::Encode,
        Self::AfterShutdown,
        Self::SpoolFull,
        Self::SpoolDamaged,
        Self::Rejected,
        Self::Undelivered,
    ];

    /// Its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ValueCut => "value_cut",
            Self::Encode => "encode",
            Self::AfterShutdown => "after_shutdown",
            Self::SpoolFull => "spool_full",
            Self::SpoolDamaged => "spool_damaged",
            Self::Rejected => "rejected",
            Self::Undelivered => "undelivered",
        }
    }

    /// Whether a whole event is lost, and not only a part of one.
    pub fn loses_event(self) -> bool {
        self != Self::ValueCut
    }
}

/// Counts at one moment, from the client's start on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events that the worker took from the queues.
    pub recorded: u64,
    /// Events that reached the spool.
    pub spooled: u64,
    /// Their bytes.
    pub spooled_bytes: u64,
    /// What was lost, by reason; reasons with nothing lost are left out.
    pub dropped: BTreeMap<DropReason, u64>,
    /// What became of the events at each exporter, by its name.
    pub exporters: BTreeMap<String, ExporterStats>,
    /// Spans that began a trace of their own while exactly one other was under way: most likely what was handed to
    /// another task or thread without its span. The log tells of each call site once, at the level `debug`.
    pub orphans: u64,
    /// Warnings given through the `log` crate.
    pub warnings: u64,
}

impl Stats {
    /// How much was lost for one reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(&reason).copied().unwrap_or(0)
    }

    /// Whole events lost, for any reason.
    pub fn events_lost(&self) -> u64 {
        self.dropped
            .iter()
            .filter(|(reason, _)| reason.loses_event())
            .map(|(_, count)| count)
            .sum()
    }
}

/// What became of the events at one exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExporterStats {
    /// Events that the other side took.
    pub delivered: u64,
    /// Of these, events that an earlier process had left in its spool.
    pub adopted: u64,
    /// Events that it was not given, because their traces are none of those that `export_keep` and
    /// `export_sample_rate` leave it. They are not lost: the spool had them.
    pub sampled_out: u64,
    /// Events that the other side refused.
    pub rejected: u64,
    /// The same by the other side's code.
    pub rejected_by_code: BTreeMap<String, u64>,
    /// Batches that were taken.
    pub batches: u64,
    /// Attempts that failed and were made again.
    pub retries: u64,
    /// Bytes of events that were taken, before compression.
    pub bytes: u64,
    /// Why the last attempt failed; `None` once one succeeds.
    pub last_error: Option<String>,
    /// Why it has stopped for good, if it has.
    pub stopped: Option<String>,
}

/// The live counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    recorded: AtomicU64,
    spooled: AtomicU64,
    spooled_bytes: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    orphans: AtomicU64,
    warnings: AtomicU64,
    exporters: Mutex<BTreeMap<String, ExporterStats>>,
    told: Mutex<Told>,
}

/// What the log has heard of.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    dropped: [u64; DropReason::ALL.len()],
}

impl Counters {
    /// Counts events that were taken from the queues and encoded.
    pub(crate) fn recorded(&self, events: u64) {
        self.recorded.fetch_add(events, Relaxed);
    }

    /// Counts a span that has lost its trace.
    pub(crate) fn orphan(&self) {
        self.orphans.fetch_add(1, Relaxed);
    }

    /// Counts events that reached the spool.
    pub(crate) fn spooled(&self, events: u64, bytes: u64) {
        self.spooled.fetch_add(events, Relaxed);
        self.spooled_bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts a loss: one relaxed addition, so that any thread may say it anywhere. The worker
    /// tells the log, see [`Counters::tell_losses`].
    pub(crate) fn dropped(&self, reason: DropReason, count: u64) {
        self.dropped[reason as usize].fetch_add(count, Relaxed);
    }

    /// Counts a warning and gives it to the `log` crate.
    pub(crate) fn warn(&self, text: std::fmt::Arguments<'_>) {
        self.warnings.fetch_add(1, Relaxed);
        log::warn!("rollout: {text}");
    }

    /// One warning of all that was lost since the last one, unless that was a moment ago.
    /// `last` is for the end, when there will be no other.
    pub(crate) fn tell_losses(&self, last: bool) {
        let now: [u64; DropReason::ALL.len()] =
            std::array::from_fn(|index| self.dropped[index].load(Relaxed));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if now == told.dropped {
            return;
        }
        let due = told.at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if !due && !last {
            return;
        }
        let mut text = String::new();
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            let count = now[index] - told.dropped[index];
            if count > 0 {
                let comma = if text.is_empty() { "" } else { ", " };
                let what = if reason.loses_event() {
                    "events"
                } else {
                    "values"
                };
                // Writing to a String cannot fail.
                let _ = write!(text, "{comma}{count} {what} ({})", reason.as_str());
            }
        }
        told.at = Some(Instant::now());
        told.dropped = now;
        drop(told);
        self.warn(format_args!(
            "lost since the last such line: {text}; see client.stats()"
        ));
    }

    /// Changes the counts of one exporter.
    pub(crate) fn exporter(&self, name: &str, change: impl FnOnce(&mut ExporterStats)) {
        let mut all = self
            .exporters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = all.get_mut(name) {
            change(counts);
        } else {
            change(all.entry(name.to_owned()).or_default());
        }
    }

    /// Counts events that the other side of an exporter refused.
    pub(crate) fn rejected(&self, exporter: &str, code: &str, count: u64) {
        self.dropped(DropReason::Rejected, count);
        self.exporter(exporter, |counts| {
            counts.rejected += count;
            let by_code = &mut counts.rejected_by_code;
            let known = by_code.contains_key(code) || by_code.len() < MOST_CODES;
            let code = if known { code } else { "other" };
            *by_code.entry(code.to_owned()).or_default() += count;
        });
    }

    /// Events that were lost on their way to the spool.
    pub(crate) fn lost_before_spool(&self) -> u64 {
        [
            DropReason::QueueFull,
            DropReason::Encode,
            DropReason::AfterShutdown,
        ]
        .into_iter()
        .map(|reason| self.dropped[reason as usize].load(Relaxed))
        .sum()
    }

    /// The counts now.
    pub(crate) fn snapshot(&self) -> Stats {
        let counts = DropReason::ALL
            .into_iter()
            .map(|reason| (reason, self.dropped[reason as usize].load(Relaxed)));
        let exporters = self
            .exporters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Stats {
            recorded: self.recorded.load(Relaxed),
            spooled: self.spooled.load(Relaxed),
            spooled_bytes: self.spooled_bytes.load(Relaxed),
            dropped: counts.filter(|(_, count)| *count > 0).collect(),
            exporters: exporters.clone(),
            orphans: self.orphans.load(Relaxed),
            warnings: self.warnings.load(Relaxed),
        }
    }
}

/// What a flush or a shutdown found, counted in events from the client's start on.
///
/// `delivered + spooled + lost` is every event that the program has caused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Events that every exporter has handed over, or was not to get; with `local` alone, those in the spool.
    pub delivered: u64,
    /// Events in the spool that at least one exporter has yet to hand over. On disk they are
    /// sent later, by this process or the next one.
    pub spooled: u64,
    /// Events that were lost, for any reason; [`Stats::dropped`] has the reasons.
    pub lost: u64,
    /// Whether the time was over before everything was delivered.
    pub timed_out: bool,
    /// Exporters that have stopped for good, and why.
    pub stopped: BTreeMap<String, String>,
}

impl FlushReport {
    /// Whether everything recorded so far has arrived.
    pub fn is_complete(&self) -> bool {
        self.spooled == 0 && self.lost == 0 && !self.timed_out
    }
}
