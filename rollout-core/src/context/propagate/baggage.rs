//! The header `baggage`, as far as it tells what we have words for: users, sessions, conversations and tags.

use std::fmt::Write as _;

use crate::capture::Words;
use crate::span::record::{Field, PutField, fields};

/// What a baggage may hold in all.
const MOST_BYTES: usize = 8192;
const MOST_MEMBERS: usize = 64;

/// Code points of an id or a tag, which is what the protocol has room for, and tags.
const MOST_CHARS: usize = 200;
const MOST_TAGS: usize = 32;

/// What settings call it, and what the header does.
const KEYS: [(&str, &str); 4] = [
    ("user_id", "user.id"),
    ("session_id", "session.id"),
    ("conversation_id", "gen_ai.conversation.id"),
    ("tags", "rollout.tags"),
];

/// What settings can name.
pub(crate) const BAGGAGE_NAMES: [&str; 4] = [KEYS[0].0, KEYS[1].0, KEYS[2].0, KEYS[3].0];

/// What may be sent and believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BaggageKeys(u8);

impl BaggageKeys {
    /// Those of these names.
    pub(crate) fn of(names: &[&'static str]) -> Self {
        let bit = |name: &&str| BAGGAGE_NAMES.iter().position(|known| known == name);
        let bits = names.iter().filter_map(bit);
        Self(bits.fold(0, |keys, bit| keys | 1 << bit))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, index: usize) -> bool {
        self.0 & 1 << index != 0
    }
}

/// Whom a trace is for, as far as that travels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// User, session and conversation.
    pub(crate) ids: [Option<String>; 3],
    pub(crate) tags: Vec<String>,
}

const FIELDS: [Field; 3] = [Field::UserId, Field::SessionId, Field::ConversationId];

impl Carried {
    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.ids.iter().all(Option::is_none)
    }

    /// What the payload of a start says.
    pub(crate) fn of_payload(payload: &[u64], keys: BaggageKeys) -> Self {
        let mut carried = Self::default();
        if keys.is_empty() {
            return carried;
        }
        let bytes: Vec<u8> = payload.iter().flat_map(|word| word.to_le_bytes()).collect();
        for (field, bytes) in fields(&bytes) {
            let text = || String::from_utf8_lossy(bytes);
            if field == Field::Tag {
                carried.tag(&text());
            } else if let Some(index) = FIELDS.iter().position(|known| *known == field) {
                carried.id(index, &text());
            }
        }
        carried.only(keys)
    }

    /// Says it in the payload of a start.
    pub(crate) fn put(&self, keys: BaggageKeys, payload: &mut Words) {
        let allowed = self.clone().only(keys);
        for (field, id) in FIELDS.into_iter().zip(&allowed.ids) {
            if let Some(id) = id {
                payload.put(field, id.as_bytes());
            }
        }
        for tag in &allowed.tags {
            payload.put(Field::Tag, tag.as_bytes());
        }
    }

    /// What this says, and then what `inner` does.
    pub(crate) fn and(mut self, inner: Self) -> Self {
        for (index, id) in inner.ids.iter().enumerate() {
            if let Some(id) = id {
                self.id(index, id);
            }
        }
        for tag in &inner.tags {
            self.tag(tag);
        }
        self
    }

    pub(crate) fn only(mut self, keys: BaggageKeys) -> Self {
        for (index, id) in self.ids.iter_mut().enumerate() {
            if !keys.has(index) {
                *id = None;
            }
        }
        if !keys.has(3) {
            self.tags.clear();
        }
        self
    }

    fn id(&mut self, index: usize, text: &str) {
        if !text.is_empty() {
            self.ids[index] = Some(cut(text));
        }
    }

    fn tag(&mut self, text: &str) {
        let tag = cut(text);
        if !tag.is_empty() && self.tags.len() < MOST_TAGS && !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
    }

    /// Reads the header, which may come in several lines. What breaks its rules is passed over.
    pub(super) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut carried = Self::default();
        for member in members(lines) {
            let Some((key, value)) = key_and_value(member) else {
                continue;
            };
            match KEYS.iter().position(|(_, known)| *known == key) {
                Some(3) => {
                    let value = decode(value);
                    match serde_json::from_str::<Vec<String>>(&value) {
                        Ok(tags) => tags.iter().for_each(|tag| carried.tag(tag)),
                        Err(_) => value.split(',').for_each(|tag| carried.tag(tag.trim())),
                    }
                }
                Some(index) => carried.id(index, &decode(value)),
                None => {}
            }
        }
        carried
    }

    /// The header with this in it, and of what it held before, what others have put there. `None` where there is
    /// nothing to say.
    pub(super) fn write<'a>(&self, before: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let others = members(before).filter(|member| {
            let key = key_and_value(member).map(|(key, _)| key);
            key.is_some_and(|key| KEYS.iter().all(|(_, known)| *known != key))
        });
        let mut ours = Vec::new();
        for ((_, key), id) in KEYS.iter().zip(&self.ids) {
            if let Some(id) = id {
                ours.push(format!("{key}={}", encode(id)));
            }
        }
        if !self.tags.is_empty() {
            let tags = serde_json::to_string(&self.tags).unwrap_or_default();
            ours.push(format!("{}={}", KEYS[3].1, encode(&tags)));
        }
        if ours.is_empty() {
            return None;
        }
        // What does not fit is left out, and the others were there first.
        let mut header = String::new();
        let all = others.map(str::to_owned).chain(ours);
        for member in all.take(MOST_MEMBERS) {
            if header.len() + 1 + member.len() <= MOST_BYTES {
                if !header.is_empty() {
                    header.push(',');
                }
                header.push_str(&member);
            }
        }
        Some(header)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

/// The members of a list within its bounds.
fn members<'a>(lines: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut left = MOST_BYTES;
    lines
        .into_iter()
        .flat_map(|line| line.split(','))
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .take(MOST_MEMBERS)
        .map_while(move |member| {
            left = left.checked_sub(member.len())?;
            Some(member)
        })
}

/// Without the properties that may come after the value.
fn key_and_value(member: &str) -> Option<(&str, &str)> {
    let entry = member.split(';').next()?;
    let (key, value) = entry.split_once('=')?;
    let (key, value) = (
        key.trim_matches([' ', '\t']),
        value.trim_matches([' ', '\t']),
    );
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!key.is_empty() && key.bytes().all(is_token)).then_some((key, value))
}

/// A text whose bytes may be written as `%` and two hex digits.
pub(crate) fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let escaped = (*first == b'%').then(|| digit(0).zip(digit(1))).flatten();
        rest = if let Some((high, low)) = escaped {
            bytes.push((high << 4 | low) as u8);
            &after[2..]
        } else {
            bytes.push(*first);
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_graphic() && !b"\",;\\%".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
