//! Which traces go when there is no room, and how they go.
//!
//! # Which
//!
//! The oldest whole traces: in the order in which their first lines stand in the spool, as many as it takes. What has
//! no trace of its own goes line by line, in the same order. Three things are left out as long as anything else is
//! there:
//!
//! - Lines that an exporter has read and not handed over: whether they arrive is not known yet. Their traces go last,
//!   and these lines stay even then.
//! - Of a trace that alone takes more than half of the bound only the oldest lines go, as many as it takes: what it
//!   does now is worth more than its beginning.
//! - Segments that others write: see [`bound`](super::writer).
//!
//! What is said of a trace after its end, say feedback, may stay where the trace goes: it is not looked for. What
//! comes when the trace has gone is followed by a line that says how much is missing, as long as that is remembered.
//!
//! # How
//!
//! A segment is never changed in place, since somebody may read it. What is to stay of it is written to a file beside
//! it, which is renamed to the next number (numbers have gaps for this); cursors move there; then the old file goes.
//! Whoever looks in between sees some lines in both, which their ids tell apart, and never a line in neither. Who has
//! the old file open reads it to its end. A segment of which nothing stays is removed.
//!
//! # What is left of a trace
//!
//! Nothing, if both its beginning and its end were among what went, and nobody had got any of it. Else a part of it is
//! elsewhere or yet to come, and one line says how much is missing, in the place of the last line that went:
//! `{"event_type":"span.update","attributes":{"rollout.dropped":{"spool_full":12}}}`. Where such a line is all that is
//! left of a trace, it goes last of all, and is said again if more of the trace comes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};

use super::cursor::Position;
use super::line::{self, Line};
use super::segment::{self, Data};

/// The most that is looked for in one go: it bounds the memory that the search takes.
pub(super) const MOST_AT_ONCE: u64 = 64 << 20;

/// The least: less may well be what the marks take.
pub(super) const LEAST_AT_ONCE: u64 = 4 << 10;

/// A segment that lines may go from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) number: u64,
    pub(super) data: &'a Data,
    pub(super) bytes: u64,
}

/// Where somebody is who reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) position: Position,
    /// Bytes from there on that are on their way.
    pub(super) taken: u64,
}

impl Place {
    fn holds(self, segment: u64, offset: u64) -> bool {
        let from = self.position.offset;
        self.position.segment == segment && (from..from + self.taken).contains(&offset)
    }

    /// Whether the line there is yet to be handed over.
    fn waits_for(self, segment: u64, offset: u64) -> bool {
        (self.position.segment, self.position.offset) <= (segment, offset)
    }
}

/// What goes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    traces: HashMap<u128, Doomed>,
    /// The last line without a trace that goes: index of its segment, and offset.
    loose: Option<(usize, u64)>,
    /// Which segments have lines that go.
    touched: Vec<bool>,
    /// Traces of which nothing is left, not even a mark, and how many events were lost of them.
    pub(super) unsaid: Vec<(u128, u64)>,
}

/// A trace that goes.
#[derive(Debug)]
struct Doomed {
    /// Bytes and lines of it that are yet to go.
    bytes: u64,
    lines: u64,
    /// Whether some of it stays.
    stays: bool,
    started: bool,
    ended: bool,
    /// Events that somebody was still to get.
    lost: u64,
    /// The same of earlier times, as a mark said.
    lost_before: u64,
}

impl Doomed {
    /// How many events the mark is to tell of, if there is to be one.
    fn mark(&self) -> Option<u64> {
        let lost = self.lost + self.lost_before;
        (lost > 0 && !self.is_whole() && !self.is_only_a_mark()).then_some(lost)
    }

    /// Whether all there was of it goes, and nobody had got any.
    fn is_whole(&self) -> bool {
        self.started && self.ended && !self.stays
    }

    fn is_only_a_mark(&self) -> bool {
        self.lost == 0 && self.lost_before > 0 && !self.stays
    }
}

/// Who is yet to get a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Nobody,
    Some,
    All,
}

/// What has become of a segment.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// Bytes, lines, and how many of these are marks.
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) marks: u64,
    /// Events that went and that somebody was still to get.
    pub(super) lost: u64,
    /// For each place in this segment: bytes and lines before it.
    pub(super) places: Vec<Option<(u64, u64)>>,
    /// Whether any line went.
    pub(super) changed: bool,
}

/// A trace, or a line without one, that may go.
struct Candidate {
    trace: Option<u128>,
    /// Where its first line is: index of the segment, and offset.
    first: (usize, u64),
    last: usize,
    bytes: u64,
    lines: u64,
    /// Whether some of it is on its way.
    busy: bool,
    /// Whether a mark is all there is of it.
    mark: bool,
    /// Whether its end was among its lines.
    ended: bool,
}

/// Which candidates go first; each in the order of their first lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Free,
    Busy,
    Mark,
}

impl Rank {
    const ALL: [Self; 3] = [Self::Free, Self::Busy, Self::Mark];
}

impl Candidate {
    /// Whether more of it may come.
    fn is_open(&self) -> bool {
        !self.mark && !self.ended
    }

    fn rank(&self) -> Rank {
        match self {
            Self { busy: true, .. } => Rank::Busy,
            Self { mark: true, .. } => Rank::Mark,
            _ => Rank::Free,
        }
    }
}

impl Plan {
    /// Finds what is to go so that `need` bytes are free. `most` is what all may take together.
    pub(super) fn of(sources: &[Source<'_>], places: &[Place], need: u64, most: u64) -> Self {
        let candidates = candidates(sources, places, need);
        let mut plan = Self {
            touched: vec![false; sources.len()],
            ..Self::default()
        };
        let mut left = need;
        for rank in Rank::ALL {
            for candidate in candidates
                .iter()
                .filter(|c| c.rank() == rank && c.lines > 0)
            {
                if left == 0 {
                    return plan;
                }
                let partly = candidate.busy || candidate.bytes > most / 2;
                let bytes = if partly {
                    candidate.bytes.min(left)
                } else {
                    candidate.bytes
                };
                left = left.saturating_sub(bytes);
                plan.add(candidate, bytes);
            }
        }
        plan
    }

    fn add(&mut self, candidate: &Candidate, bytes: u64) {
        for touched in &mut self.touched[candidate.first.0..=candidate.last] {
            *touched = true;
        }
        let Some(trace) = candidate.trace else {
            self.loose = self.loose.max(Some(candidate.first));
            return;
        };
        self.traces.insert(
            trace,
            Doomed {
                bytes,
                lines: candidate.lines,
                stays: candidate.busy || bytes < candidate.bytes,
                started: false,
                ended: false,
                lost: 0,
                lost_before: 0,
            },
        );
    }

    /// Whether lines go from the segment with this index.
    pub(super) fn touches(&self, index: usize) -> bool {
        self.touched[index]
    }

    /// Writes what stays of a segment under the next number, which must be less than `next`, and leaves the segment
    /// itself to the caller. Nothing is written where nothing goes, or nothing stays. To be called in the order of the
    /// segments.
    pub(super) fn carry_out(
        &mut self,
        index: usize,
        source: Source<'_>,
        places: &[Place],
        next: u64,
    ) -> io::Result<(Data, Rewritten)> {
        let number = source.number + 1;
        if number >= next {
            return Err(io::Error::other("no number is left for it"));
        }
        let Data::File(path) = source.data else {
            let mut lines = Vec::new();
            let done = self.rewrite(index, source, places, &mut lines)?;
            return Ok((Data::Memory(lines), done));
        };
        let beside = path.with_extension("next");
        let to = segment::path(path.parent().unwrap_or(path), number);
        let written = File::create(&beside).and_then(|file| {
            let mut out = BufWriter::with_capacity(64 << 10, file);
            let done = self.rewrite(index, source, places, &mut out)?;
            out.flush()?;
            Ok(done)
        });
        let done = match written {
            Ok(done) if done.changed && done.bytes > 0 => fs::rename(&beside, &to).map(|()| done),
            done => {
                // Is removed with the folder, else.
                let _ = fs::remove_file(&beside);
                done
            }
        };
        Ok((Data::File(to), done?))
    }

    /// Writes what stays of a segment to `out`.
    fn rewrite(
        &mut self,
        index: usize,
        source: Source<'_>,
        places: &[Place],
        out: &mut dyn Write,
    ) -> io::Result<Rewritten> {
        let number = source.number;
        let mut done = Rewritten {
            places: vec![None; places.len()],
            ..Rewritten::default()
        };
        let mut mark = Vec::new();
        let at_places = |offset: u64, done: &mut Rewritten| {
            for (place, to) in places.iter().zip(&mut done.places) {
                if (place.position.segment, place.position.offset) == (number, offset) {
                    *to = Some((done.bytes, done.lines));
                }
            }
        };
        let end = each_line(source, |offset, line| {
            at_places(offset, &mut done);
            let busy = places.iter().any(|place| place.holds(number, offset));
            let waiting = places
                .iter()
                .filter(|p| p.waits_for(number, offset))
                .count();
            let wait = match waiting {
                _ if waiting == places.len() => Wait::All,
                0 => Wait::Nobody,
                _ => Wait::Some,
            };
            mark.clear();
            if !busy && self.goes((index, offset), line, wait, &mut done, &mut mark) {
                done.changed = true;
                if mark.is_empty() {
                    return Ok(());
                }
                out.write_all(&mark)?;
                done.bytes += mark.len() as u64;
                done.marks += 1;
            } else {
                out.write_all(line)?;
                done.bytes += line.len() as u64;
                done.marks += u64::from(Line::new(line).mark().is_some());
            }
            done.lines += 1;
            Ok(())
        })?;
        at_places(end, &mut done);
        Ok(done)
    }

    /// Whether a line goes; `mark` gets what is to stand in its place.
    fn goes(
        &mut self,
        at: (usize, u64),
        line: &[u8],
        wait: Wait,
        done: &mut Rewritten,
        mark: &mut Vec<u8>,
    ) -> bool {
        let line_bytes = line.len() as u64;
        let line = Line::new(line);
        let Some(trace) = line.trace() else {
            let goes = self.loose.is_some_and(|last| at <= last);
            done.lost += u64::from(goes && wait != Wait::Nobody);
            return goes;
        };
        let Some(doomed) = self
            .traces
            .get_mut(&trace)
            .filter(|doomed| doomed.bytes > 0)
        else {
            return false;
        };
        doomed.bytes = doomed.bytes.saturating_sub(line_bytes);
        doomed.lines = doomed.lines.saturating_sub(1);
        if let Some(before) = line.mark() {
            doomed.lost_before += before;
        } else if wait != Wait::Nobody {
            doomed.lost += 1;
            doomed.started |= line.starts() && wait == Wait::All;
            doomed.ended |= line.ends();
            done.lost += 1;
        }
        if doomed.lines == 0 || doomed.bytes == 0 {
            if let Some(lost) = doomed.mark() {
                line::write_mark(line, lost, mark);
            } else if doomed.is_only_a_mark() || doomed.is_whole() {
                self.unsaid.push((trace, doomed.lost + doomed.lost_before));
            }
        }
        true
    }
}

/// Traces in the order of their first lines, as many as `need` takes, with all that there is of them.
fn candidates(sources: &[Source<'_>], places: &[Place], need: u64) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut by_trace: HashMap<u128, usize> = HashMap::new();
    // Bytes of each rank: no more candidates are looked for than are needed.
    let mut bytes_of = [0; Rank::ALL.len()];
    // Candidates of which there may be more lines.
    let mut open = 0_usize;
    for (index, source) in sources.iter().enumerate() {
        if open == 0 && bytes_of[Rank::Free as usize] >= need {
            break;
        }
        // What cannot be read has nothing to go.
        let _ = each_line(*source, |offset, text| {
            let line = Line::new(text);
            let trace = line.trace();
            let is_mark = line.mark().is_some();
            let busy = places
                .iter()
                .any(|place| place.holds(source.number, offset));
            let rank = if is_mark { Rank::Mark } else { Rank::Free };
            let known = trace.and_then(|trace| by_trace.get(&trace).copied());
            let at = match known {
                Some(at) => at,
                None if bytes_of[rank as usize] >= need || (trace.is_none() && busy) => {
                    return Ok(());
                }
                None => {
                    found.push(Candidate {
                        trace,
                        first: (index, offset),
                        last: index,
                        bytes: 0,
                        lines: 0,
                        busy: false,
                        mark: true,
                        ended: trace.is_none(),
                    });
                    by_trace.extend(trace.map(|trace| (trace, found.len() - 1)));
                    found.len() - 1
                }
            };
            let candidate = &mut found[at];
            open -= usize::from(candidate.is_open());
            bytes_of[candidate.rank() as usize] -= candidate.bytes;
            candidate.busy |= busy;
            candidate.mark &= is_mark;
            candidate.ended |= line.ends();
            open += usize::from(candidate.is_open());
            if !busy {
                candidate.bytes += text.len() as u64;
                candidate.lines += 1;
                candidate.last = index;
            }
            bytes_of[candidate.rank() as usize] += candidate.bytes;
            Ok(())
        });
    }
    found
}

/// Gives every whole line of a segment with its offset; the answer is where they end.
fn each_line(
    source: Source<'_>,
    mut line: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut reader: Box<dyn BufRead + '_> = match source.data {
        Data::Memory(bytes) => Box::new(&bytes[..]),
        Data::File(path) => Box::new(BufReader::with_capacity(
            64 << 10,
            File::open(path)?.take(source.bytes),
        )),
    };
    let (mut offset, mut text) = (0, Vec::new());
    loop {
        text.clear();
        reader.read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            return Ok(offset);
        }
        line(offset, &text)?;
        offset += text.len() as u64;
    }
}
