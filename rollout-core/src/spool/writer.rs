//! This client's own spool: appended to by the worker, read by every exporter at its own pace.

mod bound;
mod read;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cursor::Position;
use super::dead::Taken;
use super::folder::Folder;
use super::line;
use super::marks::Marks;
use super::others::Others;
use super::runs::{self, Rest, Run};
use super::segment::{self, Data};
use super::unsaid::Unsaid;
use crate::config::SpoolKind;
use crate::stats::{Counters, DropReason};

/// Where the next segment begins, at most and at least.
const SEGMENT_BYTES: u64 = 8 << 20;
const LEAST_SEGMENT_BYTES: u64 = 4 << 10;

/// How often a disk that failed is tried again, and one that works is looked at.
const LOOK_AT_DISK: Duration = Duration::from_secs(1);

/// A disk that has worked for so long and fails again is worth another warning.
const NEW_OUTAGE: Duration = Duration::from_mins(1);

/// Runs that are remembered at most, so that it can be told who has lost what.
const MOST_RUNS: usize = 64 * 1024;

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
    number: u64,
    data: Data,
    bytes: u64,
    /// Lines in it.
    lines: u64,
    /// Of these, lines that the spool wrote itself in the place of what went.
    marks: u64,
    /// How many lines were appended before it, and to it; some may have gone since.
    lines_before: u64,
    appended: u64,
    /// Whose its lines are; `None` where that is not remembered.
    runs: Option<Vec<Run>>,
}

impl Segment {
    /// Lines appended up to its end.
    fn end(&self) -> u64 {
        self.lines_before + self.appended
    }
}

/// What an exporter may keep of the spool at most because it needs it once more; less where the bound is small.
const MOST_HELD_BYTES: u64 = 64 << 20;

/// How far one exporter has come.
#[derive(Debug)]
struct Reader {
    name: String,
    /// Whether its position is kept on disk.
    resumes: bool,
    position: Position,
    /// Lines of the segment before the position.
    lines: u64,
    /// What it has read and not yet handed over: events, bytes.
    taken: Option<(u64, u64)>,
    marks: Marks,
    /// From where on it needs once more what it has, should this process die.
    held: Option<Position>,
    /// Whether it has needed more than it may keep, and that was told.
    told: bool,
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
    next_number: u64,
    /// Lines appended, and those of them that only say what was lost.
    lines: u64,
    said: u64,
    /// Events that went before everybody had them.
    lost: u64,
    readers: Vec<Reader>,
    /// When the disk is looked at, or tried, again.
    look_at: Instant,
    /// When the disk has failed last: an outage is told once.
    failed: Option<Instant>,
    /// Folders of dead writers whose locks this process holds, and what is under way of them.
    adopted: HashMap<PathBuf, Taken>,
    others: Others,
    /// Traces of which nothing is left, not even a mark, and how many events were lost of them.
    unsaid: Unsaid,
    /// What traces have lost that the spool cannot say in the place of what went.
    losses: Vec<(u128, DropReason, u64)>,
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
            lines: 0,
            said: 0,
            lost: 0,
            readers: Vec::new(),
            look_at: Instant::now() + LOOK_AT_DISK,
            failed: None,
            adopted: HashMap::new(),
            others: Others::default(),
            unsaid: Unsaid::default(),
            losses: Vec::new(),
        };
        if spool.options.kind == SpoolKind::Disk {
            match Folder::create(&spool.options.dir, spool.options.keep) {
                Ok(folder) => {
                    spool.folder = Some(folder);
                    spool.disk_works = true;
                }
                Err(error) => spool.disk_failed(&error),
            }
        }
        spool
    }

    /// Whether what is appended goes to the disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.disk_works
    }

    /// The writer's name, if it has a folder.
    pub(crate) fn writer(&self) -> Option<Arc<str>> {
        self.folder.as_ref()?.name()
    }

    /// Says that this process holds the lock of a dead writer's folder.
    pub(crate) fn adopted(&mut self, folder: PathBuf) {
        self.adopted.entry(folder).or_default();
    }

    /// Says how many bytes of such a folder an exporter has read and not handed over.
    pub(crate) fn adopted_taken(&mut self, folder: &Path, exporter: &str, bytes: u64) {
        if let Some(taken) = self.adopted.get_mut(folder) {
            taken.insert(exporter.to_owned(), bytes);
        }
    }

    /// Lines appended from the start on: events, and what says that some were lost.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Events appended from the start on.
    pub(crate) fn events(&self) -> u64 {
        self.lines - self.said
    }

    /// Of these, events that went before everybody had them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Looks whether a disk is back, and whether others need room. To be called now and then, whether or not there is
    /// anything to append.
    pub(crate) fn look_around(&mut self) {
        if Instant::now() >= self.look_at {
            self.look_at_disk();
            self.bound_for_others();
        }
    }

    /// What traces have lost since the last call that is yet to be said.
    pub(crate) fn take_losses(&mut self) -> Vec<(u128, DropReason, u64)> {
        std::mem::take(&mut self.losses)
    }

    /// Appends lines that only say what was lost.
    pub(crate) fn append_marks(&mut self, lines: &[u8], marks: u64) {
        self.append_lines(lines, &[Run::of_nobody(marks)], marks);
    }

    /// Appends whole lines, whose these are.
    pub(crate) fn append(&mut self, lines: &[u8], runs: &[Run]) {
        self.look_around();
        if self.has_unsaid(runs) {
            let (lines, runs, marks) = self.say(lines, runs);
            self.append_lines(&lines, &runs, marks);
        } else {
            self.append_lines(lines, runs, 0);
        }
    }

    fn append_lines(&mut self, lines: &[u8], runs: &[Run], marks: u64) {
        let mut left = runs::lines(runs);
        let (mut lines, mut runs) = (lines, Rest::new(runs));
        while !lines.is_empty() {
            let room = self.room();
            let (part, count) = if lines.len() as u64 <= room {
                (lines, left)
            } else {
                head(lines, room)
            };
            let marks = if marks == 0 { 0 } else { line::marks(part) };
            self.append_part(part, count, marks, &mut runs);
            lines = &lines[part.len()..];
            left = left.saturating_sub(count);
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
        // Every writer that lives has one that grows.
        let writers = if self.disk_works {
            1 + self.others.living()
        } else {
            1
        };
        (bound / 8 / writers).clamp(LEAST_SEGMENT_BYTES, SEGMENT_BYTES)
    }

    fn append_part(&mut self, lines: &[u8], count: u64, marks: u64, runs: &mut Rest<'_>) {
        let events = count - marks.min(count);
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
            last.lines += count;
            last.marks += marks;
            last.appended += count;
            if let Some(of_segment) = &mut last.runs {
                runs.take(count, of_segment);
            }
        }
        self.lines += count;
        self.said += marks;
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
        self.next_number += segment::NUMBERS_APART;
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
            lines: 0,
            marks: 0,
            lines_before: self.lines,
            appended: 0,
            runs: Some(Vec::new()),
        });
        self.remove_finished();
        self.forget_runs();
    }

    /// Whose the oldest lines are is not remembered for ever.
    fn forget_runs(&mut self) {
        let mut count = 0;
        for segment in self.segments.iter_mut().rev() {
            count += segment.runs.as_ref().map_or(0, Vec::len);
            if count > MOST_RUNS {
                segment.runs = None;
            }
        }
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
        let before = self.failed.replace(Instant::now());
        if before.is_none_or(|before| before.elapsed() > NEW_OUTAGE) {
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
        self.look_at = Instant::now() + LOOK_AT_DISK;
        if self.options.kind == SpoolKind::Memory {
            return;
        }
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
            _ => Folder::create(&self.options.dir, self.options.keep)?,
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
                // Whole or not at all: somebody may read it as soon as it is there.
                let beside = path.with_extension("next");
                if let Err(error) =
                    fs::write(&beside, lines).and_then(|()| fs::rename(&beside, &path))
                {
                    let _ = fs::remove_file(&beside);
                    return Err(error);
                }
                segment.data = Data::File(path);
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_unsaid(&self, trace: &str) -> bool {
        u128::from_str_radix(trace, 16).is_ok_and(|trace| self.unsaid.contains(trace))
    }

    /// The end of the client: with nothing left for anybody the folder goes, else it waits for
    /// the next process. What is in memory goes to the disk if that can be written by now; if not, it is lost.
    pub(crate) fn close(&mut self) {
        let in_memory = |s: &Segment| matches!(s.data, Data::Memory(_)) && s.bytes > 0;
        if self.segments.iter().any(in_memory) {
            self.look_at_disk();
        }
        while let Some(index) = self.segments.iter().position(in_memory) {
            self.discard(index, DropReason::Undelivered);
        }
        self.file = None;
        let Some(folder) = self.folder.take() else {
            return;
        };
        let mut waiting = self.options.keep && !self.segments.is_empty();
        for reader in self.readers.iter().filter(|reader| reader.resumes) {
            if self.done_by(reader) < self.lines || reader.held.is_some() {
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
