//! JSON that is carried as it was written.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// One JSON value as text, never parsed on its way.
///
/// It may nest to any depth and hold what Rust's strings cannot (escaped lone surrogates).
#[derive(Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Takes text that is one JSON value; fails on anything else.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// Writes a value as JSON; fails where its `Serialize` does.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
}

/// A JSON object as text, never parsed on its way.
#[derive(Clone, PartialEq)]
pub struct RawObject(RawJson);

impl RawObject {
    /// Takes text that is one JSON object; fails on anything else.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawJson::parse(text).and_then(Self::checked)
    }

    /// Writes a value as JSON; fails where its `Serialize` does, or if it is no object.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        RawJson::of(value).and_then(Self::checked)
    }

    fn checked<E: de::Error>(json: RawJson) -> Result<Self, E> {
        if json.as_str().starts_with('{') {
            Ok(Self(json))
        } else {
            Err(E::custom("expected an object"))
        }
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the object has no member.
    pub fn is_empty(&self) -> bool {
        self.as_str()[1..].trim_start().starts_with('}')
    }

    /// The members in the order in which they are written, each value as its JSON text; of two
    /// members of one name, both. A name that is no valid text (a lone surrogate) ends the list.
    pub fn members(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        let mut deserializer = serde_json::Deserializer::from_str(self.as_str());
        deserializer.deserialize_map(Members).unwrap_or_default()
    }
}

struct Members;

impl<'de> de::Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Ok(Some(Name(name))) = map.next_key() {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

/// A member's name, borrowed where it is written without escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> de::Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl From<Box<RawValue>> for RawJson {
    fn from(value: Box<RawValue>) -> Self {
        Self(value)
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawJson::deserialize(deserializer).and_then(Self::checked)
    }
}
