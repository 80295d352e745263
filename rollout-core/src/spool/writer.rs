//! This client's own spool: appended to by the worker, read by every exporter at its own pace.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cursor::Position;
use super::folder::{self, Folder};
use super::segment::{self, Chunk, Data, Limit};
use crate::config::SpoolKind;
use crate::stats::{Counters, DropReason};

/// Where the next segment begins, at most.
const SEGMENT_BYTES: u64 = 8 << 20;

/// How often a disk that failed is tried again, and one that works is looked at.
const LOOK_AT_DISK: Duration = Duration::from_secs(1);

/// What a spool needs to know.
#[derive(Clone, Debug)]
pub(crate) struct SpoolOptions {
    pub(crate) dir: PathBuf,
    pub(crate) kind: SpoolKind,
    /// Whether segments stay when every exporter has passed them.
    pub(crate) keep: bool,
    pub(crate) max_disk_bytes: u64,
    pub(crate) max_memory_bytes: u64,
}

/// One segment of ours.
#[derive(Debug)]
struct Segment {
    number: u32,
    data: Data,
    bytes: u64,
    events: u64,
    /// How many events, and bytes, there were before it.
    events_before: u64,
    bytes_before: u64,
}

/// How far one exporter has come.
#[derive(Debug)]
struct Reader {
    name: String,
    /// Whether its position is kept on disk.
    resumes: bool,
    position: Position,
    /// Events and bytes that are done, from the start.
    events: u64,
    bytes: u64,
    /// What it has read and not yet handed over: events, bytes.
    taken: Option<(u64, u64)>,
}

/// What an exporter has yet to get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// Appends, reads, bounds and cleans up.
#[derive(Debug)]
pub(crate) struct Spool {
    options: SpoolOptions,
    counters: Arc<Counters>,
    folder: Option<Folder>,
    /// Whether the disk takes what is written. The folder and its lock stay while it does not:
    /// what is there already is still ours to send.
    disk_works: bool,
    /// The last segment's file, if it is on disk.
    file: Option<File>,
    segments: VecDeque<Segment>,
    next_number: u32,
    events: u64,
    bytes: u64,
    /// Events that went before everybody had them.
    lost: u64,
    readers: Vec<Reader>,
    /// When the disk is looked at, or tried, again.
    look_at: Instant,
    /// Whether the failure of the disk was told already.
    told: bool,
    /// Folders of dead writers whose locks this process holds.
    adopted: Vec<PathBuf>,
}

impl Spool {
    /// Opens a writer's folder, or begins in memory if there can be none.
    pub(crate) fn open(options: SpoolOptions, counters: Arc<Counters>) -> Self {
        let mut spool = Self {
            options,
            counters,
            folder: None,
            disk_works: false,
            file: None,
            segments: VecDeque::new(),
            next_number: 1,
            events: 0,
            bytes: 0,
            lost: 0,
            readers: Vec::new(),
            look_at: Instant::now() + LOOK_AT_DISK,
            told: false,
            adopted: Vec::new(),
        };
        if spool.options.kind == SpoolKind::Disk {
            match Folder::create(&spool.options.dir) {
                Ok(folder) => {
                    spool.folder = Some(folder);
                    spool.disk_works = true;
                }
                Err(error) => spool.disk_failed(&error),
            }
        }
        spool
    }

    /// Adds an exporter that gets everything from the start on; the answer names it from now on.
    pub(crate) fn add_reader(&mut self, name: &str, resumes: bool) -> usize {
        self.readers.push(Reader {
            name: name.into(),
            resumes,
            position: Position::START,
            events: 0,
            bytes: 0,
            taken: None,
        });
        self.store_cursors();
        self.readers.len() - 1
    }

    /// Whether what is appended goes to the disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.disk_works
    }

    /// Says that this process holds the lock of a dead writer's folder.
    pub(crate) fn adopted(&mut self, folder: PathBuf) {
        self.adopted.push(folder);
    }

    /// Events appended from the start on.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Of these, events that went before everybody had them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Events that a reader is done with, from the start on.
    pub(crate) fn done(&self, reader: usize) -> u64 {
        self.readers[reader].events
    }

    /// Events that are there and that a reader has yet to get.
    pub(crate) fn waiting(&self, reader: usize) -> u64 {
        let done = self.readers[reader].events;
        let left =
            |s: &Segment| (s.events_before + s.events).saturating_sub(done.max(s.events_before));
        self.segments.iter().map(left).sum()
    }

    /// How far a reader is behind, what was lost in between included.
    pub(crate) fn pending(&self, reader: usize) -> Pending {
        let reader = &self.readers[reader];
        Pending {
            events: self.events - reader.events,
            bytes: self.bytes - reader.bytes,
        }
    }

    /// Appends whole lines, `events` of them.
    pub(crate) fn append(&mut self, lines: &[u8], events: u64) {
        self.look_at_disk();
        let (mut lines, mut events) = (lines, events);
        while !lines.is_empty() {
            let room = self.room();
            let (part, count) = if lines.len() as u64 <= room {
                (lines, events)
            } else {
                head(lines, room)
            };
            self.append_part(part, count);
            lines = &lines[part.len()..];
            events = events.saturating_sub(count);
        }
    }

    /// Bytes that fit into the last segment, or the next one if that is full.
    fn room(&self) -> u64 {
        let most = self.segment_bytes();
        match self.segments.back() {
            Some(last) if last.bytes < most => most - last.bytes,
            _ => most,
        }
    }

    fn segment_bytes(&self) -> u64 {
        let bound = if self.disk_works {
            self.options.max_disk_bytes
        } else {
            self.options.max_memory_bytes
        };
        (bound / 8).min(SEGMENT_BYTES)
    }

    fn append_part(&mut self, lines: &[u8], events: u64) {
        let length = lines.len() as u64;
        let most = self.segment_bytes();
        let fits = self
            .segments
            .back()
            .is_some_and(|last| last.bytes > 0 && last.bytes + length <= most);
        let writable = match self.segments.back().map(|last| &last.data) {
            Some(Data::File(_)) => self.file.is_some(),
            Some(Data::Memory(_)) => !self.disk_works,
            None => false,
        };
        if !(fits && writable) {
            self.rotate();
        }
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(lines)
        {
            self.cut_torn_tail();
            self.disk_failed(&error);
            self.rotate();
        }
        if let Some(last) = self.segments.back_mut() {
            if let Data::Memory(memory) = &mut last.data {
                memory.extend_from_slice(lines);
            }
            last.bytes += length;
            last.events += events;
        }
        self.events += events;
        self.bytes += length;
        self.counters.spooled(events, length);
    }

    /// Begins a segment, in memory if the disk does not take it.
    fn rotate(&mut self) {
        self.file = None;
        self.bound();
        if self.segments.back().is_some_and(|last| last.bytes == 0)
            && let Some(Segment {
                data: Data::File(path),
                ..
            }) = self.segments.pop_back()
        {
            let _ = fs::remove_file(path);
        }
        let number = self.next_number;
        self.next_number += 1;
        let mut data = Data::Memory(Vec::new());
        if let Some(folder) = self.folder.as_ref().filter(|_| self.disk_works) {
            let path = segment::path(folder.path(), number);
            let file = OpenOptions::new().append(true).create_new(true).open(&path);
            match file {
                Ok(file) => {
                    self.file = Some(file);
                    data = Data::File(path);
                }
                Err(error) => self.disk_failed(&error),
            }
        }
        self.segments.push_back(Segment {
            number,
            data,
            bytes: 0,
            events: 0,
            events_before: self.events,
            bytes_before: self.bytes,
        });
        self.remove_finished();
    }

    /// After a write that broke off: what follows the last whole line goes, where it can.
    fn cut_torn_tail(&mut self) {
        if let (Some(file), Some(last)) = (&self.file, self.segments.back()) {
            // If it cannot, readers pass over it.
            let _ = file.set_len(last.bytes);
        }
    }

    /// From here on in memory, until the disk is tried again.
    fn disk_failed(&mut self, error: &io::Error) {
        self.file = None;
        self.disk_works = false;
        self.look_at = Instant::now() + LOOK_AT_DISK;
        if !self.told {
            self.told = true;
            self.counters.warn(format_args!(
                "cannot write below {}: {error}; events are kept in memory, at most {} bytes, \
                 until it can be written",
                self.options.dir.display(),
                self.options.max_memory_bytes
            ));
        }
    }

    /// Notices a folder that was removed under us, and a disk that is back.
    fn look_at_disk(&mut self) {
        let now = Instant::now();
        if self.options.kind == SpoolKind::Memory || now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_AT_DISK;
        let there = self.folder.as_ref().is_some_and(Folder::exists);
        if there && self.disk_works {
            return;
        }
        self.file = None;
        if let Err(error) = self.back_to_disk(there) {
            self.disk_failed(&error);
        }
    }

    fn back_to_disk(&mut self, folder_is_there: bool) -> io::Result<()> {
        let folder = match self.folder.take() {
            Some(folder) if folder_is_there => folder,
            _ => Folder::create(&self.options.dir)?,
        };
        let written = self.write_out(&folder);
        self.folder = Some(folder);
        written?;
        self.disk_works = true;
        self.store_cursors();
        Ok(())
    }

    /// Moves what is in memory to the disk.
    fn write_out(&mut self, folder: &Folder) -> io::Result<()> {
        for segment in &mut self.segments {
            if let Data::Memory(lines) = &segment.data {
                let path = segment::path(folder.path(), segment.number);
                fs::write(&path, lines)?;
                segment.data = Data::File(path);
            }
        }
        Ok(())
    }

    /// The next whole lines for a reader; none at the end.
    pub(crate) fn read(&mut self, reader: usize, bytes: usize, events: u64) -> Option<Chunk> {
        loop {
            let at = self.readers[reader].position;
            let Some(index) = self.segments.iter().position(|s| s.number >= at.segment) else {
                self.skip_to_end(reader);
                return None;
            };
            let segment = &self.segments[index];
            let state = &mut self.readers[reader];
            if segment.number > at.segment {
                // Those between are gone, and counted where they went.
                state.position = Position {
                    segment: segment.number,
                    offset: 0,
                };
                state.events = segment.events_before;
                state.bytes = segment.bytes_before;
                continue;
            }
            if at.offset >= segment.bytes {
                if index + 1 == self.segments.len() {
                    return None;
                }
                state.position = Position {
                    segment: segment.number + 1,
                    offset: 0,
                };
                continue;
            }
            let limit = Limit { bytes, events };
            match segment.data.read(at.offset, segment.bytes, limit) {
                Ok(chunk) if chunk.events > 0 => {
                    state.taken = Some((chunk.events, chunk.lines.len() as u64));
                    return Some(chunk);
                }
                // Somebody has cut or removed the file.
                Ok(_) | Err(_) => self.discard(index, DropReason::SpoolDamaged),
            }
        }
    }

    /// Whatever there was is gone, and counted where it went.
    fn skip_to_end(&mut self, reader: usize) {
        let state = &mut self.readers[reader];
        state.events = self.events;
        state.bytes = self.bytes;
        state.position = Position {
            segment: self.next_number,
            offset: 0,
        };
    }

    /// What a reader has read last is done.
    pub(crate) fn advance(&mut self, reader: usize) {
        let state = &mut self.readers[reader];
        if let Some((events, bytes)) = state.taken.take() {
            state.events += events;
            state.bytes += bytes;
            state.position.offset += bytes;
        }
        if self.readers[reader].resumes {
            self.store_cursor(reader);
        }
        self.remove_finished();
    }

    fn store_cursors(&mut self) {
        for reader in 0..self.readers.len() {
            if self.readers[reader].resumes {
                self.store_cursor(reader);
            }
        }
    }

    fn store_cursor(&mut self, reader: usize) {
        let Some(folder) = &self.folder else { return };
        let Reader { name, position, .. } = &self.readers[reader];
        if let Err(error) = position.store(folder.path(), name) {
            // Delivered events may be sent again; ids tell them apart.
            log::debug!("rollout: cannot write the cursor of {name}: {error}");
        }
    }

    /// Removes segments that every reader has passed, but for the last one.
    fn remove_finished(&mut self) {
        if self.options.keep || self.readers.is_empty() {
            return;
        }
        let done = self.readers.iter().map(|r| r.events).min().unwrap_or(0);
        while self.segments.len() > 1 {
            let first = &self.segments[0];
            if first.events_before + first.events > done {
                break;
            }
            self.drop_segment(0);
        }
    }

    /// Keeps disk and memory within their bounds, with room for one more segment.
    fn bound(&mut self) {
        let memory = |s: &Segment| matches!(s.data, Data::Memory(_));
        if self.disk_works {
            let most = self
                .options
                .max_disk_bytes
                .saturating_sub(self.segment_bytes());
            let own = self.size(|s| !memory(s));
            let mut over = (own + self.dead_bytes()).saturating_sub(most);
            over = over.saturating_sub(self.shrink_dead(over));
            self.shrink(over, |s| !memory(s));
        } else {
            let most = self
                .options
                .max_memory_bytes
                .saturating_sub(self.segment_bytes());
            let over = self.size(memory).saturating_sub(most);
            self.shrink(over, memory);
        }
    }

    fn size(&self, which: impl Fn(&Segment) -> bool) -> u64 {
        self.segments
            .iter()
            .filter(|s| which(s))
            .map(|s| s.bytes)
            .sum()
    }

    /// Discards the oldest segments of ours until `over` bytes are free. One that is being
    /// sent stays: whether it arrives is not known yet.
    fn shrink(&mut self, mut over: u64, which: impl Fn(&Segment) -> bool) {
        let mut index = 0;
        while over > 0 && index < self.segments.len() {
            let segment = &self.segments[index];
            let busy = self
                .readers
                .iter()
                .any(|r| r.taken.is_some() && r.position.segment == segment.number);
            if busy || !which(segment) {
                index += 1;
                continue;
            }
            over = over.saturating_sub(segment.bytes);
            self.discard(index, DropReason::SpoolFull);
        }
    }

    /// Folders of writers that are gone.
    fn dead(&self) -> impl Iterator<Item = (PathBuf, Option<Folder>)> {
        folder::list(&self.options.dir)
            .into_iter()
            .filter_map(|path| {
                if self.adopted.contains(&path) {
                    return Some((path, None));
                }
                let folder = Folder::adopt(&path).ok()??;
                Some((path, Some(folder)))
            })
    }

    fn dead_bytes(&self) -> u64 {
        self.dead()
            .filter_map(|(path, _lock)| segment::list(&path).ok())
            .flatten()
            .map(|(.., bytes)| bytes)
            .sum()
    }

    /// Removes the oldest segments of dead writers until `over` bytes are free; how many were.
    fn shrink_dead(&self, over: u64) -> u64 {
        let mut freed = 0;
        if over == 0 {
            return freed;
        }
        for (path, lock) in self.dead() {
            let Ok(segments) = segment::list(&path) else {
                continue;
            };
            let from = self
                .readers
                .iter()
                .filter_map(|reader| Position::load(&path, &reader.name))
                .min()
                .unwrap_or(Position::START);
            let count = segments.len();
            let mut removed = 0;
            for (number, file, bytes) in segments {
                if freed >= over {
                    return freed;
                }
                let offset = match number.cmp(&from.segment) {
                    std::cmp::Ordering::Less => bytes,
                    std::cmp::Ordering::Equal => from.offset,
                    std::cmp::Ordering::Greater => 0,
                };
                let lost = Data::File(file.clone()).count(offset, bytes).unwrap_or(0);
                if fs::remove_file(&file).is_ok() {
                    self.counters.dropped(DropReason::SpoolFull, lost);
                    freed += bytes;
                    removed += 1;
                }
            }
            if let Some(folder) = lock
                && removed == count
            {
                folder.remove();
            }
        }
        freed
    }

    /// Gives a segment up; what somebody was still to get of it is lost.
    fn discard(&mut self, index: usize, reason: DropReason) {
        let segment = &self.segments[index];
        let end = segment.events_before + segment.events;
        let done = self.readers.iter().map(|r| r.events).min();
        let from = done.unwrap_or(0).max(segment.events_before);
        let lost = end.saturating_sub(from);
        self.lost += lost;
        self.counters.dropped(reason, lost);
        if index + 1 == self.segments.len() {
            self.file = None;
        }
        for reader in &mut self.readers {
            if reader.position.segment == segment.number {
                reader.position = Position {
                    segment: segment.number + 1,
                    offset: 0,
                };
                reader.events = end;
                reader.bytes = segment.bytes_before + segment.bytes;
                reader.taken = None;
            }
        }
        self.drop_segment(index);
    }

    fn drop_segment(&mut self, index: usize) {
        if let Some(Segment {
            data: Data::File(path),
            ..
        }) = self.segments.remove(index)
        {
            // What cannot be removed is bounded and removed as a dead writer's later.
            let _ = fs::remove_file(path);
        }
    }

    /// The end of the client: with nothing left for anybody the folder goes, else it waits for
    /// the next process.
    pub(crate) fn close(&mut self) {
        self.file = None;
        let Some(folder) = self.folder.take() else {
            return;
        };
        let mut waiting = self.options.keep && !self.segments.is_empty();
        for reader in self.readers.iter().filter(|reader| reader.resumes) {
            if reader.events < self.events {
                waiting = true;
            } else {
                let _ = fs::remove_file(folder.path().join(Position::file_name(&reader.name)));
            }
        }
        if !waiting {
            folder.remove();
        }
    }
}

/// As many whole lines as `room` holds, at least one, and their number.
fn head(lines: &[u8], room: u64) -> (&[u8], u64) {
    let (mut length, mut count) = (0, 0);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if count > 0 && (length + line.len()) as u64 > room {
            break;
        }
        length += line.len();
        count += 1;
    }
    (&lines[..length], count)
}
