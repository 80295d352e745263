//! What the spool reads off a line without parsing it, and the one line that it writes itself.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::Write as _;
use std::ops::Range;

use jiff::Timestamp;
use memchr::{memchr, memmem};

/// How the ids of lines begin that say what was lost, and are no events of the program.
pub(crate) const MARK_PREFIX: &str = "evt_lost_";

/// How such a line begins.
const MARK: &[u8] = b"{\"event_id\":\"evt_lost_";

/// Where in a mark the number of lost events stands.
const LOST: &[u8] = b"\"spool_full\":";

/// What stands before the id of its trace.
const TRACE: &[u8] = b"\"trace_id\":\"";

/// Within so many bytes a line names its trace and its time: long values come after them.
const HEAD: usize = 2048;

/// A line, as far as it says what it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a>(&'a [u8]);

impl<'a> Line<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self(line)
    }

    /// Its trace, if it names one by its own id.
    pub(crate) fn trace(self) -> Option<u128> {
        let id = self.text(TRACE)?;
        let hash = || {
            let hasher = BuildHasherDefault::<DefaultHasher>::default();
            u128::from(hasher.hash_one(id)) | 1 << 127
        };
        Some(hex(id).unwrap_or_else(hash))
    }

    /// The id of its trace, if it names one and it is one of ours.
    pub(crate) fn id(self) -> Option<u128> {
        hex(self.text(TRACE)?).filter(|id| *id != 0)
    }

    /// Whether it only says what was lost.
    pub(crate) fn is_mark(self) -> bool {
        self.0.starts_with(MARK)
    }

    /// Whether it begins its trace.
    pub(super) fn starts(self) -> bool {
        self.kind() == Some(b"trace.start")
    }

    /// Whether it ends its trace.
    pub(super) fn ends(self) -> bool {
        self.kind() == Some(b"trace.end")
    }

    /// How many events that went from the spool it stands for, if it is a mark.
    pub(super) fn mark(self) -> Option<u64> {
        if !self.is_mark() {
            return None;
        }
        let Some(at) = memmem::find(self.0, LOST) else {
            return Some(0);
        };
        let at = at + LOST.len();
        let digits = self.0[at..].iter().take_while(|byte| byte.is_ascii_digit());
        Some(digits.fold(0, |number: u64, digit| {
            number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        }))
    }

    /// Of a mark: its trace, and how much more is to be said of it when the mark goes. That is nothing where the worker
    /// has written it, who knows what he has said, and says all of it again.
    pub(super) fn told(self) -> Option<(u128, u64)> {
        let lost = self.mark()?;
        let head = &self.0[..self.0.len().min(HEAD)];
        let is_workers = memmem::find(head, b"\"sequence\":").is_some();
        Some((self.id()?, if is_workers { 0 } else { lost }))
    }

    fn kind(self) -> Option<&'a [u8]> {
        self.text(b"\"event_type\":\"")
    }

    /// The text after a key, as it stands in the JSON.
    fn text(self, key: &[u8]) -> Option<&'a [u8]> {
        let head: Range<usize> = 0..self.0.len().min(HEAD);
        let from = memmem::find(&self.0[head], key)? + key.len();
        let rest = &self.0[from..];
        Some(&rest[..memchr(b'"', rest)?])
    }
}

fn hex(id: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(id).ok()?;
    (id.len() == 32)
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

/// How many of these lines are marks.
pub(super) fn marks(lines: &[u8]) -> u64 {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| line.starts_with(MARK)).count() as u64
}

/// Appends the line that says of a trace how many of its events were given up: in the place of `last`, the last of them.
pub(super) fn write_mark(last: Line<'_>, lost: u64, out: &mut Vec<u8>) {
    let Some(trace) = last.text(TRACE) else {
        return;
    };
    out.extend_from_slice(MARK);
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        "{:032x}\",\"event_type\":\"span.update\",\"schema_version\":\"1.0\",\"trace_id\":\"",
        fastrand::u128(..)
    );
    out.extend_from_slice(trace);
    out.extend_from_slice(b"\",\"occurred_at\":\"");
    match last.text(b"\"occurred_at\":\"") {
        Some(at) => out.extend_from_slice(at),
        None => {
            let _ = write!(out, "{}", Timestamp::now());
        }
    }
    let _ = write!(out, "\",\"attributes\":{{\"rollout.dropped\":{{");
    out.extend_from_slice(LOST);
    let _ = writeln!(out, "{lost}}}}}}}");
}
