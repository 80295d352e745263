//! Wall-clock time as the wire has it: RFC 3339, UTC, six digits.

use super::digits::six;

/// Writes times; remembers the second it wrote last, since most events share it.
#[derive(Debug, Default)]
pub(super) struct TimeText {
    second: Option<u64>,
    text: String,
}

impl TimeText {
    /// Appends the time at these nanoseconds since the Unix epoch, in quotes, cut to microseconds.
    pub(super) fn write(&mut self, nanos: u64, out: &mut Vec<u8>) {
        let second = nanos / 1_000_000_000;
        if self.second != Some(second) {
            let time = jiff::Timestamp::from_second(i64::try_from(second).unwrap_or(i64::MAX))
                .unwrap_or_default();
            self.text = time.to_string();
            self.text.truncate(self.text.trim_end_matches('Z').len());
            self.second = Some(second);
        }
        out.push(b'"');
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'.');
        six(nanos % 1_000_000_000 / 1000, out);
        out.extend_from_slice(b"Z\"");
    }
}
