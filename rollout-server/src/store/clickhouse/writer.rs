//! The thread that inserts: groups of what waits, one insert each.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use jiff::Timestamp;
use rollout_core::event::{Event, RawObject};
use tokio::sync::oneshot;

use super::{
    ClickHouse,
    database::list,
    dirty::Fresh,
    fold::{belong, day},
    rows::{EventRow, WriterRow, nameless},
};
use crate::{
    fold::nanoseconds,
    store::{Origin, Pending, Registration, SpoolPosition, SpoolRange, StoreError},
};

/// Bytes of events that may wait; more are refused as busy.
const QUEUE_BYTES: usize = 128 << 20;
/// Events that one insert takes, beyond those of its first request.
const GROUP_EVENTS: usize = 32_768;
/// About what a registration takes in memory.
const REGISTRATION_BYTES: usize = 1024;

/// Hands work to the thread; waits for it to finish when dropped.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    waiting: Arc<AtomicUsize>,
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
}

impl Writer {
    pub(super) fn start(store: Arc<ClickHouse>) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut write = Write {
            positions: store.writers()?,
            store,
            waiting: Arc::clone(&waiting),
            last: 0,
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
    store: Arc<ClickHouse>,
    /// What is known of processes. Whose spool is read here is read nowhere else.
    positions: HashMap<String, WriterRow>,
    waiting: Arc<AtomicUsize>,
    /// The last number that was given to something that arrived.
    last: i64,
}

impl Write {
    fn run(&mut self, queue: &Receiver<Job>) {
        let mut next = queue.recv().ok();
        while let Some(first) = next.take() {
            let mut jobs = vec![first];
            let mut taken = events(&jobs[0]);
            let groups = matches!(jobs[0].work, Work::Append(..));
            while groups && taken < GROUP_EVENTS {
                match queue.try_recv() {
                    Ok(job) if matches!(job.work, Work::Append(..)) => {
                        taken += events(&job);
                        jobs.push(job);
                    }
                    Ok(job) => {
                        next = Some(job);
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.commit(jobs);
            if next.is_none() {
                next = queue.recv().ok();
            }
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let (mut doers, mut work) = (Vec::new(), Vec::new());
        for job in jobs {
            doers.push((job.done, job.bytes));
            work.push(job.work);
        }
        let answers = self.work(work);
        for (nth, (done, bytes)) in doers.into_iter().enumerate() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            let answer = match &answers {
                Ok(answers) => answers.get(nth).cloned().unwrap_or(Ok(())),
                Err(error) => Err(error.clone()),
            };
            // Whoever asked may have gone.
            let _ = done.send(answer);
        }
    }

    /// A number for something that arrives: the time, later than all before.
    fn arrive(&mut self) -> i64 {
        self.last = nanoseconds(Timestamp::now()).max(self.last + 1);
        self.last
    }

    fn work(&mut self, work: Vec<Work>) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut group = Group::default();
        let mut answers = Vec::new();
        let mut moved: HashMap<String, WriterRow> = HashMap::new();
        for work in work {
            answers.push(match work {
                Work::Append(events, origin) => {
                    let writer = match &origin {
                        Origin::Request(writer) => writer.clone().unwrap_or_default(),
                        Origin::Spool(range) => match self.advance(range, &moved) {
                            Ok(row) => {
                                moved.insert(row.name.clone(), row);
                                range.writer.clone()
                            }
                            Err(error) => {
                                answers.push(Err(error));
                                continue;
                            }
                        },
                    };
                    let writer: Arc<str> = writer.into();
                    for event in events {
                        let arrived = self.arrive();
                        group.events.push((arrived, Arc::clone(&writer), event));
                    }
                    Ok(())
                }
                Work::Gone(writer) => {
                    self.writer_gone(writer)?;
                    Ok(())
                }
                Work::Register(registration) => {
                    let now = self.arrive();
                    self.store.register(&registration, now)
                }
            });
        }
        self.insert(group)?;
        // After the events: whoever reads the spool again because this was not written brings what is there.
        let rows: Vec<WriterRow> = moved.into_values().collect();
        self.store.database.insert("rollout_writers", &rows)?;
        for row in rows {
            self.positions.insert(row.name.clone(), row);
        }
        Ok(answers)
    }

    /// Where the spool of a process is read to, after a range.
    fn advance(
        &mut self,
        range: &SpoolRange,
        moved: &HashMap<String, WriterRow>,
    ) -> Result<WriterRow, StoreError> {
        let known = moved
            .get(&range.writer)
            .or_else(|| self.positions.get(&range.writer))
            .filter(|row| row.spool);
        if let Some(known) = known {
            let at = (known.segment, known.offset);
            if at != (range.segment, range.from)
                && (known.segment >= range.segment || range.from != 0)
            {
                return Err(StoreError::Overtaken);
            }
        }
        let gone_at = self
            .positions
            .get(&range.writer)
            .map_or(0, |row| row.gone_at);
        Ok(WriterRow {
            name: range.writer.clone(),
            moved: self.arrive(),
            spool: true,
            segment: range.segment,
            offset: range.to,
            gone: false,
            gone_at,
        })
    }

    fn insert(&mut self, group: Group) -> Result<(), StoreError> {
        if group.events.is_empty() {
            return Ok(());
        }
        let named = self.names(&group)?;
        let mut seen: HashMap<String, String> = HashMap::new();
        let mut rows = Vec::with_capacity(group.events.len());
        let mut fresh = Vec::with_capacity(group.events.len());
        for (arrived, writer, mut event) in group.events {
            let filled = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
            let external = filled(&event.external_trace_id);
            let key = match (filled(&event.trace_id), &external) {
                (Some(trace), external) => {
                    if let Some(external) = external {
                        seen.insert(external.clone(), trace.clone());
                    }
                    trace
                }
                (None, Some(external)) => seen
                    .get(external)
                    .or_else(|| named.get(external))
                    .cloned()
                    .unwrap_or_else(|| nameless(external)),
                (None, None) => nameless(""),
            };
            let json = serde_json::to_string(&event)
                .map_err(|error| StoreError::Database(error.to_string()))?;
            belong(&mut event, &key);
            let bytes = json.len() + size(&event);
            rows.push(EventRow {
                day: day(arrived),
                trace: key.clone(),
                event_id: event.event_id.clone(),
                writer: writer.to_string(),
                arrived,
                event: json,
            });
            let event = Arc::new(event);
            fresh.push((
                key,
                bytes,
                Fresh {
                    arrived,
                    writer,
                    event,
                },
            ));
        }
        self.store.database.insert("rollout_events", &rows)?;
        for (key, bytes, fresh) in fresh {
            self.store.dirty.add(&key, fresh, bytes);
        }
        self.store.changed();
        Ok(())
    }

    /// The traces of callers' ids that come without another.
    fn names(&self, group: &Group) -> Result<HashMap<String, String>, StoreError> {
        let is_empty = |id: &Option<String>| id.as_deref().unwrap_or_default().is_empty();
        let alone: Vec<&str> = group
            .events
            .iter()
            .filter(|(_, _, event)| is_empty(&event.trace_id))
            .filter_map(|(_, _, event)| event.external_trace_id.as_deref())
            .collect();
        if alone.is_empty() {
            return Ok(HashMap::new());
        }
        self.store.settle()?;
        let rows: Vec<(String, String)> = self.store.database.rows(&format!(
            "SELECT coalesce(external_trace_id, ''), argMax(trace, (sort_at, born)) FROM rollout_traces FINAL
             WHERE external_trace_id IN {} AND trace_id IS NOT NULL AND NOT gone GROUP BY external_trace_id",
            list(alone)
        ))?;
        Ok(rows.into_iter().collect())
    }

    /// Writes down that a process is gone, and has what it left open folded again.
    fn writer_gone(&mut self, writer: String) -> Result<(), StoreError> {
        self.store.settle()?;
        let now = self.arrive();
        let mut row = self.positions.get(&writer).cloned().unwrap_or(WriterRow {
            name: writer.clone(),
            moved: now,
            spool: false,
            segment: 0,
            offset: 0,
            gone: true,
            gone_at: now,
        });
        row.moved = now;
        row.gone = true;
        row.gone_at = now;
        self.store
            .database
            .insert("rollout_writers", std::slice::from_ref(&row))?;
        self.positions.insert(writer.clone(), row);
        let open: Vec<String> = self.store.database.rows(&format!(
            "SELECT trace FROM rollout_traces FINAL WHERE open AND NOT gone AND has(writers, {})",
            super::database::quoted(&writer)
        ))?;
        for trace in open {
            self.store.dirty.mark(trace);
        }
        self.store.changed();
        Ok(())
    }
}

#[derive(Default)]
struct Group {
    /// When they arrived, whose they are, and they themselves.
    events: Vec<(i64, Arc<str>, Event)>,
}

fn events(job: &Job) -> usize {
    match &job.work {
        Work::Append(events, _) => events.len(),
        _ => 0,
    }
}

impl ClickHouse {
    /// What is known of processes.
    fn writers(&self) -> Result<HashMap<String, WriterRow>, StoreError> {
        let rows: Vec<WriterRow> = self.database.rows(
            "SELECT name, moved, spool, segment, offset, gone, gone_at FROM rollout_writers FINAL",
        )?;
        Ok(rows
            .into_iter()
            .map(|row| (row.name.clone(), row))
            .collect())
    }

    pub(super) fn spool_positions(&self) -> Result<Vec<SpoolPosition>, StoreError> {
        let mut rows: Vec<WriterRow> = self.writers()?.into_values().collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        let positions = rows.into_iter().filter(|row| row.spool);
        Ok(positions
            .map(|row| SpoolPosition {
                writer: row.name,
                segment: row.segment,
                offset: row.offset,
                gone: row.gone,
            })
            .collect())
    }
}
