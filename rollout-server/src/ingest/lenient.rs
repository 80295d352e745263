//! Numbers that are no JSON, but are sent.

/// Longest first, since one is the end of another.
const TOKENS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Puts `null` in the place of bare `NaN`, `Infinity` and `-Infinity`, which Python writes.
/// `None` if there are none.
pub(super) fn numbers(json: &str) -> Option<String> {
    let mut repaired = String::with_capacity(json.len());
    let (mut copied, mut at) = (0, 0);
    let bytes = json.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_text(bytes, at),
            b'-' | b'I' | b'N' => match TOKENS
                .iter()
                .find(|token| bytes[at..].starts_with(token.as_bytes()))
            {
                Some(token) => {
                    repaired.push_str(&json[copied..at]);
                    repaired.push_str("null");
                    at += token.len();
                    copied = at;
                }
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(&json[copied..]);
    Some(repaired)
}

/// The byte after a text that begins here.
pub(super) fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}
