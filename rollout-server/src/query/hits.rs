//! Where a text stands among the spans of one trace.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{MAX_SPANS, SpanDetail};
use crate::store::{Store, StoreError};

/// How many spans an answer names at most.
pub const MAX_HITS: u64 = 1000;

/// Bytes of payloads that one search reads at most.
pub(crate) const SEARCHED_BYTES: usize = 256 << 20;

/// Spans in which a text stands, in tree order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanHits {
    /// The spans.
    pub spans: Vec<SpanHit>,
    /// Whether these are all; if not, there were too many, or too much to read.
    pub complete: bool,
}

/// A span in which a text stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanHit {
    /// The span.
    pub span_id: String,
    /// Its parts that have it: `name`, `input`, `output`, `error`, `attributes`.
    pub parts: Vec<String>,
}

/// A text that is looked for, whatever its case, in captured JSON as its reader sees it: without escapes.
#[derive(Debug)]
pub(crate) struct Needle(String);

impl Needle {
    /// Looks for `text`; `None` where there is nothing to look for.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_lowercase()))
    }

    /// Whether it stands in a text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let needle = self.0.as_bytes();
        if !self.0.is_ascii() {
            return text.to_lowercase().contains(&self.0);
        }
        let (text, first) = (text.as_bytes(), needle[0]);
        let starts = text.iter().enumerate();
        let mut starts = starts.filter(|(_, byte)| byte.eq_ignore_ascii_case(&first));
        starts.any(|(at, _)| {
            let there = text.get(at..at + needle.len());
            there.is_some_and(|there| there.eq_ignore_ascii_case(needle))
        })
    }

    /// Whether it stands in a text that is JSON.
    pub(crate) fn is_in_json(&self, json: &str) -> bool {
        self.is_in(&unescaped(json))
    }
}

/// JSON with the escapes of its strings resolved: no JSON any more, but what people read.
fn unescaped(json: &str) -> Cow<'_, str> {
    if !json.contains('\\') {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    let mut left = json;
    while let Some(at) = left.find('\\') {
        text.push_str(&left[..at]);
        left = &left[at + 1..];
        let Some(escape) = left.chars().next() else {
            break;
        };
        left = &left[escape.len_utf8()..];
        match escape {
            'n' | 'r' => text.push('\n'),
            't' => text.push('\t'),
            'b' | 'f' => text.push(' '),
            'u' => text.push(unit(&mut left)),
            other => text.push(other),
        }
    }
    text.push_str(left);
    Cow::Owned(text)
}

/// The character of `\u` and what follows it, which is taken off `left`.
fn unit(left: &mut &str) -> char {
    let hex = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let Some(mut code) = hex(left) else {
        return char::REPLACEMENT_CHARACTER;
    };
    *left = &left[4..];
    if (0xD800..0xDC00).contains(&code)
        && let Some(low) = left.strip_prefix("\\u").and_then(hex)
        && (0xDC00..0xE000).contains(&low)
    {
        *left = &left[6..];
        code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Looks through a store that has no shorter way, span by span.
pub(crate) fn walk<S: Store + ?Sized>(
    store: &S,
    trace_id: &str,
    text: &str,
    limit: u64,
) -> Result<Option<SpanHits>, StoreError> {
    let needle = Needle::new(text);
    let (mut hits, mut read, mut offset) = (SpanHits::default(), 0, 0);
    loop {
        let Some(page) = store.spans(trace_id, offset, MAX_SPANS)? else {
            return Ok(None);
        };
        for row in &page.spans {
            let Some(span) = store.span(trace_id, &row.span_id)? else {
                continue;
            };
            let parts = needle
                .as_ref()
                .map(|needle| parts(&span, needle, &mut read));
            let parts = parts.unwrap_or_default();
            if parts.is_empty() {
                continue;
            }
            if hits.spans.len() as u64 == limit || read > SEARCHED_BYTES {
                return Ok(Some(hits));
            }
            hits.spans.push(SpanHit {
                span_id: row.span_id.clone(),
                parts,
            });
        }
        offset += page.spans.len() as u64;
        if page.spans.is_empty() || offset >= page.total {
            hits.complete = true;
            return Ok(Some(hits));
        }
    }
}

fn parts(span: &SpanDetail, needle: &Needle, read: &mut usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = |name: &str, has: bool| parts.extend(has.then(|| name.to_owned()));
    let name = span.row.name.as_deref();
    part("name", name.is_some_and(|name| needle.is_in(name)));
    for (name, value) in [("input", &span.input), ("output", &span.output)] {
        let value = value.as_ref().map_or("", |value| value.as_str());
        *read += value.len();
        part(name, needle.is_in_json(value));
    }
    let error = span.row.error.as_ref();
    let says = error.and_then(|error| error.message.as_deref());
    part("error", says.is_some_and(|says| needle.is_in(says)));
    let mut attributes = span.attributes.iter();
    let has = attributes.any(|(name, value)| {
        *read += value.as_str().len();
        needle.is_in(name) || needle.is_in_json(value.as_str())
    });
    part("attributes", has);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(json: &str, text: &str) -> bool {
        Needle::new(text).is_some_and(|needle| needle.is_in_json(json))
    }

    #[test]
    fn texts_are_found_as_people_read_them() {
        assert!(has(r#"{"note":"The REFUND was refused"}"#, "refund was"));
        assert!(has(r#"["say \"no\" now"]"#, "\"no\""));
        assert!(has(r#"["two\nlines"]"#, "two\nlines"));
        assert!(has(r#"["\u0442\u0435\u0441\u0442"]"#, "ТЕСТ"));
        assert!(has(r#"["退款 😀"]"#, "退款"));
        assert!(has(r#"["\ud83d\ude00"]"#, "😀"));
        assert!(!has(r#"["refund"]"#, "refunds"));
        assert!(!has("[]", "  "));
    }

    #[test]
    fn broken_escapes_hide_nothing_behind_them() {
        for broken in [r#"["\ud83d tail"]"#, r#"["\u00" tail"#, "\\", "tail\\"] {
            assert_eq!(has(broken, "tail"), broken.contains("tail"), "{broken}");
        }
    }
}
