//! The header `tracestate`: what other tracing systems have to say, handed on as it came.

/// Members at most; a list with more is none.
const MOST_MEMBERS: usize = 32;

/// Bytes at most. Of a longer list, members go.
const MOST_BYTES: usize = 512;

/// Members over so many bytes are the first to go.
const LONG: usize = 128;

/// Reads the header, which may come in several lines: one list, or nothing where it breaks the rules.
pub(super) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut members: Vec<&str> = Vec::new();
    let all = lines.into_iter().flat_map(|line| line.split(','));
    for member in all.map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let twice = members
            .iter()
            .any(|known| known.split_once('=').is_some_and(|(known, _)| known == key));
        if members.len() == MOST_MEMBERS || twice || !is_key(key) || !is_value(value) {
            return None;
        }
        members.push(member);
    }
    let length = |members: &[&str]| {
        let bytes: usize = members.iter().map(|member| member.len() + 1).sum();
        bytes.saturating_sub(1)
    };
    while length(&members) > MOST_BYTES {
        let long = members.iter().rposition(|member| member.len() > LONG);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    Some(members.join(","))
}

/// A lower-case letter or digit, then up to 255 of these and `_-*/@`.
fn is_key(key: &str) -> bool {
    let begins = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let goes_on = |byte: u8| begins(byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.bytes().next().is_some_and(begins) && key.bytes().all(goes_on)
}

/// Up to 256 visible characters and blanks but `,` and `=`, the last one no blank.
fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=')
        && !value.ends_with(' ')
}
