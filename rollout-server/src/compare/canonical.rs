//! A captured value as lines: indented, an object's members by the alphabet, volatile ones by what stands for them.

use super::volatile;
use crate::value::Json;

/// Levels that are laid out; what lies deeper stands on one line as it is written.
const LEVELS: usize = 100;
/// Lists and objects without others inside stand on one line up to this many characters.
const ONE_LINE: usize = 72;

/// The lines of one JSON value; a string is its text.
pub(super) fn lines(text: &str) -> String {
    match Json::read(text) {
        Json::Text(text) => text,
        _ => json(text),
    }
}

/// The lines of one JSON value, a string in quotes.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    value(&mut out, None, text, 0);
    out
}

fn value(out: &mut String, name: Option<&str>, text: &str, level: usize) {
    let text = text.trim();
    match Json::read(text) {
        Json::Text(words) => match name.and_then(|name| volatile::stands_for(name, &words, true)) {
            Some(stands) => out.push_str(stands),
            None => out.push_str(&quoted(&words)),
        },
        Json::Literal(literal) => {
            let stands = name.and_then(|name| volatile::stands_for(name, literal, false));
            out.push_str(stands.unwrap_or(literal));
        }
        Json::Unreadable(text) => out.push_str(text),
        Json::List(_) | Json::Object(_) if level >= LEVELS => out.push_str(text),
        Json::List(items) => {
            let items = items.iter().map(|item| {
                let mut line = String::new();
                value(&mut line, None, item.get(), level + 1);
                line
            });
            group(out, '[', items.collect(), ']', level);
        }
        Json::Object(mut members) => {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let members = members.iter().map(|(name, member)| {
                let mut line = format!("{}: ", quoted(name));
                value(&mut line, Some(name), member.get(), level + 1);
                line
            });
            group(out, '{', members.collect(), '}', level);
        }
    }
}

/// A text in quotes. Line breaks in it stay line breaks, so that long texts inside of values differ line by line.
fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.replace("\\n", "\n")
}

fn group(out: &mut String, open: char, items: Vec<String>, close: char, level: usize) {
    let room = ONE_LINE.saturating_sub(2 * level);
    let length: usize = items.iter().map(|item| item.chars().count() + 2).sum();
    let short = items.len() <= 1 || open == '[';
    let plain = |item: &String| !item.contains(['\n', '{', '[']);
    out.push(open);
    if items.is_empty() {
    } else if short && length <= room && items.iter().all(plain) {
        out.push_str(&items.join(", "));
    } else {
        let indent = "  ".repeat(level + 1);
        for (at, item) in items.iter().enumerate() {
            let comma = if at + 1 < items.len() { "," } else { "" };
            out.push('\n');
            out.push_str(&indent);
            out.push_str(item);
            out.push_str(comma);
        }
        out.push('\n');
        out.push_str(&"  ".repeat(level));
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_laid_out() {
        insta::assert_snapshot!(
            lines(
                r#"{"b":{"id":"call_1","n":1.50},"a":["x","y"],"text":"one\ntwo \"three\"","none":[],"created":1764201600,"list":[{"a":1}]}"#
            ),
            @r#"
        {
          "a": ["x", "y"],
          "b": {
            "id": ‹id›,
            "n": 1.50
          },
          "created": ‹time›,
          "list": [
            {"a": 1}
          ],
          "none": [],
          "text": "one
        two \"three\""
        }
        "#
        );
        assert_eq!(lines("\"a\\nb\""), "a\nb");
        assert_eq!(lines("null"), "null");
    }
}
