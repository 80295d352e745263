//! Lines of a dead writer that are none: a disk that lost power may give back zeros, or half of what was written.

use memchr::{memchr_iter, memmem};
use serde::de::IgnoredAny;

/// How every line of ours begins.
const BEGIN: &[u8] = b"{\"event_id\":\"";

/// What there is of some lines.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Those that are whole.
    pub(crate) lines: Vec<u8>,
    /// The others, as far as anything can be read of them.
    pub(crate) damaged: Vec<Vec<u8>>,
}

/// Tells whole lines from damaged ones. A whole one that hangs on the rest of another one is saved.
pub(crate) fn look(lines: Vec<u8>) -> Found {
    let mut found = Found::default();
    let mut start = 0;
    for end in memchr_iter(b'\n', &lines) {
        let line = &lines[start..=end];
        start = end + 1;
        if is_whole(line) {
            found.lines.extend_from_slice(line);
            continue;
        }
        let (broken, whole) = match memmem::rfind(line, BEGIN) {
            Some(at) if is_whole(&line[at..]) => line.split_at(at),
            _ => (line, &[][..]),
        };
        found.lines.extend_from_slice(whole);
        found.damaged.push(broken.to_owned());
    }
    found
}

fn is_whole(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}
