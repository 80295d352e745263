//! A captured value, read one level at a time.

use serde::{Deserializer as _, de};
use serde_json::value::RawValue;

/// One level of a JSON value. What lies below stays text until it is asked for, so that a value
/// nested to any depth, or of megabytes, costs only what is shown of it, and numbers keep every
/// digit.
#[derive(Debug)]
pub enum Json<'a> {
    /// A string, its escapes resolved.
    Text(String),
    /// A number, `true`, `false` or `null`, as written.
    Literal(&'a str),
    /// A list's items.
    List(Vec<&'a RawValue>),
    /// An object's members, in the order in which they are written.
    Object(Vec<(String, &'a RawValue)>),
    /// What Rust's strings cannot hold (a lone surrogate), as written.
    Unreadable(&'a str),
}

impl<'a> Json<'a> {
    /// Reads the outermost level of `text`, which is one JSON value.
    pub fn read(text: &'a str) -> Self {
        let text = text.trim();
        let read = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self::Text),
            Some(b'[') => serde_json::from_str(text).map(Self::List),
            Some(b'{') => serde_json::Deserializer::from_str(text)
                .deserialize_map(Members)
                .map(Self::Object),
            _ => return Self::Literal(text),
        };
        read.unwrap_or(Self::Unreadable(text))
    }

    /// The member of that name of an object; the last, where there are several.
    pub fn get(&self, name: &str) -> Option<Json<'a>> {
        self.raw(name).map(Json::read)
    }

    /// The same as it is written.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        match self {
            Self::Object(members) => members
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.get()),
            _ => None,
        }
    }

    /// The member of that name, where it is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }
}

struct Members;

impl<'de> de::Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
