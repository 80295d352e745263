//! How every exporter reads on from where it was.

use super::{MOST_HELD_BYTES, Pending, Reader, Segment, Spool};
use crate::spool::cursor::{Cursor, Position};
use crate::spool::marks::Marks;
use crate::spool::segment::{Chunk, Limit};
use crate::stats::DropReason;

impl Reader {
    fn move_to(&mut self, segment: u64) {
        self.position = Position { segment, offset: 0 };
        self.lines = 0;
    }

    /// Lines of a segment that are done.
    pub(super) fn lines_of(&self, segment: &Segment) -> u64 {
        match self.position.segment.cmp(&segment.number) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => self.lines,
            std::cmp::Ordering::Greater => segment.lines,
        }
    }

    /// Bytes of a segment that are done.
    pub(super) fn bytes_of(&self, segment: &Segment) -> u64 {
        segment.bytes_before(self.position)
    }

    /// What is kept of it, and where the next process would begin.
    fn cursor(&self) -> Cursor {
        Cursor {
            position: self.position,
            held: self.held.filter(|held| *held < self.position),
        }
    }

    /// Bytes of a segment that it will never need any more.
    pub(super) fn bytes_over(&self, segment: &Segment) -> u64 {
        segment.bytes_before(self.cursor().start())
    }
}

impl Segment {
    fn bytes_before(&self, at: Position) -> u64 {
        match at.segment.cmp(&self.number) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => at.offset,
            std::cmp::Ordering::Greater => self.bytes,
        }
    }
}

impl Spool {
    /// Adds an exporter that gets everything from the start on; the answer names it from now on.
    pub(crate) fn add_reader(&mut self, name: &str, resumes: bool) -> usize {
        self.readers.push(Reader {
            name: name.into(),
            resumes,
            position: Position::START,
            lines: 0,
            taken: None,
            marks: Marks::default(),
            held: None,
            told: false,
        });
        self.store_cursors();
        self.readers.len() - 1
    }

    /// Lines that a reader is done with or that went before it had them, from the start on.
    pub(crate) fn done(&self, reader: usize) -> u64 {
        self.done_by(&self.readers[reader])
    }

    pub(super) fn done_by(&self, reader: &Reader) -> u64 {
        let at = reader.position;
        match self.segments.iter().find(|s| s.number >= at.segment) {
            None => self.lines,
            Some(segment) if segment.number > at.segment => segment.lines_before,
            Some(segment) if at.offset >= segment.bytes => segment.end(),
            // Of those that went, nobody knows how many were before this line.
            Some(segment) => segment.end().min(segment.lines_before + reader.lines),
        }
    }

    /// Events that are there and that a reader has yet to get, but for what the spool says itself.
    pub(crate) fn waiting(&self, reader: usize) -> u64 {
        let reader = &self.readers[reader];
        let left = |s: &Segment| match s.lines - reader.lines_of(s).min(s.lines) {
            0 => 0,
            left => left.saturating_sub(s.marks),
        };
        self.segments.iter().map(left).sum()
    }

    /// What a reader has yet to get, whatever it says.
    pub(crate) fn pending(&self, reader: usize) -> Pending {
        let reader = &self.readers[reader];
        let mut pending = Pending {
            events: 0,
            bytes: 0,
        };
        for segment in &self.segments {
            pending.events += segment.lines.saturating_sub(reader.lines_of(segment));
            pending.bytes += segment.bytes.saturating_sub(reader.bytes_of(segment));
        }
        pending
    }

    /// The next whole lines for a reader; none at the end.
    pub(crate) fn read(&mut self, reader: usize, bytes: usize, events: u64) -> Option<Chunk> {
        loop {
            let at = self.readers[reader].position;
            let found = self.segments.iter().position(|s| s.number >= at.segment);
            let state = &mut self.readers[reader];
            let Some(index) = found else {
                // Whatever there was is gone, and counted where it went.
                state.move_to(self.next_number);
                return None;
            };
            let segment = &self.segments[index];
            if segment.number > at.segment {
                // Those between are gone, and counted where they went.
                state.move_to(segment.number);
                continue;
            }
            if at.offset >= segment.bytes {
                if index + 1 == self.segments.len() {
                    return None;
                }
                state.move_to(segment.number + 1);
                continue;
            }
            let limit = Limit { bytes, events };
            match segment.data.read(at.offset, segment.bytes, limit) {
                Ok(mut chunk) if chunk.events > 0 => {
                    chunk.number = state.marks.begin(at);
                    state.taken = Some((chunk.events, chunk.lines.len() as u64));
                    return Some(chunk);
                }
                // Somebody has cut or removed the file.
                Ok(_) | Err(_) => self.discard(index, DropReason::SpoolDamaged),
            }
        }
    }

    /// What a reader has read last is done. It needs what it was given since the batch of this number once more if this
    /// process dies.
    pub(crate) fn advance(&mut self, reader: usize, needed: Option<u64>) {
        let state = &mut self.readers[reader];
        if let Some((events, bytes)) = state.taken.take() {
            state.lines += events;
            state.position.offset += bytes;
        }
        self.hold(reader, needed);
    }

    /// The same, with nothing read.
    pub(crate) fn hold(&mut self, reader: usize, needed: Option<u64>) {
        let held = self.readers[reader].marks.need(needed);
        // In memory there is nothing for a next process.
        let on_disk = self.readers[reader].resumes && self.disk_works;
        self.readers[reader].held = held.filter(|_| on_disk);
        self.bound_held(reader);
        if self.readers[reader].resumes {
            self.store_cursor(reader);
        }
        self.remove_finished();
    }

    /// What is kept because it is needed once more has a bound of its own.
    fn bound_held(&mut self, reader: usize) {
        let most = MOST_HELD_BYTES.min(self.options.max_disk_bytes / 8);
        while let Some(held) = self.readers[reader].held
            && self.bytes_between(held, self.readers[reader].position) > most
        {
            let state = &mut self.readers[reader];
            state.held = state.marks.drop_first();
            if !std::mem::replace(&mut state.told, true) {
                self.counters.warn(format_args!(
                    "exporter {}: what has begun and is not over takes more than {most} bytes of \
                     the spool; if this process dies, the next one will not know all of it",
                    state.name
                ));
            }
        }
    }

    fn bytes_between(&self, from: Position, to: Position) -> u64 {
        let between = |s: &Segment| s.bytes_before(to).saturating_sub(s.bytes_before(from));
        self.segments.iter().map(between).sum()
    }

    pub(super) fn store_cursors(&mut self) {
        for reader in 0..self.readers.len() {
            if self.readers[reader].resumes {
                self.store_cursor(reader);
            }
        }
    }

    fn store_cursor(&mut self, reader: usize) {
        let Some(folder) = &self.folder else { return };
        let Reader { name, .. } = &self.readers[reader];
        let cursor = self.readers[reader].cursor();
        if let Err(error) = cursor.store(folder.path(), name) {
            // Delivered events may be sent again; ids tell them apart.
            log::debug!("rollout: cannot write the cursor of {name}: {error}");
        }
    }
}
