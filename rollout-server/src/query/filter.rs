//! The language of filters: `status:error user:"cus 1" refund`.

use std::fmt;

/// What a trace must have to be listed; all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The conditions, in the order in which they were written.
    pub conditions: Vec<Condition>,
}

/// One condition: a key and what its value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub key: Key,
    /// What it must be; for [`Key::Text`], what it must contain.
    pub value: String,
}

macro_rules! keys {
    ($($variant:ident = $($name:literal)|+: $doc:literal,)*) => {
        /// What a condition looks at.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Key {
            $(#[doc = $doc] $variant,)*
            /// An entry of its metadata, or another attribute, of this name. Written `meta.NAME`.
            Meta(Box<str>),
            /// The trace's name contains the words, in any case. Written without a key.
            Text,
        }

        /// The names of the keys.
        pub const KEYS: &[&str] = &[$($($name),+,)* "meta.NAME"];

        fn key(name: &str) -> Option<Key> {
            match name {
                $($($name)|+ => Some(Key::$variant),)*
                _ => name
                    .strip_prefix("meta.")
                    .filter(|name| !name.is_empty())
                    .map(|name| Key::Meta(name.into())),
            }
        }
    };
}

keys! {
    Status = "status": "The trace's status.",
    Name = "name": "The trace's name.",
    Type = "type": "The type of one of its spans.",
    User = "user": "Its user.",
    Session = "session": "Its session.",
    Conversation = "conversation": "Its conversation.",
    Tag = "tag": "One of its tags.",
    Model = "model": "The model of one of its spans.",
    Agent = "agent": "The agent's configured name.",
    Run = "run": "The run that it belongs to.",
    Phase = "phase": "What it is for: `train`, `eval` or `prod`.",
    Step = "step": "The step of its run.",
    Datapoint = "datapoint": "The id of its input.",
    Env = "env": "Its environment.",
    Grader = "grader": "A grader that has scored it.",
    Group = "group": "The group that it is one sample of.",
}

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// No key has that name.
    UnknownKey(String),
    /// A key without a value.
    NoValue(String),
    /// A quote that is never closed.
    OpenQuote,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(name) => {
                write!(
                    f,
                    "unknown filter key `{name}`; keys are {}",
                    KEYS.join(", ")
                )
            }
            Self::NoValue(name) => {
                write!(f, "filter key `{name}` has no value: write `{name}:VALUE`")
            }
            Self::OpenQuote => f.write_str("a quote in the filter is never closed"),
        }
    }
}

impl std::error::Error for FilterError {}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    /// Reads words apart by blanks: `key:value`, or plain text; a value or text with blanks
    /// stands in double quotes.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut conditions = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (condition, after) = condition(rest)?;
            conditions.push(condition);
            rest = after.trim_start();
        }
        Ok(Self { conditions })
    }
}

fn condition(text: &str) -> Result<(Condition, &str), FilterError> {
    let word_end = text
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(text.len());
    let Some(colon) = text[..word_end].find(':') else {
        let (value, rest) = value(text)?;
        return Ok((
            Condition {
                key: Key::Text,
                value,
            },
            rest,
        ));
    };
    let name = &text[..colon];
    let key = key(name).ok_or_else(|| FilterError::UnknownKey(name.to_owned()))?;
    let (value, rest) = value(&text[colon + 1..])?;
    if value.is_empty() {
        return Err(FilterError::NoValue(name.to_owned()));
    }
    Ok((Condition { key, value }, rest))
}

/// The quoted or plain word at the start, and what comes after it.
fn value(text: &str) -> Result<(String, &str), FilterError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"').ok_or(FilterError::OpenQuote)?;
        return Ok((value.to_owned(), rest));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    Ok((text[..end].to_owned(), &text[end..]))
}
