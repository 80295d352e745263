//! Delivery: the spool, and one task per exporter that reads on from where it was.
//!
//! Lives on the worker's thread, inside its single-threaded tokio runtime. Appending never waits
//! for an exporter; exporters never wait for each other.

mod back_off;
mod runner;
mod tail;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::runner::{Pace, Runner};
use crate::config::{Config, ExporterKind, SpoolKind};
use crate::export::{Batch, Exporter};
use crate::spool::{Backlog, Line, Run, Spool, SpoolOptions, damage};
use crate::stats::{Counters, DropReason, FlushReport};

/// Traces that are remembered at most because they have lost something.
const MOST_LOSSES: usize = 4096;

/// The spool and its exporters.
///
/// Whoever drops the runtime should use `Runtime::shutdown_background`: a name that is being
/// looked up must not hold up the end of the process.
pub(crate) struct Delivery {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the worker and the exporters' tasks have in common.
struct Shared {
    spool: Mutex<Spool>,
    counters: Arc<Counters>,
    signal: watch::Sender<Signal>,
    /// Bumped whenever an exporter has come further, or stopped.
    progress: watch::Sender<u64>,
    exporters: Mutex<Vec<Status>>,
    /// What traces have lost, and why, while the worker has not been told.
    losses: Mutex<Vec<(u128, DropReason, u64)>>,
    /// Damaged lines of dead writers that are counted.
    damaged: (Mutex<HashSet<u64>>, RandomState),
    /// Whether dead writers' folders are looked for.
    adopts: bool,
    config: Config,
}

/// What the worker tells the exporters' tasks.
#[derive(Clone, Copy, Debug, Default)]
struct Signal {
    /// Lines appended so far.
    lines: u64,
    /// Everything up to this line is wanted now, be the batch full or not.
    hurry_to: u64,
    /// How often somebody began to wait: a back-off is cut short for them.
    waiters: u64,
    /// Nothing more will be appended.
    closing: bool,
}

/// How one exporter is doing.
#[derive(Clone, Debug)]
struct Status {
    name: String,
    /// Its number at the spool.
    reader: usize,
    /// Why it has stopped for good.
    stopped: Option<String>,
    /// Whether something that a dead writer left is still to be sent.
    has_backlog: bool,
    /// Whether it needs something of ours that is not over.
    needs: bool,
    /// Events of ours of which it is not decided whether it gets them.
    undecided: u64,
    /// Events of this client that the other side refused.
    refused: u64,
}

impl Delivery {
    /// Opens the spool and starts the exporters. Must be called inside a tokio runtime.
    pub(crate) fn start(
        config: &Config,
        exporters: Vec<Box<dyn Exporter>>,
        counters: Arc<Counters>,
    ) -> Self {
        let keep = config.exports_to(ExporterKind::Local);
        let options = SpoolOptions {
            dir: config.dir().to_owned(),
            kind: config.spool(),
            keep,
            max_disk_bytes: config.max_spool_bytes(),
            max_memory_bytes: config.max_queue_bytes(),
        };
        let mut spool = Spool::open(options, Arc::clone(&counters));
        let mut named = BTreeMap::new();
        let mut runners = Vec::new();
        let mut statuses = Vec::new();
        for exporter in exporters {
            let name = unique(&mut named, exporter.name());
            counters.exporter(&name, |_| {});
            let reader = spool.add_reader(&name, exporter.resumes());
            statuses.push(Status {
                name: name.clone(),
                reader,
                stopped: None,
                has_backlog: false,
                needs: false,
                undecided: 0,
                refused: 0,
            });
            runners.push((name, reader, exporter));
        }
        let shared = Arc::new(Shared {
            spool: Mutex::new(spool),
            counters,
            signal: watch::Sender::default(),
            progress: watch::Sender::default(),
            exporters: Mutex::new(statuses),
            losses: Mutex::default(),
            damaged: Default::default(),
            adopts: config.spool() == SpoolKind::Disk,
            config: config.clone(),
        });
        let mut runners: Vec<_> = runners
            .into_iter()
            .map(|(name, reader, exporter)| {
                let pace = Pace::of(config, exporter.batch_scale());
                Runner::new(Arc::clone(&shared), name, reader, exporter, pace)
            })
            .collect();
        runner::adopt(&shared, &mut runners);
        let tasks = runners.into_iter().map(spawn).collect();
        Self { shared, tasks }
    }

    /// Appends whole lines, whose these are. Never waits for the network.
    pub(crate) fn append(&mut self, lines: &[u8], runs: &[Run]) {
        let (total, lost) = {
            let mut spool = self.shared.spool();
            let before = spool.lost();
            if runs.is_empty() {
                spool.look_around();
            } else {
                spool.append(lines, runs);
            }
            (spool.lines(), spool.lost() > before)
        };
        if !runs.is_empty() {
            self.shared
                .signal
                .send_modify(|signal| signal.lines = total);
        }
        if lost {
            // Nobody waits for these any more.
            self.shared.progressed();
        }
        self.shared.counters.tell_losses(false);
    }

    /// Appends lines that only say what was lost.
    pub(crate) fn append_marks(&mut self, lines: &[u8], marks: u64) {
        let total = {
            let mut spool = self.shared.spool();
            spool.append_marks(lines, marks);
            spool.lines()
        };
        self.shared
            .signal
            .send_modify(|signal| signal.lines = total);
    }

    /// What traces have lost on their way since the last call, and why.
    pub(crate) fn take_losses(&self) -> Vec<(u128, DropReason, u64)> {
        let mut losses = self.shared.spool().take_losses();
        losses.append(&mut self.shared.losses());
        losses
    }

    /// Asks the exporters to send what is spooled now without waiting for full batches.
    pub(crate) fn hurry(&self) {
        let total = self.shared.spool().lines();
        self.shared
            .signal
            .send_modify(|signal| signal.hurry_to = total);
    }

    /// Resolves when every exporter is past what is spooled now or has stopped for good, or at
    /// the deadline.
    pub(crate) fn flush(&self, deadline: Instant) -> impl Future<Output = FlushReport> + use<> {
        Arc::clone(&self.shared).wait(deadline, false)
    }

    /// Waits as [`Delivery::stop`] does, and goes on.
    pub(crate) async fn settle(&self, deadline: Instant) {
        Arc::clone(&self.shared).wait(deadline, true).await;
    }

    /// Flushes, what dead writers left included, then ends. What is not delivered by then is in
    /// the spool.
    pub(crate) async fn stop(self, deadline: Instant) -> FlushReport {
        self.shared
            .signal
            .send_modify(|signal| signal.closing = true);
        let mut report = Arc::clone(&self.shared).wait(deadline, true).await;
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            // An aborted task is what was asked for.
            let _ = task.await;
        }
        let timed_out = report.timed_out;
        self.shared.spool().close();
        report = self.shared.report();
        report.timed_out = timed_out;
        self.shared.counters.tell_losses(true);
        report
    }
}

/// A name of its own for every exporter, fit for a file.
fn unique(taken: &mut BTreeMap<String, u32>, name: &str) -> String {
    let mut name: String = name
        .chars()
        .take(64)
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if name.is_empty() {
        name.push('_');
    }
    let count = taken.entry(name.clone()).or_default();
    *count += 1;
    if *count > 1 {
        name = format!("{name}_{count}");
    }
    name
}

fn spawn(runner: Runner) -> JoinHandle<()> {
    let (shared, reader) = (runner.shared(), runner.reader());
    tokio::spawn(async move {
        if AssertUnwindSafe(runner.run()).catch_unwind().await.is_err() {
            shared.stopped(reader, "the exporter panicked");
        }
    })
}

impl Shared {
    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> MutexGuard<'_, Vec<Status>> {
        self.exporters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn progressed(&self) {
        self.progress
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// An exporter stops for good. Its events stay in the spool.
    fn stopped(&self, reader: usize, reason: &str) {
        let name = {
            let mut statuses = self.statuses();
            let Some(status) = statuses.iter_mut().find(|s| s.reader == reader) else {
                return;
            };
            status.stopped = Some(reason.into());
            status.name.clone()
        };
        self.counters
            .exporter(&name, |counts| counts.stopped = Some(reason.into()));
        self.counters.warn(format_args!(
            "exporter {name} has stopped: {reason}; events stay in the spool"
        ));
        self.progressed();
    }

    fn set_backlog(&self, reader: usize, has_backlog: bool) {
        let mut statuses = self.statuses();
        if let Some(status) = statuses.iter_mut().find(|s| s.reader == reader) {
            status.has_backlog = has_backlog;
        }
        drop(statuses);
        self.progressed();
    }

    fn set_needs(&self, reader: usize, needs: bool, undecided: u64) {
        let mut statuses = self.statuses();
        if let Some(status) = statuses.iter_mut().find(|s| s.reader == reader) {
            status.needs = needs;
            status.undecided = undecided;
        }
    }

    /// Says what of a dead writer's folder is being sent, so that it stays.
    fn under_way(&self, backlog: &Backlog) {
        self.spool()
            .adopted_taken(backlog.path(), backlog.exporter(), backlog.taken());
    }

    fn losses(&self) -> MutexGuard<'_, Vec<(u128, DropReason, u64)>> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These lines are lost, so their traces are to say so. What is lost of marks is not said.
    fn lost<'a>(&self, reason: DropReason, lines: impl Iterator<Item = Line<'a>>) -> u64 {
        let mut losses = self.losses();
        let mut count = 0;
        for line in lines.filter(|line| !line.is_mark()) {
            count += 1;
            let room = losses.len() < MOST_LOSSES;
            match (line.id(), losses.last_mut()) {
                (Some(trace), Some((last, why, lost))) if (*last, *why) == (trace, reason) => {
                    *lost += 1;
                }
                (Some(trace), _) if room => losses.push((trace, reason, 1)),
                _ => {}
            }
        }
        count
    }

    /// Lines that a dead writer has left are damaged. Each exporter that reads them finds them, and it is counted once.
    fn damaged(&self, folder: &Path, found: &damage::Found) {
        let (known, hasher) = &self.damaged;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_LOSSES {
            known.clear();
        }
        let new = found
            .damaged
            .iter()
            .filter(|line| known.insert(hasher.hash_one((folder, line))));
        let lost = self.lost(DropReason::SpoolDamaged, new.map(|line| Line::new(line)));
        self.counters.dropped(DropReason::SpoolDamaged, lost);
    }

    /// Events of ours, or of a dead writer, were refused.
    fn refused(&self, reader: usize, batch: &Batch, adopted: bool) {
        let count = self.lost(DropReason::Rejected, batch.events().map(Line::new));
        let mut statuses = self.statuses();
        let status = statuses.iter_mut().find(|s| s.reader == reader);
        if let Some(status) = status.filter(|_| !adopted) {
            status.refused += count;
        }
    }

    fn is_done(&self, target: u64, with_backlog: bool) -> bool {
        let closing = self.signal.borrow().closing;
        let statuses = self.statuses();
        let spool = self.spool();
        statuses.iter().all(|status| {
            status.stopped.is_some()
                || (spool.done(status.reader) >= target
                    && !(with_backlog && status.has_backlog)
                    && !(closing && status.needs))
        })
    }

    /// Waits from the moment of the call on, whenever it is polled first.
    fn wait(
        self: Arc<Self>,
        deadline: Instant,
        with_backlog: bool,
    ) -> impl Future<Output = FlushReport> + use<> {
        let target = self.spool().lines();
        self.signal.send_modify(|signal| {
            signal.hurry_to = target;
            signal.waiters += 1;
        });
        let mut progress = self.progress.subscribe();
        async move {
            let mut timed_out = false;
            while !timed_out && !self.is_done(target, with_backlog) {
                timed_out = tokio::time::timeout_at(deadline, progress.changed())
                    .await
                    .is_err();
            }
            let mut report = self.report();
            report.timed_out = timed_out;
            report
        }
    }

    fn report(&self) -> FlushReport {
        let statuses = self.statuses().clone();
        let before = self.counters.lost_before_spool();
        let spool = self.spool();
        let total = spool.events();
        let waiting = |s: &Status| spool.waiting(s.reader) + s.undecided;
        let waiting = statuses.iter().map(waiting).max();
        // What the spool itself has said may take the place of what is lost.
        let spooled = waiting.unwrap_or(0).min(total - spool.lost().min(total));
        let refused = statuses.iter().map(|s| s.refused).max().unwrap_or(0);
        // Every event is in exactly one of the three.
        let lost = (spool.lost() + refused).min(total - spooled);
        FlushReport {
            delivered: total - spooled - lost,
            spooled,
            lost: before + lost,
            timed_out: false,
            stopped: statuses
                .into_iter()
                .filter_map(|status| Some((status.name, status.stopped?)))
                .collect(),
        }
    }
}
