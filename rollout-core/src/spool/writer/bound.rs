//! What goes: segments that everybody has, and the oldest when there is no room.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use super::{LOOK_AT_DEAD, Segment, Spool};
use crate::spool::cursor::Position;
use crate::spool::folder::{self, Folder};
use crate::spool::segment::{self, Data};
use crate::stats::DropReason;

impl Spool {
    /// Removes segments that every reader has passed, but for the last one.
    pub(super) fn remove_finished(&mut self) {
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
    pub(super) fn bound(&mut self) {
        let memory = |s: &Segment| matches!(s.data, Data::Memory(_));
        if self.disk_works {
            let most = self
                .options
                .max_disk_bytes
                .saturating_sub(self.segment_bytes());
            let own = self.size(|s| !memory(s));
            let dead = self.dead_bytes();
            let over = (own + dead).saturating_sub(most);
            let freed = self.shrink_dead(over.min(dead));
            if let Some((_, bytes)) = &mut self.dead {
                *bytes = bytes.saturating_sub(freed);
            }
            self.shrink(over.saturating_sub(freed), |s| !memory(s));
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
    fn dead_writers(&self) -> impl Iterator<Item = (PathBuf, Option<Folder>)> {
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

    fn dead_bytes(&mut self) -> u64 {
        if let Some((at, bytes)) = self.dead
            && at.elapsed() < LOOK_AT_DEAD
        {
            return bytes;
        }
        let bytes = self
            .dead_writers()
            .filter_map(|(path, _lock)| segment::list(&path).ok())
            .flatten()
            .map(|(.., bytes)| bytes)
            .sum();
        self.dead = Some((Instant::now(), bytes));
        bytes
    }

    /// Removes the oldest segments of dead writers until `over` bytes are free; how many were.
    fn shrink_dead(&self, over: u64) -> u64 {
        let mut freed = 0;
        if over == 0 {
            return freed;
        }
        for (path, lock) in self.dead_writers() {
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
    pub(super) fn discard(&mut self, index: usize, reason: DropReason) {
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
}
