//! What waits to be written: bounded by the memory that it takes, with one thread at its end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use rollout_core::event::{Event, RawObject};
use tokio::sync::oneshot;

use super::{Origin, Pending, Registration, StoreError};

/// Bytes of events that may wait; more are refused as busy.
const BYTES: usize = 128 << 20;
/// About what a registration takes in memory.
const REGISTRATION_BYTES: usize = 1024;

/// Hands work to the thread; waits for it to finish when dropped.
pub(super) struct Queue<O = Infallible> {
    jobs: Option<Sender<Job<O>>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be done, and who waits for it.
pub(super) struct Job<O = Infallible> {
    pub(super) work: Work<O>,
    pub(super) ticket: Ticket,
}

/// What can be asked of a thread that writes; `O` is what only this one can be asked.
pub(super) enum Work<O = Infallible> {
    Append(Vec<Event>, Origin),
    Gone(String),
    Register(Registration),
    Other(O),
}

/// The place of a job in the queue, which is free when this is dropped.
pub(super) struct Ticket {
    bytes: usize,
    waiting: Arc<AtomicUsize>,
    done: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl<O: Send + 'static> Queue<O> {
    /// Starts the thread, which takes jobs until there can be no more.
    pub(super) fn start(
        run: impl FnOnce(&Receiver<Job<O>>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("rollout-store".to_owned())
            .spawn(move || run(&queue))
            .map_err(|error| {
                StoreError::Database(format!("cannot start the writing thread: {error}"))
            })?;
        Ok(Self {
            jobs: Some(jobs),
            waiting: Arc::default(),
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

    /// Asks what `work` makes of the way to answer.
    pub(super) fn ask<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> O,
    ) -> Pending<T> {
        let (done, pending) = oneshot::channel();
        drop(self.send(Work::Other(work(done)), 0));
        Pending(pending)
    }

    fn send(&self, work: Work<O>, bytes: usize) -> Pending {
        let (done, pending) = oneshot::channel();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let ticket = Ticket {
            bytes,
            waiting: Arc::clone(&self.waiting),
            done: Some(done),
        };
        if before > 0 && before + bytes > BYTES {
            ticket.answer(Err(StoreError::Busy));
        } else if let Some(jobs) = &self.jobs {
            // A thread that is gone drops the job, which the caller reads as closed.
            let _ = jobs.send(Job { work, ticket });
        }
        Pending(pending)
    }
}

impl<O> Drop for Queue<O> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Ticket {
    /// Tells whoever waits, if anybody still does.
    pub(super) fn answer(mut self, answer: Result<(), StoreError>) {
        let done = self.done.take();
        // Who is answered finds the place free.
        drop(self);
        if let Some(done) = done {
            let _ = done.send(answer);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// About what an event takes in memory.
pub(super) fn size(event: &Event) -> usize {
    let raw =
        |object: &Option<RawObject>| object.as_ref().map_or(0, |object| object.as_str().len());
    let content = event
        .message
        .content
        .as_ref()
        .map_or(0, |content| content.as_str().len());
    size_of::<Event>() + raw(&event.attributes) + raw(&event.raw) + content
}
