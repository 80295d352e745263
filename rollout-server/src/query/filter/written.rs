//! A filter that is being written: where its end stands.

use super::parse::closing_quote;

/// The end of a filter that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written<'a> {
    /// What the last name, or value, is until now.
    pub(crate) word: &'a str,
    /// What that is.
    pub(crate) place: Place<'a>,
}

/// What is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// The name of a key or a measure, unless it is text.
    Name,
    /// A value of a key.
    Value {
        /// The key.
        key: &'a str,
        /// The values before it, with a comma behind each.
        others: &'a str,
    },
    /// Something that nobody can know: text in quotes, a number, what is done.
    Other,
}

impl<'a> Written<'a> {
    /// Reads what stands before the caret.
    pub(crate) fn of(before: &'a str) -> Self {
        let mut rest = before;
        loop {
            rest = rest.trim_start();
            match term(rest) {
                Ok(after) => rest = after,
                Err(written) => return written,
            }
        }
    }
}

/// What comes behind a term that is done, or where the end stands in one that is not.
fn term(text: &str) -> Result<&str, Written<'_>> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let end = text
        .find(|c: char| c.is_whitespace() || "\":<>=".contains(c))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let other = |word| {
        Err(Written {
            word,
            place: Place::Other,
        })
    };
    if name.is_empty() && rest.starts_with('"') {
        return match closing_quote(&rest[1..]) {
            Some(length) => match &rest[length + 2..] {
                "" => other(""),
                rest => Ok(rest),
            },
            None => other(rest),
        };
    }
    if rest.is_empty() {
        return Err(Written {
            word: name,
            place: Place::Name,
        });
    }
    let Some(values) = rest.strip_prefix(':') else {
        return match rest.find(char::is_whitespace) {
            Some(end) => Ok(&rest[end..]),
            None => other(rest.trim_start_matches(['<', '>', '='])),
        };
    };
    let mut value = values;
    loop {
        let others = &values[..values.len() - value.len()];
        let after = match value.strip_prefix('"') {
            Some(quoted) => closing_quote(quoted).map(|length| length + 2),
            None => value.find(|c: char| c.is_whitespace() || c == ','),
        };
        let Some(after) = after else {
            return Err(Written {
                word: value,
                place: Place::Value { key: name, others },
            });
        };
        value = &value[after..];
        match value.strip_prefix(',') {
            Some(next) => value = next,
            None if value.is_empty() => return other(""),
            None => return Ok(value),
        }
    }
}
