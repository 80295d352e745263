//! The thread that inserts: groups of what waits, one insert each.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc::Receiver},
};

use jiff::Timestamp;
use rollout_core::event::Event;

use super::{
    ClickHouse,
    database::list,
    dirty::Fresh,
    fold::{belong, day},
    rows::{EventRow, WriterRow, nameless},
};
use crate::{
    fold::nanoseconds,
    store::{
        Origin, SpoolPosition, SpoolRange, StoreError,
        queue::{Job, Queue, Work, size},
    },
};

/// Events that one insert takes, beyond those of its first request.
const GROUP_EVENTS: usize = 32_768;

/// Starts the thread.
pub(super) fn start(store: Arc<ClickHouse>) -> Result<Queue, StoreError> {
    let mut write = Write {
        positions: store.writers()?,
        store,
        last: 0,
    };
    Queue::start(move |queue| write.run(queue))
}

struct Write {
    store: Arc<ClickHouse>,
    /// What is known of processes. Whose spool is read here is read nowhere else.
    positions: HashMap<String, WriterRow>,
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
        let (work, tickets): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.work, job.ticket)).unzip();
        let answers = self.work(work);
        for (nth, ticket) in tickets.into_iter().enumerate() {
            ticket.answer(match &answers {
                Ok(answers) => answers.get(nth).cloned().unwrap_or(Ok(())),
                Err(error) => Err(error.clone()),
            });
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
                Work::Other(never) => match never {},
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
