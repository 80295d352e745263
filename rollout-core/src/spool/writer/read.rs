//! How every exporter reads on from where it was.

use super::{Pending, Reader, Segment, Spool};
use crate::spool::cursor::Position;
use crate::spool::segment::{Chunk, Limit};
use crate::stats::DropReason;

impl Spool {
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

    pub(super) fn store_cursors(&mut self) {
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
}
