//! What a captured value says, as 64 bits: the same whatever the order of an object's members and the blanks between
//! them, and whatever is volatile in it.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::volatile;

/// Levels that are read; what lies deeper is compared as it is written.
const LEVELS: usize = 100;

/// The hash of anything; never 0, which stands for nothing.
pub(super) fn of<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish().max(1)
}

/// The fingerprint of one JSON value.
pub(super) fn json(text: &str) -> u64 {
    Reader { text, at: 0 }.value(None, 0)
}

/// The fingerprint of an attribute's value.
pub(super) fn member(name: &str, text: &str) -> u64 {
    // `gen_ai.response.id` is an `id`.
    let last = name.rsplit('.').next().unwrap_or(name);
    of(&(name, Reader { text, at: 0 }.value(Some(last), 0)))
}

/// Reads text that is known to be JSON. Whatever else it may be, it comes to an end.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn next(&mut self) -> Option<u8> {
        self.blanks();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads a value that is the member `name` of an object.
    fn value(&mut self, name: Option<&str>, level: usize) -> u64 {
        match self.next() {
            Some(b'"') => {
                let text = self.string();
                let stands = name.and_then(|name| volatile::stands_for(name, &text, true));
                of(&("text", stands.unwrap_or(&text)))
            }
            Some(b'{' | b'[') if level >= LEVELS => of(&("deep", self.skip())),
            Some(b'[') => {
                let mut hasher = DefaultHasher::new();
                "list".hash(&mut hasher);
                self.at += 1;
                while self.until(b']') {
                    self.value(None, level + 1).hash(&mut hasher);
                }
                hasher.finish().max(1)
            }
            Some(b'{') => {
                let mut sum = 0_u64;
                self.at += 1;
                while self.until(b'}') {
                    let name = self.string();
                    if self.next() == Some(b':') {
                        self.at += 1;
                    }
                    let value = self.value(Some(&name), level + 1);
                    // A sum has no order.
                    sum = sum.wrapping_add(of(&(&*name, value)));
                }
                of(&("object", sum))
            }
            _ => {
                let rest = &self.text[self.at..];
                let end = rest
                    .find(|c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace())
                    .unwrap_or(rest.len());
                let literal = &rest[..end];
                self.at += end;
                let stands = name.and_then(|name| volatile::stands_for(name, literal, false));
                of(&("literal", stands.unwrap_or(literal)))
            }
        }
    }

    /// Whether another item comes before `end`; passes the comma, or the end.
    fn until(&mut self, end: u8) -> bool {
        if self.next() == Some(b',') {
            self.at += 1;
        }
        match self.next() {
            None => false,
            Some(byte) if byte == end => {
                self.at += 1;
                false
            }
            // What ends something else is no value: pass it, so that this comes to an end.
            Some(b']' | b'}' | b':' | b',') => {
                self.at += 1;
                true
            }
            Some(_) => true,
        }
    }

    /// Passes a string.
    fn string(&mut self) -> Cow<'a, str> {
        self.blanks();
        let whole = self.quoted();
        let inner = whole
            .strip_prefix('"')
            .and_then(|whole| whole.strip_suffix('"'))
            .unwrap_or(whole);
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        // A lone surrogate stays as it is written.
        serde_json::from_str::<String>(whole).map_or(Cow::Borrowed(inner), Cow::Owned)
    }

    fn quoted(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at = (self.at + 1).min(bytes.len());
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    break;
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(bytes.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// Passes a list or an object.
    fn skip(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut open = 0_usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.quoted();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        self.at += 1;
                        break;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        &self.text[start..self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_has_the_same_fingerprint() {
        for (a, b) in [
            (
                r#"{"a":1,"b":[true,"x"]}"#,
                r#" { "b" : [ true , "x" ] , "a" : 1 } "#,
            ),
            (r#""caf\u00e9""#, r#""café""#),
            (
                r#"{"id":"call_1","name":"f"}"#,
                r#"{"id":"call_2","name":"f"}"#,
            ),
            (r#"{"created":1764201600}"#, r#"{"created":1764209999}"#),
            ("[]", "[ ]"),
            ("{}", "{ }"),
        ] {
            assert_eq!(json(a), json(b), "{a} {b}");
        }
    }

    #[test]
    fn what_says_something_else_has_another() {
        let values = [
            "1",
            "1.0",
            "\"1\"",
            "[1]",
            "[1,1]",
            "[[1],1]",
            "[1,[1]]",
            "{}",
            "[]",
            "null",
            "\"\"",
            "\"null\"",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"b":1}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"[{"a":1},{"b":1}]"#,
            r#"[{"a":1,"b":1}]"#,
            r#"{"id":"A-1"}"#,
            r#"{"id":"A-2"}"#,
            r#""a\"b""#,
            r#""a\\b""#,
            "12345678901234567890123",
            "12345678901234567890124",
        ];
        for (at, a) in values.iter().enumerate() {
            for b in &values[at + 1..] {
                assert_ne!(json(a), json(b), "{a} {b}");
            }
        }
    }

    #[test]
    fn any_depth_is_read() {
        let deep = |core: &str| format!("{}{core}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(json(&deep("1")), json(&deep("1")));
        assert_ne!(json(&deep("1")), json(&deep("2")));
    }

    proptest::proptest! {
        #[test]
        fn what_is_no_json_comes_to_an_end(text in r#"[\[\]{}:,"\\ a1é]{0,40}"#) {
            json(&text);
        }
    }
}
