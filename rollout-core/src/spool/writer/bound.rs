//! What goes: segments that everybody has, and the oldest traces when there is no room.
//!
//! One bound holds for all that write below one directory, and nobody but the owner of a lock changes what is in its
//! folder. So: what dead writers have left goes first. Then goes what is our own. Of several that live, the one with
//! the oldest segment looks now and then, and makes room a little before the others would have to.

use std::io;
use std::path::PathBuf;

use super::{Segment, Spool};
use crate::spool::cursor::Position;
use crate::spool::dead;
use crate::spool::evict::{LEAST_AT_ONCE, MOST_AT_ONCE, Place, Plan, Source};
use crate::spool::folder::{self, Folder};
use crate::spool::line::{self, Line};
use crate::spool::others::first_written;
use crate::spool::runs::{self, Rest, Run};
use crate::spool::segment::Data;
use crate::stats::DropReason;

/// Traces that are remembered at most because something is to be said of them.
const MOST_LOSSES: usize = 4096;

/// Which segments a bound is about.
type Which = fn(&Segment) -> bool;

const ON_DISK: Which = |segment| matches!(segment.data, Data::File(_));
const IN_MEMORY: Which = |segment| matches!(segment.data, Data::Memory(_));

impl Spool {
    /// Removes segments that every reader has passed, but for the last one.
    pub(super) fn remove_finished(&mut self) {
        if self.options.keep || self.readers.is_empty() {
            return;
        }
        while self.segments.len() > 1 {
            let first = &self.segments[0];
            if self
                .readers
                .iter()
                .any(|r| r.bytes_over(first) < first.bytes)
            {
                break;
            }
            self.drop_segment(0);
        }
    }

    /// Keeps disk and memory within their bounds, with room for one more segment of everybody.
    pub(super) fn bound(&mut self) {
        if !self.disk_works {
            let most = self.options.max_memory_bytes;
            let over = self
                .size(IN_MEMORY)
                .saturating_sub(most.saturating_sub(self.segment_bytes()));
            self.make_room(over, IN_MEMORY, most);
            return;
        }
        self.look_at_others();
        let most = self.options.max_disk_bytes;
        let hard = self.hard_bound();
        let total = self.total();
        if total <= hard {
            return;
        }
        // Making room takes a look at everything, so more is made than is needed now.
        let some = hard.min(most - most / 8);
        let freed = self.shrink_dead(total.saturating_sub(some), most);
        let left = total.saturating_sub(freed);
        if left > hard {
            let to = if self.is_oldest() { some } else { hard };
            self.make_room(left.saturating_sub(to), ON_DISK, most);
        }
    }

    /// Makes room a little before others have to, if ours is the oldest. To be called now and then.
    pub(super) fn bound_for_others(&mut self) {
        if !self.disk_works {
            return;
        }
        self.look_at_others();
        let hard = self.hard_bound();
        let soon = hard - hard / 16;
        if self.others.living() > 0 && self.total() > soon && self.is_oldest() {
            let most = self.options.max_disk_bytes;
            let over = self.total().saturating_sub(hard - hard / 8);
            let freed = self.shrink_dead(over, most);
            if over > freed {
                self.rotate();
                self.make_room(over - freed, ON_DISK, most);
            }
        }
    }

    fn look_at_others(&mut self) {
        let own = self.folder.as_ref().map(Folder::path);
        let adopted: Vec<_> = self.adopted.keys().cloned().collect();
        self.others.look(&self.options.dir, own, &adopted);
    }

    /// What all may take while everybody begins a segment.
    fn hard_bound(&self) -> u64 {
        let begun = self.segment_bytes() * (1 + self.others.living());
        self.options.max_disk_bytes.saturating_sub(begun)
    }

    fn total(&self) -> u64 {
        self.size(ON_DISK) + self.others.dead_bytes() + self.others.living_bytes()
    }

    /// Whether nobody else that lives has an older segment.
    fn is_oldest(&self) -> bool {
        let Some(theirs) = self.others.oldest() else {
            return true;
        };
        let ours = self.folder.as_ref().map(Folder::path);
        ours.and_then(first_written)
            .is_some_and(|ours| ours <= theirs)
    }

    fn size(&self, which: Which) -> u64 {
        let these = self.segments.iter().filter(|s| which(s));
        these.map(|s| s.bytes).sum()
    }

    /// Gives up the oldest traces of ours until `over` bytes are free. No segment may be open.
    fn make_room(&mut self, mut over: u64, which: Which, most: u64) {
        while over > 0 {
            let before = self.size(which);
            self.evict(over.clamp(LEAST_AT_ONCE, MOST_AT_ONCE), which, most);
            let freed = before.saturating_sub(self.size(which));
            over = over.saturating_sub(freed);
            if freed == 0 {
                // Nothing can be written beside what is there: then whole segments go.
                return self.shrink(over, which);
            }
        }
    }

    fn evict(&mut self, need: u64, which: Which, most: u64) {
        let mut sources: Vec<_> = self.segments.iter().filter(|s| which(s)).collect();
        if self.file.is_some() {
            sources.pop();
        }
        let numbers: Vec<u64> = sources.iter().map(|s| s.number).collect();
        let sources: Vec<_> = sources.into_iter().map(Segment::source).collect();
        let places = self.places();
        let mut plan = Plan::of(&sources, &places, need, most);
        let mut lost = 0;
        for (index, number) in numbers.into_iter().enumerate() {
            if !plan.touches(index) {
                continue;
            }
            let at = self.segments.iter().position(|s| s.number == number);
            let Some(at) = at else { continue };
            match self.rewrite(&mut plan, index, at) {
                Ok(here) => lost += here,
                Err(error) => {
                    log::debug!("rollout: cannot write what stays of a segment: {error}");
                    break;
                }
            }
        }
        self.remember_unsaid(plan.unsaid);
        self.lost += lost;
        self.counters.dropped(DropReason::SpoolFull, lost);
    }

    fn remember_unsaid(&mut self, gone: Vec<(u128, u64)>) {
        for (trace, lost) in gone {
            self.unsaid.add(trace, lost);
        }
    }

    /// Whether any of these traces has lost all that there was of it, so that its next line is to say so.
    pub(super) fn has_unsaid(&self, runs: &[Run]) -> bool {
        !self.unsaid.is_empty() && runs.iter().any(|run| self.unsaid.contains(run.trace))
    }

    /// Lines with, after the first of each such trace, a mark; whose these are, and how many marks.
    pub(super) fn say(&mut self, lines: &[u8], runs: &[Run]) -> (Vec<u8>, Vec<Run>, u64) {
        let (mut said, mut runs_said, mut marks) = (Vec::with_capacity(lines.len()), Vec::new(), 0);
        let mut rest = Rest::new(runs);
        for text in lines.split_inclusive(|byte| *byte == b'\n') {
            said.extend_from_slice(text);
            rest.take(1, &mut runs_said);
            let trace = runs_said.last().map_or(0, |run| run.trace);
            if let Some(lost) = self.unsaid.take(trace) {
                line::write_mark(Line::new(text), lost, &mut said);
                runs::push(&mut runs_said, Run::of_nobody(1));
                marks += 1;
            }
        }
        (said, runs_said, marks)
    }

    fn places(&self) -> Vec<Place> {
        let place = |reader: &super::Reader| Place {
            position: reader.position,
            taken: reader.taken.map_or(0, |(_, bytes)| bytes),
        };
        self.readers.iter().map(place).collect()
    }

    /// Puts what stays of a segment in its place; how many events are lost.
    fn rewrite(&mut self, plan: &mut Plan, index: usize, at: usize) -> io::Result<u64> {
        let places = self.places();
        let segment = &self.segments[at];
        let next = self
            .segments
            .get(at + 1)
            .map_or(self.next_number, |s| s.number);
        let (data, done) = plan.carry_out(index, segment.source(), &places, next)?;
        if !done.changed {
            return Ok(0);
        }
        let was = std::mem::replace(&mut self.segments[at].data, data);
        let segment = &mut self.segments[at];
        segment.number += 1;
        segment.bytes = done.bytes;
        segment.lines = done.lines;
        segment.marks = done.marks;
        segment.runs = None;
        for (reader, to) in self.readers.iter_mut().zip(&done.places) {
            if let Some((bytes, lines)) = to {
                reader.position = Position {
                    segment: segment.number,
                    offset: *bytes,
                };
                reader.lines = *lines;
            }
        }
        if done.bytes == 0 {
            self.drop_segment(at);
        }
        // Cursors first: what was handed over is not sent again by whoever comes after a crash.
        self.store_cursors();
        was.remove();
        Ok(done.lost)
    }

    /// Discards the oldest segments of ours until `over` bytes are free. One that is being
    /// sent stays: whether it arrives is not known yet.
    fn shrink(&mut self, mut over: u64, which: Which) {
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
                if self.adopted.contains_key(&path) {
                    return Some((path, None));
                }
                let folder = Folder::adopt(&path).ok()??;
                Some((path, Some(folder)))
            })
    }

    /// Removes the oldest traces of dead writers until `over` bytes are free; how many were.
    fn shrink_dead(&mut self, over: u64, most: u64) -> u64 {
        let over = over.min(self.others.dead_bytes());
        let (mut freed, mut unsaid, mut losses) = (0, Vec::new(), Vec::new());
        if over > 0 {
            for (path, lock) in self.dead_writers() {
                if freed >= over {
                    break;
                }
                let taken = self.adopted.get(&path);
                let gone = dead::make_room(&path, taken, over - freed, most);
                freed += gone.bytes;
                self.counters.dropped(DropReason::SpoolFull, gone.lost);
                unsaid.extend(gone.unsaid);
                losses.extend(gone.losses);
                if let Some(folder) = lock.filter(|_| gone.all) {
                    folder.remove();
                }
            }
            self.others.freed(freed);
        }
        self.remember_unsaid(unsaid);
        self.tell(DropReason::SpoolFull, losses);
        freed
    }

    /// Gives a segment up; what somebody was still to get of it is lost.
    pub(super) fn discard(&mut self, index: usize, reason: DropReason) {
        let segment = &self.segments[index];
        let done = self.readers.iter().map(|r| r.lines_of(segment)).min();
        let done = done.unwrap_or(0);
        let lost = (segment.lines.saturating_sub(done)).saturating_sub(segment.marks);
        let losses = match &segment.runs {
            Some(runs) => runs::losses(runs, done),
            // What of it can be read.
            None => runs::losses(&segment.data.runs(segment.bytes), done),
        };
        let marks = match segment.marks {
            0 => Vec::new(),
            _ => segment.data.marks(segment.bytes, done),
        };
        self.lost += lost;
        self.counters.dropped(reason, lost);
        self.tell(reason, losses);
        self.tell(DropReason::SpoolFull, marks);
        let segment = &self.segments[index];
        if index + 1 == self.segments.len() {
            self.file = None;
        }
        for reader in &mut self.readers {
            if reader.position.segment == segment.number {
                reader.position = Position {
                    segment: segment.number + 1,
                    offset: 0,
                };
                reader.lines = 0;
                reader.taken = None;
            }
        }
        self.drop_segment(index);
    }

    /// Has it said of traces what they have lost.
    fn tell(&mut self, reason: DropReason, losses: Vec<(u128, u64)>) {
        let room = MOST_LOSSES.saturating_sub(self.losses.len());
        let losses = losses.into_iter().take(room);
        self.losses
            .extend(losses.map(|(trace, lost)| (trace, reason, lost)));
    }

    fn drop_segment(&mut self, index: usize) {
        if let Some(segment) = self.segments.remove(index) {
            segment.data.remove();
        }
    }
}

impl Segment {
    fn source(&self) -> Source<'_> {
        Source {
            number: self.number,
            data: &self.data,
            bytes: self.bytes,
        }
    }
}
