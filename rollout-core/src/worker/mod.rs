//! The one background thread: drains the queues, encodes, and hands the lines to [`deliver`].
//!
//! It is an OS thread with a single-threaded tokio runtime of its own, so that it depends on nothing of the host's
//! and holds up nothing there. While the program records it looks every [`BUSY`]; when nothing has come for a while,
//! every [`IDLE`]. That bounds what `kill -9` can lose.

pub(crate) mod deliver;
mod encode;
mod expiry;
mod signals;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::deliver::Delivery;
pub(crate) use self::encode::{Encoder, Masks, Resource};
use self::expiry::Expiry;
pub(crate) use self::expiry::Watch;
use crate::check::{self, CheckResult};
use crate::client::SHUTDOWN_TIMEOUT;
use crate::clock;
use crate::config::{Config, ExporterKind};
use crate::error::FlushError;
use crate::export::Exporter;
use crate::processor::Processors;
use crate::queue::{LaneReader, Lanes, RecordBuffer};
use crate::spool::{self, Run};
use crate::stats::{Counters, DropReason, FlushReport};

/// How often the queues are looked at while the program records.
const BUSY: Duration = Duration::from_millis(5);

/// How often when it does not.
const IDLE: Duration = Duration::from_millis(25);

/// Looks in a row that found nothing, after which the program counts as idle.
const QUIET_LOOKS: u32 = 40;

/// Bytes of records that are encoded in one go, before the exporters get a turn.
const BATCH_BYTES: usize = 1 << 20;

/// What the worker is asked to do.
pub(crate) enum Command {
    /// Bring everything that is recorded by now to the spool.
    Spool(Reply<()>),
    /// The same, and wait for its delivery until the deadline.
    Flush(Instant, Reply<FlushReport>),
    /// Send a diagnostic batch.
    Check(Reply<CheckResult>),
    /// Flush, then end.
    Stop(Instant, Reply<FlushReport>),
}

/// Where the worker takes commands.
pub(crate) type Commands = mpsc::UnboundedSender<Command>;

/// The way back to whoever gave a command: a blocked thread or a future, on any runtime or none.
pub(crate) enum Reply<T> {
    Thread(std::sync::mpsc::SyncSender<T>),
    Future(oneshot::Sender<T>),
}

impl<T> Reply<T> {
    /// For a thread that blocks.
    pub(crate) fn thread() -> (Self, std::sync::mpsc::Receiver<T>) {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        (Self::Thread(sender), receiver)
    }

    /// For a future that waits until this time at most.
    pub(crate) fn future(watch: &Arc<Watch>, deadline: std::time::Instant) -> (Self, Answer<T>) {
        let (sender, receiver) = oneshot::channel();
        let answer = Answer {
            receiver,
            watch: Arc::clone(watch),
            deadline,
            expiry: None,
        };
        (Self::Future(sender), answer)
    }

    fn send(self, value: T) {
        // Whoever asked may have gone away.
        match self {
            Self::Thread(sender) => drop(sender.try_send(value)),
            Self::Future(sender) => drop(sender.send(value)),
        }
    }
}

/// The worker's answer, unless it is gone, or at something that does not end.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    receiver: oneshot::Receiver<T>,
    watch: Arc<Watch>,
    deadline: std::time::Instant,
    /// From the first time on that there was no answer yet.
    expiry: Option<Expiry>,
}

impl<T> Future for Answer<T> {
    type Output = Result<T, FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.receiver).poll(cx) {
            return Poll::Ready(answer.map_err(|_| FlushError::NoWorker));
        }
        let Self {
            watch,
            deadline,
            expiry,
            ..
        } = &mut *self;
        let expiry = expiry.get_or_insert_with(|| Expiry::at(watch, *deadline));
        Pin::new(expiry).poll(cx).map(|()| Err(FlushError::Busy))
    }
}

/// What the worker starts with.
pub(crate) struct Start {
    pub(crate) config: Config,
    /// Made on the worker's thread.
    pub(crate) exporters: Box<dyn FnOnce() -> Vec<Box<dyn Exporter>> + Send>,
    pub(crate) processors: Processors,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) encoder: Encoder,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
}

/// Starts the thread; fails where the system has none to give.
pub(crate) fn start(start: Start) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name("rollout-worker".into())
        .spawn(move || {
            let counters = Arc::clone(&start.counters);
            if catch_unwind(AssertUnwindSafe(|| run(start))).is_err() {
                counters.warn(format_args!(
                    "the worker panicked: nothing more is recorded; please report this"
                ));
            }
        })
}

fn run(start: Start) {
    let Start {
        config,
        exporters,
        processors,
        lanes,
        counters,
        encoder,
        commands,
    } = start;
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            counters.warn(format_args!(
                "no runtime for the worker, nothing is recorded: {error}"
            ));
            return;
        }
    };
    runtime.block_on(async {
        let exporters = exporters();
        let encodes = !exporters.is_empty() || config.exports_to(ExporterKind::Local);
        let delivery = Delivery::start(&config, exporters, Arc::clone(&counters));
        let signals = config.drain_on_signals().then(signals::listen);
        let worker = Worker {
            config,
            signals,
            drain: Drain {
                lanes,
                readers: Vec::new(),
                records: RecordBuffer::default(),
                lines: Vec::new(),
                runs: Vec::new(),
                processors,
                encodes,
                encoder,
                counters,
            },
            delivery,
            commands,
        };
        worker.serve().await;
    });
    // A host name that is being looked up must not hold up the end of the process.
    runtime.shutdown_background();
}

struct Worker {
    config: Config,
    drain: Drain,
    delivery: Delivery,
    commands: mpsc::UnboundedReceiver<Command>,
    /// The codes to exit with, where the program has asked for it.
    signals: Option<mpsc::UnboundedReceiver<i32>>,
}

impl Worker {
    async fn serve(mut self) {
        let mut quiet = 0;
        loop {
            let signal = self
                .signals
                .as_mut()
                .and_then(|signals| signals.try_recv().ok());
            if let Some(code) = signal {
                self.drain.all(u64::MAX, &mut self.delivery).await;
                self.delivery.stop(Instant::now() + SHUTDOWN_TIMEOUT).await;
                std::process::exit(code);
            }
            let pause = if quiet < QUIET_LOOKS { BUSY } else { IDLE };
            match tokio::time::timeout(pause, self.commands.recv()).await {
                Err(_) => {
                    let found = self.drain.all(clock::now(), &mut self.delivery).await;
                    quiet = if found { 0 } else { quiet.saturating_add(1) };
                }
                Ok(Some(Command::Spool(reply))) => {
                    self.drain.all(u64::MAX, &mut self.delivery).await;
                    self.delivery.hurry();
                    reply.send(());
                }
                Ok(Some(Command::Flush(deadline, reply))) => {
                    self.drain.all(u64::MAX, &mut self.delivery).await;
                    let report = self.delivery.flush(deadline);
                    tokio::spawn(async move { reply.send(report.await) });
                }
                Ok(Some(Command::Check(reply))) => {
                    let config = self.config.clone();
                    tokio::spawn(async move { reply.send(check::check(&config).await) });
                }
                Ok(Some(Command::Stop(deadline, reply))) => {
                    self.drain.all(u64::MAX, &mut self.delivery).await;
                    self.delivery.settle(deadline).await;
                    // What was refused by now is said, too.
                    self.drain.say_losses(&mut self.delivery);
                    reply.send(self.delivery.stop(deadline).await);
                    return;
                }
                // Every handle is gone without a word: what there is goes to the spool.
                Ok(None) => {
                    self.drain.all(u64::MAX, &mut self.delivery).await;
                    self.delivery.stop(Instant::now()).await;
                    return;
                }
            }
        }
    }
}

/// From the queues to lines.
struct Drain {
    lanes: Arc<Lanes>,
    readers: Vec<LaneReader>,
    records: RecordBuffer,
    lines: Vec<u8>,
    /// Whose the lines are.
    runs: Vec<Run>,
    processors: Processors,
    /// Whether there is anybody to read lines.
    encodes: bool,
    encoder: Encoder,
    counters: Arc<Counters>,
}

impl Drain {
    /// Brings all records up to this time to the spool, in the order of time over all threads. Returns whether
    /// there were any.
    ///
    /// A record that another one caused was written before it, so it is in a queue by the time that the other one is
    /// not newer than `until`: cause comes before effect in the spool.
    async fn all(&mut self, until: u64, delivery: &mut Delivery) -> bool {
        // Records from before ticks went back would wait for the time they name.
        let until = if self.encoder.look_at_clock() {
            until
        } else {
            u64::MAX
        };
        let mut found = false;
        // Up to where all is read, while there is more in some queue.
        let mut behind = u64::MAX;
        loop {
            self.readers.extend(self.lanes.take_new());
            let mut read_to = u64::MAX;
            let share = (BATCH_BYTES / self.readers.len().max(1)).max(64 * 1024);
            for reader in &mut self.readers {
                // One that is ahead waits for those behind.
                let is_ahead = !self.records.is_empty() && reader.read_to() > behind;
                let bound = self.records.bytes() + share;
                if is_ahead || !reader.read(&mut self.records, until, bound) {
                    read_to = read_to.min(reader.read_to());
                }
            }
            self.readers.retain(|reader| !reader.is_finished());
            behind = read_to;
            let complete = read_to == u64::MAX;
            if self.records.is_empty() {
                delivery.append(&[], &[]);
                self.say_losses(delivery);
                return found;
            }
            found = true;
            self.encode(read_to, delivery);
            if complete {
                return found;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Says of traces that have lost something what that is, where no event of theirs has come that says it.
    fn say_losses(&mut self, delivery: &mut Delivery) {
        self.note_losses(delivery);
        self.lines.clear();
        let marks = self.encoder.say_losses(&mut self.lines);
        if marks > 0 {
            delivery.append_marks(&self.lines, marks);
        }
    }

    fn note_losses(&mut self, delivery: &Delivery) {
        let losses = self.lanes.take_losses();
        if !self.encodes {
            // They are counted, and there is no trace to say it in.
            return;
        }
        for (trace, events) in losses {
            self.encoder.lost(trace, DropReason::QueueFull, events);
        }
        for (trace, reason, events) in delivery.take_losses() {
            self.encoder.lost(trace, reason, events);
        }
    }

    /// Brings the records up to this time to the spool.
    fn encode(&mut self, to: u64, delivery: &mut Delivery) {
        const LINES_KEPT: usize = 4 << 20;
        self.records.sort();
        self.note_losses(delivery);
        self.lines.clear();
        self.lines.shrink_to(LINES_KEPT);
        self.runs.clear();
        let mut events = 0;
        for (record, payload) in self.records.up_to(to) {
            if !self.processors.is_empty() {
                let wall = self.encoder.wall();
                self.processors.see(record, payload, wall, &self.counters);
            }
            if !self.encodes {
                events += record.events() as u32;
                self.encoder.pass_over(record, payload);
                continue;
            }
            let whole = self.lines.len();
            let encoder = &mut self.encoder;
            let lines = &mut self.lines;
            if let Ok(encoded) =
                catch_unwind(AssertUnwindSafe(|| encoder.encode(record, payload, lines)))
            {
                events += encoded.run.lines;
                if encoded.run.lines > 0 {
                    spool::push_run(&mut self.runs, encoded.run);
                }
                if encoded.orphan {
                    self.counters.orphan();
                }
                if encoded.homeless {
                    self.counters.dropped(DropReason::Encode, 1);
                }
                if encoded.cut_values > 0 {
                    let cut = u64::from(encoded.cut_values);
                    self.counters.dropped(DropReason::ValueCut, cut);
                }
            } else {
                self.lines.truncate(whole);
                self.counters.dropped(DropReason::Encode, 1);
                if record.trace != 0 {
                    self.encoder.lost(record.trace, DropReason::Encode, 1);
                }
            }
        }
        self.records.drop_up_to(to);
        self.counters.recorded(u64::from(events));
        delivery.append(&self.lines, &self.runs);
    }
}
