//! The client: configuration, queues and worker behind one cheap handle.

mod init;
mod later;
mod record;
mod shared;

use std::fmt;
use std::pin::Pin;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

pub use self::init::{InitGuard, client, init};
pub(crate) use self::later::Later;
pub use self::record::{
    TraceRef, blocking_check, blocking_flush, blocking_shutdown, capture_event, check,
    current_span, current_trace, exit, feedback, flush, identify_user, shutdown, signal,
    update_current_span, update_current_trace, user,
};
pub(crate) use self::shared::{Settings, Shared};
use crate::builder::{Builder, Own};
use crate::capture::{KeyMatcher, SecretMask};
use crate::check::CheckResult;
use crate::clock::{self, Ticks};
use crate::config::Config;
use crate::context::BaggageKeys;
use crate::error::{ConfigError, FlushError};
use crate::export::{self, Exporter, Heir};
use crate::fork::Birth;
use crate::processor::Processors;
use crate::site::Flush;
use crate::stats::{Counters, FlushReport, Stats};
use crate::worker::{self, Answer, Command, Encoder, Masks, Reply, Resource, Watch};

/// How long the end of a program waits for delivery; what is not delivered by then is in the spool.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an agent that ends waits for its trace to reach the spool.
const SPOOL_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest that anybody waits, so that a deadline is a time that the clock can tell.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Added to a deadline before a blocked thread gives up on the worker altogether.
const GRACE: Duration = Duration::from_secs(1);

/// Records traces; cheap to clone.
///
/// Dropping the last handle shuts the client down and waits for delivery, for 5 s at most.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: Config,
    counters: Arc<Counters>,
    /// `None`: the configuration says that nothing is recorded.
    shared: Option<Arc<Shared>>,
    worker: Mutex<Option<JoinHandle<()>>>,
    worker_thread: Option<ThreadId>,
    birth: Birth,
    /// What takes the place of the program's own exporters in a forked child.
    heirs: Vec<Heir>,
    /// In a forked child: the client that was started there.
    successor: OnceLock<Arc<Self>>,
    /// For futures that wait for the worker.
    watch: Arc<Watch>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A builder with nothing set.
    pub fn builder() -> Builder {
        crate::builder()
    }

    /// Starts the worker. Where the system has no thread to give, one warning says so and nothing is recorded.
    pub(crate) fn start(config: Config, own: Own) -> Result<Self, ConfigError> {
        clock::start();
        if !config.enabled() {
            let (exporters, processors) = (Box::new(Vec::new), Processors::default());
            let inner = Inner::start(config, exporters, processors, Vec::new(), (None, 0));
            return Ok(Self { inner });
        }
        let heirs = own.exporters.iter().map(|exporter| Heir::of(&**exporter));
        let heirs = heirs.collect();
        let exporters = Box::new({
            let exporters = export::all(&config, own.exporters)?;
            || exporters
        });
        let inner = Inner::start(config, exporters, own.processors, heirs, (None, 0));
        Ok(Self { inner })
    }

    /// One that records nothing, where there is none.
    pub(crate) fn off() -> Self {
        static OFF: OnceLock<Client> = OnceLock::new();
        let start = || Self {
            inner: Inner::start(
                Config::off(),
                Box::new(Vec::new),
                Processors::default(),
                Vec::new(),
                (None, 0),
            ),
        };
        OFF.get_or_init(start).clone()
    }

    /// This process's.
    pub(super) fn here(&self) -> &Arc<Inner> {
        self.inner.here()
    }

    /// The configuration as it was resolved. Secrets print as `[redacted]`.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What was recorded, delivered and lost by now.
    pub fn stats(&self) -> Stats {
        self.here().counters.snapshot()
    }

    /// Whether this client records.
    pub fn is_enabled(&self) -> bool {
        self.here()
            .shared
            .as_ref()
            .is_some_and(|shared| !shared.is_stopped())
    }

    /// Brings everything recorded so far to the spool and waits for its delivery, for as long as the configured
    /// `timeout` at most. Works on any runtime and needs none.
    pub async fn flush(&self) -> Result<FlushReport, FlushError> {
        self.ask(self.inner.config.timeout(), Command::Flush)?.await
    }

    /// The same as [`Client::flush`], blocking the thread for `timeout` at most.
    pub fn blocking_flush(&self, timeout: Duration) -> Result<FlushReport, FlushError> {
        self.ask_blocking(timeout, |deadline, reply| {
            Command::Flush(deadline.into(), reply)
        })
    }

    /// Flushes and stops the worker. Whatever is recorded afterwards is dropped and counted. Stopping twice is fine.
    pub async fn shutdown(&self) -> Result<FlushReport, FlushError> {
        let Some(shared) = self.here().running() else {
            return Err(FlushError::Closed);
        };
        shared.stop();
        let answer = self.send_async(
            SHUTDOWN_TIMEOUT.max(self.inner.config.timeout()),
            Command::Stop,
        )?;
        answer.await
    }

    /// The same as [`Client::shutdown`], blocking the thread for `timeout` at most.
    pub fn blocking_shutdown(&self, timeout: Duration) -> Result<FlushReport, FlushError> {
        self.inner.stop(timeout)
    }

    /// Sends a diagnostic trace and tells what became of it. With no address set, the spool is tried instead.
    pub async fn check(&self) -> CheckResult {
        let deadline = Instant::now() + self.inner.config.timeout() + GRACE;
        let (reply, answer) = Reply::future(&self.here().watch, deadline);
        let sent = self.here().send(Command::Check(reply));
        let result = match sent {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        };
        result.unwrap_or_else(|_| CheckResult::stopped(self.inner.config.enabled()))
    }

    /// The same as [`Client::check`], blocking the thread for the configured `timeout` at most.
    pub fn blocking_check(&self) -> CheckResult {
        let (reply, answer) = Reply::thread();
        let timeout = self.inner.config.timeout() + GRACE;
        let result = match self.here().send(Command::Check(reply)) {
            Ok(()) if !self.here().on_worker() => answer.recv_timeout(timeout).ok(),
            _ => None,
        };
        result.unwrap_or_else(|| CheckResult::stopped(self.inner.config.enabled()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.here().running().map_or(0, |shared| shared.id)
    }

    /// The running client of a number.
    pub(crate) fn find(id: u32) -> Option<Self> {
        let inner = Shared::find(id)?.inner.upgrade()?;
        Some(Self { inner })
    }

    fn ask(
        &self,
        timeout: Duration,
        command: impl FnOnce(tokio::time::Instant, Reply<FlushReport>) -> Command,
    ) -> Result<Answer<FlushReport>, FlushError> {
        if self.here().running().is_none() {
            return Err(FlushError::Closed);
        }
        self.send_async(timeout, command)
    }

    fn send_async(
        &self,
        timeout: Duration,
        command: impl FnOnce(tokio::time::Instant, Reply<FlushReport>) -> Command,
    ) -> Result<Answer<FlushReport>, FlushError> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        let (reply, answer) = Reply::future(&self.here().watch, deadline + GRACE);
        self.here().send(command(deadline.into(), reply))?;
        Ok(answer)
    }

    fn ask_blocking(
        &self,
        timeout: Duration,
        command: impl FnOnce(Instant, Reply<FlushReport>) -> Command,
    ) -> Result<FlushReport, FlushError> {
        if self.here().running().is_none() {
            return Err(FlushError::Closed);
        }
        self.here().ask_blocking(timeout, command)
    }
}

impl Inner {
    /// Starts a worker. In a forked child: in the place of the client with this number, from this time on.
    fn start(
        config: Config,
        exporters: Box<dyn FnOnce() -> Vec<Box<dyn Exporter>> + Send>,
        processors: Processors,
        heirs: Vec<Heir>,
        place: (Option<u32>, Ticks),
    ) -> Arc<Self> {
        let counters = Arc::new(Counters::default());
        Arc::new_cyclic(|weak| {
            let mut inner = Inner {
                config,
                counters,
                shared: None,
                worker: Mutex::new(None),
                worker_thread: None,
                birth: Birth::now(),
                heirs,
                successor: OnceLock::new(),
                watch: Arc::default(),
            };
            if !inner.config.enabled() {
                return inner;
            }
            let (commands, receiver) = tokio::sync::mpsc::unbounded_channel();
            let shared = Shared::start(
                settings(&inner.config),
                usize::try_from(inner.config.max_queue_bytes()).unwrap_or(usize::MAX),
                Arc::clone(&inner.counters),
                commands,
                weak.clone(),
                place,
            );
            let masks = Masks {
                secrets: inner.config.redact_values().then(SecretMask::new).flatten(),
                user: inner.config.mask().cloned(),
            };
            let started = worker::start(worker::Start {
                config: inner.config.clone(),
                exporters,
                processors,
                lanes: Arc::clone(&shared.lanes),
                counters: Arc::clone(&inner.counters),
                encoder: Encoder::new(resource(&inner.config), masks, Arc::clone(&shared.later)),
                commands: receiver,
            });
            match started {
                Ok(handle) => {
                    inner.worker_thread = Some(handle.thread().id());
                    inner.worker = Mutex::new(Some(handle));
                    inner.shared = Some(shared);
                }
                Err(error) => {
                    shared.stop();
                    inner.counters.warn(format_args!(
                        "no thread for the worker, nothing is recorded: {error}"
                    ));
                }
            }
            inner
        })
    }

    /// The one of this process: in a forked child, one that is started there when it is asked for first.
    fn here(self: &Arc<Self>) -> &Arc<Self> {
        if !self.birth.is_past() || self.shared.is_none() {
            return self;
        }
        let successor = self.successor.get_or_init(|| {
            crate::spool::forked();
            let (config, heirs) = (self.config.clone(), self.heirs.clone());
            let exporters = move || export::in_child(&config, &heirs);
            let (config, heirs) = (self.config.clone(), self.heirs.clone());
            let id = self.shared.as_ref().map(|shared| shared.id);
            let place = (id, clock::now());
            Self::start(
                config,
                Box::new(exporters),
                Processors::default(),
                heirs,
                place,
            )
        });
        successor.here()
    }

    fn running(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref().filter(|shared| !shared.is_stopped())
    }

    fn send(&self, command: Command) -> Result<(), FlushError> {
        let shared = self.shared.as_ref().ok_or(FlushError::Closed)?;
        shared
            .commands
            .send(command)
            .map_err(|_| FlushError::NoWorker)
    }

    /// Whether this is the worker's own thread, which must not wait for itself: a mask of the user's may run there.
    fn on_worker(&self) -> bool {
        self.worker_thread == Some(std::thread::current().id())
    }

    fn ask_blocking(
        &self,
        timeout: Duration,
        command: impl FnOnce(Instant, Reply<FlushReport>) -> Command,
    ) -> Result<FlushReport, FlushError> {
        if self.on_worker() {
            return Err(FlushError::NoWorker);
        }
        let timeout = timeout.min(LONGEST);
        let (reply, answer) = Reply::thread();
        self.send(command(Instant::now() + timeout, reply))?;
        answer
            .recv_timeout(timeout + GRACE)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => FlushError::Busy,
                RecvTimeoutError::Disconnected => FlushError::NoWorker,
            })
    }

    fn stop(&self, timeout: Duration) -> Result<FlushReport, FlushError> {
        if self.birth.is_past() {
            // The parent's goes on; one of our own there is only if anything was recorded.
            let successor = self.successor.get().ok_or(FlushError::Closed)?;
            return successor.stop(timeout);
        }
        if !self.shared.as_ref().is_some_and(|shared| shared.stop()) {
            return Err(FlushError::Closed);
        }
        let report = self.ask_blocking(timeout, |deadline, reply| {
            Command::Stop(deadline.into(), reply)
        });
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if report.is_ok()
            && let Some(worker) = worker
        {
            // It has answered last of all, so it is at its end.
            let _ = worker.join();
        }
        report
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.birth.is_past() {
            // A thread of the parent's, which there is none of here.
            std::mem::forget(self.worker.get_mut().map(Option::take));
        }
        // Stopped already, disabled, or reported by the counters: there is nobody left to tell.
        let _ = self.stop(SHUTDOWN_TIMEOUT);
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        capture_input: config.capture_input(),
        capture_output: config.capture_output(),
        max_value_bytes: usize::try_from(config.max_value_bytes()).unwrap_or(usize::MAX),
        keys: KeyMatcher::new(config.redact_keys()),
        sampled_up_to: Settings::threshold(config.sample_rate()),
        baggage: BaggageKeys::of(config.baggage()),
    }
}

/// What the configuration says of the program, as JSON.
fn resource(config: &Config) -> Resource {
    fn members(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
        let map: serde_json::Map<_, _> = entries
            .iter()
            .filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.into())))
            .collect();
        if map.is_empty() {
            return Vec::new();
        }
        serde_json::to_vec(&map).unwrap_or_default()
    }
    fn inner(mut object: Vec<u8>) -> Vec<u8> {
        object.pop();
        object.drain(..1.min(object.len()));
        object
    }
    let cut = |text: Option<&str>, limit: usize| {
        text.map(|text| text.chars().take(limit).collect::<String>())
    };
    let (name, id) = (cut(config.agent_name(), 200), cut(config.agent_id(), 200));
    let (version, deployment) = (
        cut(config.agent_version(), 100),
        cut(config.deployment(), 100),
    );
    let environment = cut(config.environment(), 100);
    Resource {
        agent: members(&[
            ("id", id.as_deref()),
            ("name", name.as_deref()),
            ("version", version.as_deref()),
            ("deployment", deployment.as_deref()),
            ("environment", environment.as_deref()),
        ]),
        attributes: inner(members(&[
            ("service_name", config.service_name()),
            ("release", config.release()),
        ])),
        trace_attributes: inner(members(&[
            ("vcs.repository.url.full", config.git_repo()),
            ("vcs.ref.head.revision", config.git_ref()),
        ])),
    }
}

/// An agent has ended on this thread: waits as its call site says.
#[cold]
pub(crate) fn flush_agent(client: u32, flush: Flush) {
    let Some(client) = Client::find(client) else {
        return;
    };
    if client.inner.on_worker() {
        return;
    }
    match flush {
        Flush::No => {}
        Flush::Spool => {
            let (reply, answer) = Reply::thread();
            if client.inner.send(Command::Spool(reply)).is_ok() {
                let _ = answer.recv_timeout(SPOOL_TIMEOUT);
            }
        }
        Flush::Deliver => {
            let _ = client.blocking_flush(client.inner.config.timeout());
        }
    }
}

/// An agent has ended in a future: what it waits for.
#[derive(Debug)]
pub(crate) enum SpoolWait {
    Spooled(Answer<()>),
    Delivered(Answer<FlushReport>),
}

impl Future for SpoolWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Self::Spooled(answer) => Pin::new(answer).poll(cx).map(drop),
            Self::Delivered(answer) => Pin::new(answer).poll(cx).map(drop),
        }
    }
}

/// The same as [`flush_agent`] for futures: nothing where there is nothing to wait for.
pub(crate) fn flush_agent_async(client: u32, flush: Flush) -> Option<SpoolWait> {
    let client = match client {
        0 => return None,
        id => Client::find(id)?,
    };
    match flush {
        Flush::No => None,
        Flush::Spool => {
            let (reply, answer) =
                Reply::future(&client.inner.watch, Instant::now() + SPOOL_TIMEOUT);
            client.inner.send(Command::Spool(reply)).ok()?;
            Some(SpoolWait::Spooled(answer))
        }
        Flush::Deliver => {
            let timeout = client.inner.config.timeout();
            Some(SpoolWait::Delivered(
                client.ask(timeout, Command::Flush).ok()?,
            ))
        }
    }
}
