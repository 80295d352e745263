//! The one thread that writes.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::{BUSY_TIMEOUT, dictionary::Dictionary, group::Group, reprice, retain, search};
use crate::{
    fold::nanoseconds,
    prices::Prices,
    query::{RepricePage, RepriceQuery},
    store::{
        Retention, StoreError,
        queue::{Job, Queue, Work},
    },
};

/// Events that one transaction takes, beyond those of its first request.
const GROUP_EVENTS: usize = 16_384;
/// Commits between which texts are indexed, when there is no pause.
const COMMITS: u32 = 4;
/// Traces whose texts are indexed then, and those in a pause.
const INDEXED_BETWEEN: usize = 64;
const INDEXED_IDLE: usize = 256;
/// Traces that go until texts that nobody has any more are removed.
const SWEPT: u64 = 5_000;
/// How often an idle store looks whether another process has changed the file.
const LOOK: Duration = Duration::from_millis(250);

/// The queue before the thread, and what the thread tells.
pub(super) struct Writer {
    queue: Queue<Task>,
    revision: watch::Receiver<u64>,
}

/// What is done in a transaction of its own, and where its result goes.
pub(super) enum Task {
    Sweep(Retention, oneshot::Sender<Result<u64, StoreError>>),
    Reprice(
        RepriceQuery,
        oneshot::Sender<Result<RepricePage, StoreError>>,
    ),
}

impl Writer {
    pub(super) fn start(connection: Connection, prices: Arc<Prices>) -> Result<Self, StoreError> {
        let (revision, changes) = watch::channel(0);
        let mut write = Write {
            connection,
            dictionary: Dictionary::default(),
            version: None,
            swept: 0,
            commits: 0,
            prices,
            fails: false,
            revision,
        };
        Ok(Self {
            queue: Queue::start(move |queue| write.run(queue))?,
            revision: changes,
        })
    }

    pub(super) fn queue(&self) -> &Queue<Task> {
        &self.queue
    }

    pub(super) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }
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
    /// Whether texts could not be indexed when that was tried last.
    fails: bool,
    revision: watch::Sender<u64>,
}

impl Write {
    fn run(&mut self, queue: &Receiver<Job<Task>>) {
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
            Ok(indexed) => {
                self.fails = false;
                indexed == most
            }
            Err(StoreError::Busy) => false,
            Err(error) => {
                // It is tried again and again: that is said once.
                if !std::mem::replace(&mut self.fails, true) {
                    log::warn!("cannot index texts: {error}");
                }
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
    fn commit(&mut self, first: Job<Task>, queue: &Receiver<Job<Task>>) {
        let mut taken = 0;
        let mut jobs = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            // Whoever asked may have gone.
            match job.work {
                Work::Other(task) => {
                    match task {
                        Task::Sweep(retention, done) => drop(done.send(self.sweep(&retention))),
                        Task::Reprice(query, done) => drop(done.send(self.reprice(&query))),
                    }
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
            job.ticket.answer(match &answers {
                Ok(answers) => answers[index].clone(),
                Err(error) => Err(error.clone()),
            });
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

    fn write(&mut self, jobs: &[Job<Task>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let written = self.try_write(jobs);
        if written.is_err() {
            // Texts may have got numbers that are none.
            self.dictionary.forget();
        }
        written
    }

    fn try_write(&mut self, jobs: &[Job<Task>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
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
                Work::Other(_) => Ok(()),
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
