//! Room that is made in the folder of a writer that is gone, and whose lock is held.

use std::collections::HashMap;
use std::path::Path;

use super::cursor::{Cursor, Position};
use super::evict::{LEAST_AT_ONCE, MOST_AT_ONCE, Place, Plan, Source};
use super::runs;
use super::segment::{self, Data};

/// What went.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) bytes: u64,
    /// Events that somebody was still to get.
    pub(super) lost: u64,
    /// Nothing is left.
    pub(super) all: bool,
    /// Traces of which nothing is left, and others that have lost something: how many events.
    pub(super) unsaid: Vec<(u128, u64)>,
    pub(super) losses: Vec<(u128, u64)>,
}

/// Bytes that exporters of this process have read of a folder and not handed over, by their names.
pub(super) type Taken = HashMap<String, u64>;

/// Removes the oldest traces until `over` bytes are free. `most` is what all writers may take together.
pub(super) fn make_room(folder: &Path, taken: Option<&Taken>, over: u64, most: u64) -> Gone {
    let mut gone = Gone::default();
    loop {
        let Ok(files) = segment::list(folder) else {
            return gone;
        };
        gone.all = files.is_empty();
        if gone.all || gone.bytes >= over {
            return gone;
        }
        let segments: Vec<_> = files
            .into_iter()
            .map(|(number, path, bytes)| (number, Data::File(path), bytes))
            .collect();
        let mut cursors = Cursor::all(folder);
        let before = gone.bytes;
        // What is under way stays, by the cursors of those who send it.
        let places: Vec<_> = cursors
            .iter()
            .map(|(name, cursor)| Place {
                position: cursor.position,
                taken: taken
                    .and_then(|taken| taken.get(name))
                    .copied()
                    .unwrap_or(0),
            })
            .collect();
        let sources: Vec<_> = segments
            .iter()
            .map(|(number, data, bytes)| Source {
                number: *number,
                data,
                bytes: *bytes,
            })
            .collect();
        let need = (over - before).clamp(LEAST_AT_ONCE, MOST_AT_ONCE);
        let plan = Plan::of(&sources, &places, need, most);
        evict(folder, plan, &sources, &places, &mut cursors, &mut gone);
        if gone.bytes == before {
            // Nothing can be written beside what is there: then a whole segment goes.
            let is_free = |number: u64| {
                let under_way = |place: &Place| place.taken > 0 && place.position.segment == number;
                !places.iter().any(under_way)
            };
            let Some((number, data, bytes)) = segments.iter().find(|s| is_free(s.0)) else {
                return gone;
            };
            let from = cursors.iter().map(|(_, cursor)| cursor.position).min();
            let from = from.unwrap_or(Position::START);
            let done = match from.segment.cmp(number) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Equal => from.offset,
                std::cmp::Ordering::Greater => *bytes,
            };
            let all = data.runs(*bytes);
            let kept = runs::lines(&data.runs(done));
            let marks = data.marks(*bytes, kept);
            data.remove();
            if segment::path(folder, *number).exists() {
                return gone;
            }
            gone.lost += runs::lines(&all).saturating_sub(kept);
            gone.losses.extend(runs::losses(&all, kept));
            gone.losses.extend(marks);
            gone.bytes += (*bytes).max(1);
        }
    }
}

fn evict(
    folder: &Path,
    mut plan: Plan,
    sources: &[Source<'_>],
    places: &[Place],
    cursors: &mut [(String, Cursor)],
    gone: &mut Gone,
) {
    for (index, source) in sources.iter().enumerate() {
        if !plan.touches(index) {
            continue;
        }
        let next = sources.get(index + 1).map_or(u64::MAX, |s| s.number);
        let Ok((_, done)) = plan.carry_out(index, *source, places, next) else {
            break;
        };
        if !done.changed {
            continue;
        }
        for ((name, cursor), to) in cursors.iter_mut().zip(&done.places) {
            if let Some((offset, _)) = to {
                cursor.position = Position {
                    segment: source.number + 1,
                    offset: *offset,
                };
                // If it cannot be written, what stays is sent again, and ids tell.
                let _ = cursor.store(folder, name);
            }
        }
        source.data.remove();
        gone.bytes += source.bytes.saturating_sub(done.bytes);
        gone.lost += done.lost;
    }
    gone.unsaid.append(&mut plan.unsaid);
}
