//! The one thread that writes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use rollout_core::event::{Event, RawObject};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::{BUSY_TIMEOUT, dictionary::Dictionary, group::Group, reprice, retain, search};
use crate::{
    fold::nanoseconds,
    prices::Prices,
    query::{RepricePage, RepriceQuery},
    store::{Origin, Pending, Registration, Retention, StoreError},
};

/// Bytes of events that may wait; more are refused as busy.
const QUEUE_BYTES: usize = 128 << 20;
/// Events that one transaction takes, beyond those of its first request.
const GROUP_EVENTS: usize = 16_384;
/// About what a registration takes in memory.
const REGISTRATION_BYTES: usize = 1024;
/// Commits between which texts are indexed, when there is no pause.
const COMMITS: u32 = 4;
/// Traces whose texts are indexed then, and those in a pause.
const INDEXED_BETWEEN: usize = 64;
const INDEXED_IDLE: usize = 256;
/// Traces that go until texts that nobody has any more are removed.
const SWEPT: u64 = 5_000;
/// How often an idle store looks whether another process has changed the file.
const LOOK: Duration = Duration::from_millis(250);

/// Hands work to the thread; waits for it to finish when dropped.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    waiting: Arc<AtomicUsize>,
    revision: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    work: Work,
    bytes: usize,
    done: oneshot::Sender<Result<(), StoreError>>,
}

enum Work {
    Append(Vec<Event>, Origin),
    Gone(String),
    Register(Registration),
    Sweep(Retention, oneshot::Sender<Result<u64, StoreError>>),
    Reprice(
        RepriceQuery,
        oneshot::Sender<Result<RepricePage, StoreError>>,
    ),
}

impl Writer {
    pub(super) fn start(connection: Connection, prices: Arc<Prices>) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel();
        let (revision, changes) = watch::channel(0);
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut write = Write {
            connection,
            dictionary: Dictionary::default(),
            version: None,
            swept: 0,
            commits: 0,
            prices,
            waiting: Arc::clone(&waiting),
            revision,
        };
        let thread = std::thread::Builder::new()
            .name("rollout-store".to_owned())
            .spawn(move || write.run(&queue))
            .map_err(|error| {
                StoreError::Database(format!("cannot start the writing thread: {error}"))
            })?;
        Ok(Self {
            jobs: Some(jobs),
            waiting,
            revision: changes,
            thread: Some(thread),
        })
    }

    pub(super) fn append(&self, events: Vec<Event>, origin: Origin) -> Pending {
        let bytes = events.iter().map(size).sum();
        self.send(Work::Append(events, origin), bytes)
    }

    pub(super) fn writer_gone(&self, writer: &str) -> Pending {
        self.send(Work::Gone(writer.to_owned()), writer.len())
    }

    pub(super) fn register(&self, registration: Registration) -> Pending {
        self.send(Work::Register(registration), REGISTRATION_BYTES)
    }

    /// Removes some of the traces that are over a bound, in a transaction of their own.
    pub(super) fn sweep(&self, retention: Retention) -> Pending<u64> {
        let (done, pending) = oneshot::channel();
        drop(self.send(Work::Sweep(retention, done), 0));
        Pending(pending)
    }

    /// Gives some traces their costs anew, in a transaction of their own.
    pub(super) fn reprice(&self, query: RepriceQuery) -> Pending<RepricePage> {
        let (done, pending) = oneshot::channel();
        drop(self.send(Work::Reprice(query, done), 0));
        Pending(pending)
    }

    pub(super) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    fn send(&self, work: Work, bytes: usize) -> Pending {
        let (done, pending) = oneshot::channel();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before + bytes > QUEUE_BYTES {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            // The receiver is right here.
            let _ = done.send(Err(StoreError::Busy));
        } else if let Some(jobs) = &self.jobs {
            // A thread that is gone drops the job, which the caller reads as closed.
            let _ = jobs.send(Job { work, bytes, done });
        }
        Pending(pending)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// About what an event takes in memory.
fn size(event: &Event) -> usize {
    let raw =
        |object: &Option<RawObject>| object.as_ref().map_or(0, |object| object.as_str().len());
    let content = event
        .message
        .content
        .as_ref()
        .map_or(0, |content| content.as_str().len());
    size_of::<Event>() + raw(&event.attributes) + raw(&event.raw) + content
}

struct Write {
    connection: Connection,
    dictionary: Dictionary,
    /// Another one when another connection has changed the file.
    version: Option<i64>,
    /// Traces that are gone since texts without any were looked for.
    swept: u64,
    /// Commits since texts were indexed.
    commits: u32,
    prices: Arc<Prices>,
    waiting: Arc<AtomicUsize>,
    revision: watch::Sender<u64>,
}

impl Write {
    fn run(&mut self, queue: &Receiver<Job>) {
        self.version = data_version(&self.connection);
        let mut behind = false;
        loop {
            let wait = if behind { Duration::ZERO } else { LOOK };
            match queue.recv_timeout(wait) {
                Ok(first) => {
                    self.commit(first, queue);
                    self.commits += 1;
                    if self.commits >= COMMITS {
                        self.index(INDEXED_BETWEEN);
                    }
                    behind = true;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.is_changed() {
                        self.revision.send_modify(|revision| *revision += 1);
                    }
                    behind = self.index(INDEXED_IDLE);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether another connection has changed the file since that was asked.
    fn is_changed(&mut self) -> bool {
        let now = data_version(&self.connection);
        let changed = now != self.version;
        if changed {
            self.version = now;
            self.dictionary.forget();
        }
        changed
    }

    /// Indexes texts of some traces. Returns whether there are more.
    fn index(&mut self, most: usize) -> bool {
        self.commits = 0;
        // Nobody waits for another process because of texts.
        let indexed = self
            .connection
            .busy_timeout(Duration::ZERO)
            .map_err(StoreError::from)
            .and_then(|()| self.try_index(most));
        let waits_again = self.connection.busy_timeout(BUSY_TIMEOUT);
        match indexed.and_then(|indexed| waits_again.map(|()| indexed).map_err(StoreError::from)) {
            Ok(indexed) => indexed == most,
            Err(StoreError::Busy) => false,
            Err(error) => {
                log::warn!("cannot index texts: {error}");
                false
            }
        }
    }

    fn try_index(&mut self, most: usize) -> Result<usize, StoreError> {
        let waits: bool =
            self.connection
                .query_row("SELECT EXISTS (SELECT 1 FROM unsearched)", [], |row| {
                    row.get(0)
                })?;
        if !waits {
            return Ok(0);
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = nanoseconds(Timestamp::now());
        let indexed = search::index_some(&transaction, now, most)?;
        if indexed > 0 {
            transaction.commit()?;
        }
        Ok(indexed)
    }

    /// Commits a job, and whatever waits behind it, in one transaction.
    fn commit(&mut self, first: Job, queue: &Receiver<Job>) {
        let mut taken = 0;
        let mut jobs = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            // Whoever asked may have gone.
            match job.work {
                Work::Sweep(retention, done) => {
                    let _ = done.send(self.sweep(&retention));
                    next = None;
                    continue;
                }
                Work::Reprice(query, done) => {
                    let _ = done.send(self.reprice(&query));
                    next = None;
                    continue;
                }
                Work::Append(ref events, _) => taken += events.len(),
                Work::Gone(_) | Work::Register(_) => {}
            }
            jobs.push(job);
            next = if taken < GROUP_EVENTS {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        if jobs.is_empty() {
            return;
        }
        let answers = self.write(&jobs);
        if answers.is_ok() {
            self.revision.send_modify(|revision| *revision += 1);
        }
        for (index, job) in jobs.into_iter().enumerate() {
            self.waiting.fetch_sub(job.bytes, Ordering::Relaxed);
            let answer = match &answers {
                Ok(answers) => answers[index].clone(),
                Err(error) => Err(error.clone()),
            };
            // Whoever asked may have gone.
            let _ = job.done.send(answer);
        }
    }

    fn sweep(&mut self, retention: &Retention) -> Result<u64, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = nanoseconds(Timestamp::now());
        let gone = retain::sweep(&transaction, &mut self.dictionary, retention, now)?;
        self.swept += gone;
        if self.swept >= SWEPT {
            self.swept = 0;
            retain::forget_texts(&transaction, &mut self.dictionary)?;
        }
        transaction.commit()?;
        if gone > 0 {
            self.revision.send_modify(|revision| *revision += 1);
        }
        Ok(gone)
    }

    fn reprice(&mut self, query: &RepriceQuery) -> Result<RepricePage, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let page = reprice::page(&transaction, &mut self.dictionary, query)?;
        transaction.commit()?;
        self.revision.send_modify(|revision| *revision += 1);
        Ok(page)
    }

    fn write(&mut self, jobs: &[Job]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let written = self.try_write(jobs);
        if written.is_err() {
            // Texts may have got numbers that are none.
            self.dictionary.forget();
        }
        written
    }

    fn try_write(&mut self, jobs: &[Job]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = nanoseconds(Timestamp::now());
        // What others have written may have taken numbers from texts.
        let version = data_version(&transaction);
        if version != self.version {
            self.version = version;
            self.dictionary.forget();
        }
        let mut group = Group::new(&transaction, &mut self.dictionary, &self.prices, now);
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match &job.work {
                Work::Append(events, origin) => group.append(events, origin),
                Work::Gone(writer) => group.writer_gone(writer),
                Work::Register(registration) => group.register(registration),
                // Is no part of a group.
                Work::Sweep(..) | Work::Reprice(..) => Ok(()),
            });
            // What is only about one job is its own; the rest fails them all.
            if let Some(Err(error)) = answers.last()
                && !matches!(
                    error,
                    StoreError::Overtaken | StoreError::Conflict(_) | StoreError::Unregistered(_)
                )
            {
                return Err(error.clone());
            }
        }
        group.flush()?;
        drop(group);
        transaction.commit()?;
        Ok(answers)
    }
}

/// Changes when another connection changes the file.
fn data_version(connection: &Connection) -> Option<i64> {
    connection
        .query_row("PRAGMA data_version", [], |row| row.get(0))
        .ok()
}
