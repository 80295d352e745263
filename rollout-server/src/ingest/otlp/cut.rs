//! Texts within the bounds of the protocol.

/// The first characters of a text, no more than `most`.
pub(super) fn cut(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    text[..end.unwrap_or(text.len())].to_owned()
}
