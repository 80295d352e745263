//! Tokens by a rule of thumb, for who asks for it.

use serde_json::Value;

/// Characters of English text that make a token.
const CHARACTERS: u64 = 4;

/// The tokens of all text in some values. Names of members are none of it, nor is what is no text: images and audio
/// come as text too, but of a length that says nothing of their tokens.
pub(super) fn estimate<'a>(values: impl Iterator<Item = &'a Value>) -> u64 {
    values.map(characters).sum::<u64>().div_ceil(CHARACTERS)
}

fn characters(value: &Value) -> u64 {
    match value {
        Value::String(text) if text.starts_with("data:") => 0,
        Value::String(text) => text.chars().count() as u64,
        Value::Array(items) => items.iter().map(characters).sum(),
        Value::Object(members) => members
            .iter()
            // Bytes in base 64, and words that say what something is.
            .filter(|(name, _)| !matches!(name.as_str(), "data" | "type" | "role" | "id"))
            .map(|(_, value)| characters(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
