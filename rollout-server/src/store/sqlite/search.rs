//! Which traces may have a text: an index of the short pieces that their texts are made of.
//!
//! A piece is three letters in a row, or two of a script that writes a word in one or two (Chinese, Japanese, Korean).
//! Texts are cut into parts of some hundred letters, and a part that has all pieces of what is looked for has it nearly
//! always: what is listed is read to be sure. Pieces are written down behind the commit of their trace, when nothing
//! else is to be written; until then, a trace may have any text.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, params};

use super::{bits::Bits, payload};
use crate::{
    query::{
        Found,
        found::{self, Needle, cut, folded, text_of},
    },
    store::StoreError,
};

/// Bits of a row's number that say which part of a trace's text it is.
const PART_BITS: u32 = 20;
/// Letters of a part.
const PART: usize = 512;
/// Letters that a part begins with of the one before: what is longer is looked up by its beginning.
const OVERLAP: usize = 64;
/// Pieces of what is looked for that are looked up at most.
const PIECES: usize = 8;
/// How long a trace that goes on changing waits at most, in nanoseconds.
const PATIENCE: i64 = 60_000_000_000;

/// Writes down that a trace has changed.
pub(super) fn note(connection: &Connection, trace: i64, at: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO unsearched (trace, at) VALUES (?1, ?2)")?
        .execute([trace, at])?;
    Ok(())
}

/// Indexes some of the traces that have changed, at most so many. Returns how many.
///
/// One that runs is let change on for a while.
pub(super) fn index_some(
    connection: &Connection,
    now: i64,
    most: usize,
) -> Result<usize, StoreError> {
    let traces: Vec<i64> = {
        let mut statement = connection.prepare_cached(
            "SELECT trace FROM unsearched LEFT JOIN traces ON traces.id = trace
             WHERE status IS NOT 'running' OR at < ?1 LIMIT ?2",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = statement.query_map([now.saturating_sub(PATIENCE), most], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for trace in &traces {
        remove(connection, *trace)?;
        let mut parts = Parts::default();
        texts(connection, *trace, |text| {
            parts.add(&folded(&text.says));
            ControlFlow::Continue(())
        })?;
        let mut insert =
            connection.prepare_cached("INSERT INTO search (rowid, pieces) VALUES (?1, ?2)")?;
        for (nth, pieces) in (0..1_i64 << PART_BITS).zip(parts.finish()) {
            insert.execute(params![(trace << PART_BITS) | nth, pieces])?;
        }
    }
    Ok(traces.len())
}

/// Removes a trace from the index.
pub(super) fn remove(connection: &Connection, trace: i64) -> Result<(), StoreError> {
    let first = trace << PART_BITS;
    let last = first | ((1 << PART_BITS) - 1);
    connection
        .prepare_cached("DELETE FROM search WHERE rowid BETWEEN ?1 AND ?2")?
        .execute([first, last])?;
    connection
        .prepare_cached("DELETE FROM unsearched WHERE trace = ?1")?
        .execute([trace])?;
    Ok(())
}

/// The traces whose text may have it by their pieces. `None` where it is too short to have any.
pub(super) fn candidates(
    connection: &Connection,
    needle: &Needle,
) -> Result<Option<Bits>, StoreError> {
    let start: Vec<char> = needle.folded().chars().take(OVERLAP).collect();
    let mut pieces = Vec::new();
    each_piece(&start, |piece| pieces.push(piece));
    pieces.dedup();
    if pieces.is_empty() {
        return Ok(None);
    }
    let every = pieces.len().div_ceil(PIECES);
    let wanted: String = pieces
        .iter()
        .step_by(every)
        .map(|piece| word(*piece))
        .collect();
    let mut statement =
        connection.prepare_cached("SELECT rowid FROM search WHERE search MATCH ?1")?;
    let mut rows = statement.query([wanted])?;
    let mut found = Bits::default();
    while let Some(row) = rows.next()? {
        found.insert((row.get::<_, i64>(0)? >> PART_BITS) as usize);
    }
    Ok(Some(found))
}

/// The traces that are not indexed, or have changed since.
pub(super) fn unsearched(connection: &Connection) -> Result<Bits, StoreError> {
    let mut statement = connection.prepare_cached("SELECT trace FROM unsearched")?;
    let mut rows = statement.query([])?;
    let mut found = Bits::default();
    while let Some(row) = rows.next()? {
        found.insert(row.get::<_, i64>(0)? as usize);
    }
    Ok(found)
}

/// What is looked for in the texts of a trace, and whether it must not be there.
pub(super) type Wanted = [(Needle, bool)];

/// What a trace's texts say to it.
pub(super) struct Read {
    pub(super) passes: bool,
    /// Where the first that must be there stands.
    pub(super) found: Option<Found>,
    /// How much was read.
    pub(super) bytes: usize,
}

/// Reads a trace's texts until it is clear whether they have what they must, and nothing that they must not.
pub(super) fn read(
    connection: &Connection,
    trace: i64,
    wanted: &Wanted,
) -> Result<Read, StoreError> {
    let mut answer = Read {
        passes: true,
        found: None,
        bytes: 0,
    };
    let asked: Vec<&Needle> = wanted
        .iter()
        .filter(|(_, not)| !not)
        .map(|(it, _)| it)
        .collect();
    let mut missing = asked.clone();
    let absent = wanted.iter().any(|(_, not)| *not);
    texts(connection, trace, |text| {
        answer.bytes += text.says.len();
        let folded = folded(&text.says);
        let refused = wanted
            .iter()
            .any(|(needle, not)| *not && needle.is_in(&folded));
        if refused {
            answer.passes = false;
            return ControlFlow::Break(());
        }
        if let Some(first) = asked.first()
            && answer.found.is_none()
            && first.is_in(&folded)
        {
            let span_id = text.span.and_then(|span| span_id(connection, span));
            answer.found = found::found(&text.says, first, &asked, text.part, span_id);
        }
        missing.retain(|needle| !needle.is_in(&folded));
        if missing.is_empty() && !absent {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    answer.passes &= missing.is_empty();
    Ok(answer)
}

fn span_id(connection: &Connection, span: i64) -> Option<String> {
    let mut statement = connection
        .prepare_cached("SELECT span_id FROM spans WHERE id = ?1")
        .ok()?;
    statement.query_row([span], |row| row.get(0)).ok()
}

/// All texts of a trace as they are compared, apart by zeros, which none of them has.
#[cfg(feature = "clickhouse")]
pub(super) fn all(connection: &Connection, trace: i64) -> Result<String, StoreError> {
    let mut all = String::new();
    texts(connection, trace, |text| {
        all.push_str(&folded(&text.says));
        all.push('\0');
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// A text of a trace.
struct Text {
    /// The row of its span; none of the trace itself.
    span: Option<i64>,
    part: &'static str,
    says: String,
}

/// Reads all texts of a trace: first its own, then those of its spans.
fn texts(
    connection: &Connection,
    trace: i64,
    mut look: impl FnMut(&Text) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut tell = |span, part, text: Option<String>| match text {
        Some(mut says) if !says.is_empty() => {
            cut(&mut says);
            look(&Text { span, part, says })
        }
        _ => ControlFlow::Continue(()),
    };
    let own: Option<[Option<String>; 3]> = connection
        .prepare_cached("SELECT name, error_kind, error_message FROM traces WHERE id = ?1")?
        .query_row([trace], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        .optional()?;
    let Some([name, kind, message]) = own else {
        return Ok(());
    };
    if tell(None, "name", name).is_break() {
        return Ok(());
    }
    let mut payloads = connection
        .prepare_cached("SELECT id, body FROM trace_payloads WHERE id BETWEEN ?1 AND ?2")?;
    let mut rows = payloads.query([
        payload::id(trace, payload::INPUT),
        payload::id(trace, payload::OUTPUT),
    ])?;
    while let Some(row) = rows.next()? {
        let text = text_of(row.get_ref(1)?.as_str().unwrap_or_default());
        if tell(None, part_of(row.get(0)?), Some(text)).is_break() {
            return Ok(());
        }
    }
    if tell(None, "error", error(kind, message)).is_break() {
        return Ok(());
    }
    let mut messages = connection.prepare_cached(
        "SELECT body -> '$.message.content' FROM events WHERE trace = ?1 AND kind = 'message' ORDER BY at, id",
    )?;
    let mut rows = messages.query([trace])?;
    while let Some(row) = rows.next()? {
        let content = row.get_ref(0)?.as_str_or_null().unwrap_or_default();
        if tell(None, "message", content.map(text_of)).is_break() {
            return Ok(());
        }
    }
    let mut spans = connection.prepare_cached(
        "SELECT id, name, error_kind, error_message FROM spans WHERE trace = ?1 ORDER BY id",
    )?;
    let mut payloads = connection
        .prepare_cached("SELECT id, body FROM span_payloads WHERE id BETWEEN ?1 AND ?2")?;
    let mut rows = spans.query([trace])?;
    while let Some(row) = rows.next()? {
        let span: i64 = row.get(0)?;
        if tell(Some(span), "name", row.get(1)?).is_break() {
            return Ok(());
        }
        let mut bodies = payloads.query([
            payload::id(span, payload::INPUT),
            payload::id(span, payload::PREVIEW),
        ])?;
        while let Some(row) = bodies.next()? {
            let id: i64 = row.get(0)?;
            if id == payload::id(span, payload::ATTRIBUTES) {
                continue;
            }
            let text = text_of(row.get_ref(1)?.as_str().unwrap_or_default());
            if tell(Some(span), part_of(id), Some(text)).is_break() {
                return Ok(());
            }
        }
        if tell(Some(span), "error", error(row.get(2)?, row.get(3)?)).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn part_of(id: i64) -> &'static str {
    match id % 8 {
        payload::INPUT => "input",
        _ => "output",
    }
}

fn error(kind: Option<String>, message: Option<String>) -> Option<String> {
    match (kind, message) {
        (Some(kind), Some(message)) => Some(format!("{kind}: {message}")),
        (kind, message) => kind.or(message),
    }
}

/// The parts of a trace's text, each as the words of its pieces.
#[derive(Default)]
struct Parts {
    done: Vec<String>,
    pieces: Vec<u32>,
    letters: usize,
}

impl Parts {
    fn add(&mut self, folded: &str) {
        let letters: Vec<char> = folded.chars().collect();
        let mut from = 0;
        loop {
            let to = letters.len().min(from + PART);
            if self.letters > 0 && self.letters + (to - from) > PART {
                self.close();
            }
            each_piece(&letters[from..to], |piece| self.pieces.push(piece));
            self.letters += to - from;
            if to == letters.len() {
                return;
            }
            from = to - OVERLAP;
        }
    }

    fn close(&mut self) {
        self.pieces.sort_unstable();
        self.pieces.dedup();
        if !self.pieces.is_empty() {
            self.done
                .push(self.pieces.iter().map(|piece| word(*piece)).collect());
        }
        self.pieces.clear();
        self.letters = 0;
    }

    fn finish(mut self) -> Vec<String> {
        self.close();
        self.done
    }
}

/// Tells the pieces of a text. Which ones there are of some letters does not depend on what stands around them.
fn each_piece(letters: &[char], mut tell: impl FnMut(u32)) {
    for (at, first) in letters.iter().enumerate() {
        let (second, third) = (letters.get(at + 1), letters.get(at + 2));
        match (second, third) {
            (Some(second), _) if is_dense(*first) && is_dense(*second) => {
                tell(piece([*first, *second, '\0']));
            }
            (Some(second), Some(third)) => tell(piece([*first, *second, *third])),
            _ => {}
        }
    }
}

/// Whether a letter is of a script that writes words in one or two.
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{312f}' | '\u{3130}'..='\u{318f}'
        | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ffdc}' | '\u{20000}'..='\u{323af}')
}

/// Letters as a number of 25 bits; several may have the same, and then a trace is read in vain.
fn piece(letters: [char; 3]) -> u32 {
    let [first, second, third] = letters.map(u64::from);
    let all = (first << 42) | (second << 21) | third;
    (all.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 39) as u32
}

/// A number as the index's tokenizer takes it, with a blank behind.
fn word(piece: u32) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let letter = |nth: u32| char::from(LETTERS[(piece >> (5 * nth)) as usize & 31]);
    let mut word: String = (0..5).map(letter).collect();
    word.push(' ');
    word
}
