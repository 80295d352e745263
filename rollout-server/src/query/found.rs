//! Text that is looked for, and where it stands.
//!
//! Texts are compared by their letters in any case, and any blanks, line breaks and control characters in a row are one
//! blank. Of a JSON value, the text is what its strings say, its members' names and its numbers, one after the other.

use std::ops::ControlFlow;

use super::Found;

/// Bytes of one value that are looked at: what comes after is not found.
pub(crate) const SEARCHED_BYTES: usize = 64 << 10;

/// Characters that are shown before, and after, what was found.
const BEFORE: usize = 60;
const AFTER: usize = 120;

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needle {
    folded: String,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            folded: folded(text),
        }
    }

    /// Whether it is in every text.
    pub(crate) fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Whether it stands in a text that is [`folded`].
    pub(crate) fn is_in(&self, folded: &str) -> bool {
        folded.contains(&self.folded)
    }

    /// As it is compared.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }
}

/// What a text is compared by.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        fold(c, |c| {
            if c != ' ' || !folded.ends_with(' ') {
                folded.push(c);
            }
        });
    }
    folded
}

fn fold(c: char, mut push: impl FnMut(char)) {
    match c {
        ' '..='~' => push(c.to_ascii_lowercase()),
        _ if is_blank(c) => push(' '),
        // At the end of a word it is written in another way.
        'ς' => push('σ'),
        _ => c.to_lowercase().for_each(push),
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Where in a text what is looked for stands first, with some words around it and whatever else of it stands there.
/// `None` where it does not.
pub(crate) fn found(
    text: &str,
    first: &Needle,
    all: &[&Needle],
    part: &str,
    span_id: Option<String>,
) -> Option<Found> {
    let mut line: Vec<char> = Vec::new();
    for c in text.chars() {
        let blank = is_blank(c);
        if !(blank && line.last() == Some(&' ')) {
            line.push(if blank { ' ' } else { c });
        }
    }
    // A letter may fold into several.
    let mut letters: Vec<(char, usize)> = Vec::with_capacity(line.len());
    for (at, c) in line.iter().enumerate() {
        fold(*c, |c| letters.push((c, at)));
    }
    let (from, to) = next(&letters, first, 0, line.len())?;
    let start = from.saturating_sub(BEFORE);
    let end = (to + AFTER).min(line.len());
    let mut marks = Vec::new();
    for needle in all {
        let mut at = start;
        while let Some((from, to)) = next(&letters, needle, at, end) {
            marks.push((from, to));
            at = to.max(from + 1);
        }
    }
    marks.sort_unstable();
    let mut shown: Vec<(usize, usize)> = Vec::new();
    for (from, to) in marks {
        match shown.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => shown.push((from, to)),
        }
    }
    let cut = usize::from(start > 0);
    let mut words = String::new();
    words.extend((start > 0).then_some('…'));
    words.extend(&line[start..end]);
    words.extend((end < line.len()).then_some('…'));
    let place = |at: usize| (at - start + cut) as u32;
    Some(Found {
        span_id,
        part: part.to_owned(),
        text: words,
        marks: shown
            .into_iter()
            .map(|(from, to)| (place(from), place(to)))
            .collect(),
    })
}

/// The next place between two characters of the line where a needle stands.
fn next(
    letters: &[(char, usize)],
    needle: &Needle,
    from: usize,
    to: usize,
) -> Option<(usize, usize)> {
    let wanted: Vec<char> = needle.folded.chars().collect();
    if wanted.is_empty() {
        return None;
    }
    letters
        .windows(wanted.len())
        .filter(|window| window[0].1 >= from)
        .find(|window| window.iter().map(|(c, _)| c).eq(&wanted))
        .map(|window| (window[0].1, window[wanted.len() - 1].1 + 1))
        .filter(|(_, end)| *end <= to)
}

/// The text of a JSON value: at most [`SEARCHED_BYTES`] of it.
pub(crate) fn text_of(json: &str) -> String {
    let mut text = String::with_capacity(json.len().min(SEARCHED_BYTES));
    let mut rest = json;
    while text.len() < SEARCHED_BYTES {
        rest = rest.trim_start_matches(['{', '}', '[', ']', ',', ' ', '\n', '\r', '\t']);
        let Some(first) = rest.chars().next() else {
            break;
        };
        if first == ':' {
            text.push(':');
            rest = &rest[1..];
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        if first == '"' {
            let length = string(rest);
            push_string(&mut text, &rest[..length]);
            rest = &rest[length..];
        } else {
            let length = rest.find(['}', ']', ',', ' ', '\n', '\r', '\t', ':']);
            let (word, after) = rest.split_at(length.unwrap_or(rest.len()).max(first.len_utf8()));
            if word != "null" {
                text.push_str(word);
            }
            rest = after;
        }
    }
    cut(&mut text);
    text
}

/// Makes a text no longer than what is looked at.
pub(crate) fn cut(text: &mut String) {
    if text.len() > SEARCHED_BYTES {
        let end = text.floor_char_boundary(SEARCHED_BYTES);
        text.truncate(end);
    }
}

/// How long the JSON string is that stands at the beginning.
fn string(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).try_fold(1, |at, byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        if closes {
            ControlFlow::Break(at + 1)
        } else {
            ControlFlow::Continue(at + 1)
        }
    });
    match end {
        ControlFlow::Break(end) | ControlFlow::Continue(end) => end.min(json.len()),
    }
}

fn push_string(text: &mut String, json: &str) {
    if json.contains('\\')
        && let Ok(said) = serde_json::from_str::<String>(json)
    {
        text.push_str(&said);
        return;
    }
    let said = json.strip_prefix('"').unwrap_or(json);
    text.push_str(said.strip_suffix('"').unwrap_or(said));
}

#[cfg(test)]
mod tests {
    use super::{Needle, folded, found, text_of};

    fn marked(text: &str, needle: &str) -> String {
        let needle = Needle::new(needle);
        let Some(found) = found(text, &needle, &[&needle], "input", None) else {
            return String::new();
        };
        let mut marked = String::new();
        for (at, c) in found.text.chars().enumerate() {
            let at = at as u32;
            for (from, to) in &found.marks {
                marked.push_str(if *from == at { "[" } else { "" });
                marked.push_str(if *to == at { "]" } else { "" });
            }
            marked.push(c);
        }
        let end = found.text.chars().count() as u32;
        let closes = found.marks.last().is_some_and(|(_, to)| *to == end);
        marked.push_str(if closes { "]" } else { "" });
        marked
    }

    #[test]
    fn any_case_in_any_script() {
        for (text, needle, expected) in [
            ("a Refund, REFUND", "refund", "a [Refund], [REFUND]"),
            ("Ärger mit STRASSE", "äRGER", "[Ärger] mit STRASSE"),
            ("ΟΔΥΣΣΕΥΣ ὁδυσσεύς", "οδυσσευς", "[ΟΔΥΣΣΕΥΣ] ὁδυσσεύς"),
            ("请退款给我", "退款", "请[退款]给我"),
            ("لا أريد استرداد", "أريد", "لا [أريد] استرداد"),
            ("one\n\t two", "ONE TWO", "[one two]"),
            ("İstanbul x", "x", "İstanbul [x]"),
            ("👩‍🚀 flies", "👩‍🚀", "[👩‍🚀] flies"),
            ("nothing", "something", ""),
        ] {
            assert_eq!(marked(text, needle), expected);
            let is_there = Needle::new(needle).is_in(&folded(text));
            assert_eq!(is_there, !expected.is_empty(), "{text}");
        }
    }

    #[test]
    fn words_around() {
        let text = format!("{}needle{}", "a ".repeat(100), " b".repeat(100));
        let around = marked(&text, "needle");
        assert_eq!(
            around,
            format!("…{}[needle]{}…", "a ".repeat(30), " b".repeat(60))
        );
    }

    #[test]
    fn what_json_says() {
        for (json, text) in [
            (r#""a \"b\" \u4e2d\n c""#, "a \"b\" 中\n c"),
            (
                r#"{"role": "user", "content": [{"n": 1.5}, null, true]}"#,
                "role: user content: n: 1.5  true",
            ),
            (r#""\ud800 lone""#, r"\ud800 lone"),
            ("", ""),
            ("\"open", "open"),
            ("\\", "\\"),
        ] {
            assert_eq!(text_of(json), text);
        }
        assert_eq!(
            text_of(&format!("\"{}\"", "é".repeat(1 << 20))).len(),
            64 << 10
        );
    }
}
