//! One exporter's task: reads the spool, makes batches, hands them over, moves on.

mod sampled;

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::back_off::BackOff;
use super::tail::TailSampler;
use super::{Shared, Signal};
use crate::config::Config;
use crate::error::ExportError;
use crate::export::{Batch, Exporter, Receipt, Rejection};
use crate::spool::{self, Backlog, damage};

/// A batch closes at this size, whatever its events.
const BATCH_BYTES: usize = 1 << 20;

/// How often events are sent again that the other side refused for now.
const MOST_REFUSALS: u32 = 5;

/// How often dead writers' folders are looked for.
const LOOK_FOR_BACKLOG: Duration = Duration::from_mins(1);

/// When batches close.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    events: u64,
    bytes: usize,
}

impl Pace {
    /// For an exporter that wants so many times as much at once.
    pub(super) fn of(config: &Config, scale: usize) -> Self {
        let scale = scale.max(1);
        Self {
            interval: config.flush_interval(),
            events: config.flush_at().saturating_mul(scale) as u64,
            bytes: BATCH_BYTES.saturating_mul(scale),
        }
    }
}

/// One exporter and where it is.
pub(super) struct Runner {
    shared: Arc<Shared>,
    signal: watch::Receiver<Signal>,
    name: String,
    reader: usize,
    exporter: Box<dyn Exporter>,
    /// Decides what it gets, if that is not everything.
    sampler: Option<TailSampler>,
    pace: Pace,
    back_off: BackOff,
    /// Since when there is something of our own to send.
    waiting_since: Option<Instant>,
    /// Whether the last attempt failed: an outage is told once.
    failing: bool,
    /// Codes of refusal that were told.
    told: BTreeSet<String>,
    backlog: VecDeque<Backlog>,
    /// Whether it needs something of our own that is not over.
    needs: bool,
    /// Folders of dead writers that cannot be read, and that was told.
    unreadable: BTreeSet<PathBuf>,
    look_for_backlog: Instant,
}

/// A batch on its way, and how often it was refused for now.
struct Part {
    batch: Batch,
    refusals: u32,
}

impl Part {
    fn new(batch: Batch) -> Self {
        Self { batch, refusals: 0 }
    }
}

/// What is to be sent next.
enum Due {
    Own,
    /// What will not end any more, because we do.
    Rest,
    /// What has waited too long for its end.
    Late,
    Backlog,
}

/// The exporter has stopped for good, and why.
struct Stopped(String);

/// Takes over what dead writers left to these exporters.
pub(super) fn adopt(shared: &Shared, runners: &mut [Runner]) {
    if !shared.adopts {
        return;
    }
    let names: Vec<String> = runners
        .iter()
        .filter(|runner| runner.exporter.resumes())
        .map(|runner| runner.name.clone())
        .collect();
    for backlog in find_backlog(shared, &names) {
        let owner = runners.iter_mut().find(|r| r.name == backlog.exporter());
        if let Some(runner) = owner {
            runner.backlog.push_back(backlog);
            shared.set_backlog(runner.reader, true);
        }
    }
}

fn find_backlog(shared: &Shared, names: &[String]) -> Vec<Backlog> {
    if names.is_empty() {
        return Vec::new();
    }
    let found = spool::adopt(shared.config.dir(), names);
    let mut spool = shared.spool();
    for backlog in &found {
        spool.adopted(backlog.path().to_owned());
    }
    found
}

impl Runner {
    pub(super) fn new(
        shared: Arc<Shared>,
        name: String,
        reader: usize,
        exporter: Box<dyn Exporter>,
        pace: Pace,
    ) -> Self {
        Self {
            signal: shared.signal.subscribe(),
            sampler: TailSampler::of(&shared.config, &name),
            shared,
            name,
            reader,
            exporter,
            pace,
            back_off: BackOff::new(),
            waiting_since: None,
            failing: false,
            told: BTreeSet::new(),
            backlog: VecDeque::new(),
            needs: false,
            unreadable: BTreeSet::new(),
            look_for_backlog: Instant::now() + LOOK_FOR_BACKLOG,
        }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(super) fn reader(&self) -> usize {
        self.reader
    }

    /// Runs until it is aborted or the exporter has stopped for good.
    pub(super) async fn run(mut self) {
        let end = loop {
            let step = match self.next_due().await {
                Due::Own => self.send_own().await,
                Due::Rest => self.send_rest().await,
                Due::Late => self.send_late().await,
                Due::Backlog => self.send_backlog().await,
            };
            if let Err(stopped) = step {
                break stopped;
            }
        };
        // The locks of adopted folders are freed for a process that can send.
        self.backlog.clear();
        self.shared.set_backlog(self.reader, false);
        self.shared.stopped(self.reader, &end.0);
    }

    /// Waits until a batch of our own is full, old enough or wanted; until then it is the turn of
    /// what dead writers have left.
    async fn next_due(&mut self) -> Due {
        loop {
            let signal = *self.signal.borrow_and_update();
            let (pending, done) = {
                let spool = self.shared.spool();
                (spool.pending(self.reader), spool.done(self.reader))
            };
            let now = Instant::now();
            let mut wake = self.look_for_backlog;
            if pending.events > 0 {
                let full =
                    pending.events >= self.pace.events || pending.bytes >= self.pace.bytes as u64;
                let due = *self.waiting_since.get_or_insert(now) + self.pace.interval;
                if full || done < signal.hurry_to || now >= due {
                    return Due::Own;
                }
                wake = wake.min(due);
            } else if signal.closing && self.needs {
                return Due::Rest;
            }
            if !self.backlog.is_empty() {
                return Due::Backlog;
            }
            if now >= self.look_for_backlog {
                self.find_backlog();
                if self.has_late() {
                    return Due::Late;
                }
                continue;
            }
            // Either way it is looked at again; the sender lives as long as `shared`.
            let _ = time::timeout_at(wake, self.signal.changed()).await;
        }
    }

    fn find_backlog(&mut self) {
        self.look_for_backlog = Instant::now() + LOOK_FOR_BACKLOG;
        if self.shared.adopts && self.exporter.resumes() {
            let names = [self.name.clone()];
            self.backlog.extend(find_backlog(&self.shared, &names));
            self.shared
                .set_backlog(self.reader, !self.backlog.is_empty());
        }
    }

    async fn send_own(&mut self) -> Result<(), Stopped> {
        self.waiting_since = None;
        let chunk = self
            .shared
            .spool()
            .read(self.reader, self.pace.bytes, self.pace.events);
        if let Some(chunk) = chunk {
            let writer = self.shared.spool().writer();
            let batch = Batch::from_lines(&chunk.lines)
                .of_writer(writer.clone())
                .numbered(chunk.number, false);
            self.pass_on(writer.as_ref(), batch, false).await?;
            let needed = self.needed(writer.as_ref());
            self.needs = needed.is_some();
            self.shared.spool().advance(self.reader, needed);
            self.tell_needs(writer.as_ref());
        }
        self.shared.progressed();
        Ok(())
    }

    async fn send_rest(&mut self) -> Result<(), Stopped> {
        let writer = self.shared.spool().writer();
        self.decide_rest(writer.as_ref()).await?;
        if self.exporter.needs_from(writer.as_deref()).is_some() {
            self.tell_gone(writer.as_deref().unwrap_or_default())
                .await?;
        }
        self.needs = false;
        self.shared.spool().hold(self.reader, None);
        self.tell_needs(writer.as_ref());
        self.shared.progressed();
        Ok(())
    }

    async fn send_backlog(&mut self) -> Result<(), Stopped> {
        let Pace { events, bytes, .. } = self.pace;
        let Some(backlog) = self.backlog.front_mut() else {
            return Ok(());
        };
        match backlog.read(bytes, events) {
            Ok(Some(chunk)) => {
                let writer = backlog.writer();
                self.shared.under_way(backlog);
                let found = damage::look(chunk.lines);
                self.shared.damaged(backlog.path(), &found);
                let batch = Batch::from_lines(&found.lines)
                    .of_writer(writer.clone())
                    .numbered(chunk.number, chunk.again);
                self.pass_on(writer.as_ref(), batch, true).await?;
                let needed = self.needed(writer.as_ref());
                if let Some(backlog) = self.backlog.front_mut() {
                    if let Err(error) = backlog.advance(needed) {
                        log::debug!("rollout: cannot write the cursor of {}: {error}", self.name);
                    }
                    self.shared.under_way(backlog);
                }
                return Ok(());
            }
            Ok(None) => {
                let writer = backlog.writer();
                self.decide_rest(writer.as_ref()).await?;
                if let Some(writer) = writer {
                    self.tell_gone(&writer).await?;
                }
                if let Some(backlog) = self.backlog.pop_front() {
                    backlog.finish();
                }
            }
            Err(error) => {
                // It stays, for a process that can read it.
                if let Some(backlog) = self.backlog.pop_front() {
                    let folder = backlog.path().display();
                    let why = format!(
                        "cannot read what an earlier process has left in {folder}: {error}"
                    );
                    if self.unreadable.insert(backlog.path().to_owned()) {
                        self.shared
                            .counters
                            .warn(format_args!("{why}; it stays there"));
                    }
                    self.shared
                        .counters
                        .exporter(&self.name, |counts| counts.last_error = Some(why));
                }
            }
        }
        self.shared
            .set_backlog(self.reader, !self.backlog.is_empty());
        Ok(())
    }

    /// Says that a dead writer has nothing more to say, however long it takes.
    async fn tell_gone(&mut self, writer: &str) -> Result<(), Stopped> {
        loop {
            match self.exporter.writer_gone(writer).await {
                Err(ExportError::Retry { after, reason }) => {
                    self.failed(&reason);
                    self.back_off_for(after, &reason).await;
                }
                Err(ExportError::Stop { reason }) => return Err(Stopped(reason)),
                Ok(receipt) => {
                    self.succeeded();
                    for rejection in &receipt.rejected {
                        self.count_rejected(1, &rejection.code, &rejection.message);
                    }
                    return Ok(());
                }
                // The other side does not want to know.
                Err(_) => {
                    self.succeeded();
                    return Ok(());
                }
            }
        }
    }

    /// Hands a batch over, whole or in parts, however long it takes.
    async fn hand_over(&mut self, batch: Batch, adopted: bool) -> Result<(), Stopped> {
        let mut parts = vec![Part::new(batch)];
        while let Some(part) = parts.pop() {
            let batch = &part.batch;
            if batch.is_empty() {
                continue;
            }
            match self.exporter.export(batch).await {
                Ok(receipt) => {
                    self.succeeded();
                    if let Some(again) = self.receive(&part, &receipt, adopted) {
                        self.back_off_for(None, "some events were refused for now")
                            .await;
                        parts.push(again);
                    }
                }
                Err(ExportError::Retry { after, reason }) => {
                    self.failed(&reason);
                    self.back_off_for(after, &reason).await;
                    parts.push(part);
                }
                Err(ExportError::TooLarge { reason }) => {
                    self.succeeded();
                    if batch.len() == 1 {
                        self.reject(adopted, "too_large", &reason, batch);
                    } else {
                        let half = batch.len() / 2;
                        parts.push(Part::new(batch.select(half..batch.len())));
                        parts.push(Part::new(batch.select(0..half)));
                    }
                }
                Err(ExportError::Invalid { code, reason }) => {
                    self.succeeded();
                    if batch.len() == 1 {
                        self.reject(adopted, &code, &reason, batch);
                    } else {
                        let single = |index| Part::new(batch.select([index]));
                        parts.extend((0..batch.len()).rev().map(single));
                    }
                }
                Err(ExportError::Rejected { code, reason }) => {
                    self.succeeded();
                    self.reject(adopted, &code, &reason, batch);
                }
                Err(ExportError::Stop { reason }) => return Err(Stopped(reason)),
            }
        }
        Ok(())
    }

    /// Counts what was taken and what was refused; what may be taken later comes back.
    fn receive(&mut self, part: &Part, receipt: &Receipt, adopted: bool) -> Option<Part> {
        let batch = &part.batch;
        let refused: Vec<&Rejection> = receipt
            .rejected
            .iter()
            .filter(|rejection| rejection.index < batch.len())
            .collect();
        let indices: BTreeSet<usize> = refused.iter().map(|r| r.index).collect();
        // What was handed over before was counted then.
        let taken = if batch.is_again() {
            0
        } else {
            (batch.len() - indices.len()) as u64
        };
        self.shared.counters.exporter(&self.name, |counts| {
            counts.delivered += taken;
            counts.adopted += if adopted { taken } else { 0 };
            counts.batches += 1;
            counts.bytes += batch.bytes() as u64;
        });
        if receipt.retryable && !indices.is_empty() && part.refusals < MOST_REFUSALS {
            return Some(Part {
                batch: batch.select(indices),
                refusals: part.refusals + 1,
            });
        }
        let mut counted = BTreeSet::new();
        for rejection in refused {
            if counted.insert(rejection.index) {
                let event = batch.select([rejection.index]);
                self.reject(adopted, &rejection.code, &rejection.message, &event);
            }
        }
        None
    }

    fn reject(&mut self, adopted: bool, code: &str, reason: &str, batch: &Batch) {
        self.shared.refused(self.reader, batch, adopted);
        self.count_rejected(batch.len() as u64, code, reason);
    }

    fn count_rejected(&mut self, count: u64, code: &str, reason: &str) {
        self.shared.counters.rejected(&self.name, code, count);
        if self.told.len() < 32 && self.told.insert(code.into()) {
            let name = &self.name;
            self.shared.counters.warn(format_args!(
                "exporter {name}: an event was refused ({code}: {reason}); others for the same \
                 reason are counted in client.stats()"
            ));
        }
    }

    fn succeeded(&mut self) {
        self.back_off = BackOff::new();
        if self.failing {
            self.failing = false;
            log::info!("rollout: exporter {} delivers again", self.name);
            self.shared
                .counters
                .exporter(&self.name, |counts| counts.last_error = None);
        }
    }

    fn failed(&mut self, reason: &str) {
        self.shared.counters.exporter(&self.name, |counts| {
            counts.retries += 1;
            counts.last_error = Some(reason.into());
        });
        if !self.failing {
            self.failing = true;
            let name = &self.name;
            self.shared.counters.warn(format_args!(
                "exporter {name} cannot deliver: {reason}; events wait in the spool and are sent \
                 again until they arrive"
            ));
        }
    }

    /// Waits before the next attempt. Somebody who begins to wait for delivery cuts this short,
    /// unless the other side has asked for the time.
    async fn back_off_for(&mut self, asked: Option<Duration>, reason: &str) {
        let wait = self.back_off.next(asked);
        log::debug!(
            "rollout: exporter {}: {reason}; again in {wait:?}",
            self.name
        );
        let until = Instant::now() + wait;
        let waiters = self.signal.borrow().waiters;
        loop {
            let changed = time::timeout_at(until, self.signal.changed()).await;
            if changed.is_err() || (asked.is_none() && self.signal.borrow().waiters != waiters) {
                return;
            }
        }
    }
}
