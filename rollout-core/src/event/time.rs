//! Points in time as the protocol writes them: RFC 3339, UTC, six digits of a second.

use std::{borrow::Cow, fmt};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serializer, de};

/// Reads a time of the protocol: RFC 3339, with any offset, or without one (UTC then).
///
/// Fails on anything else, and on years that [`Timestamp`] cannot hold.
pub fn parse_time(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse::<Timestamp>()
        .or_else(|error| match text.parse::<DateTime>() {
            Ok(civil) => Ok(civil.to_zoned(TimeZone::UTC)?.timestamp()),
            Err(_) => Err(error),
        })
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(super) fn serialize<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => required::serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Option::<Cow<'de, str>>::deserialize(deserializer)?
        .map(|text| parse(&text))
        .transpose()
}

fn parse<E: de::Error>(text: &str) -> Result<Timestamp, E> {
    parse_time(text)
        .map_err(|error| E::custom(format_args!("`{text}` is no RFC 3339 time: {error}")))
}

/// A time that must be there.
pub(super) mod required {
    use super::{Cow, Deserialize, Deserializer, Serializer, Timestamp, Written, parse};

    pub(in crate::event) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Written(*time))
    }

    pub(in crate::event) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        parse(&Cow::<'de, str>::deserialize(deserializer)?)
    }
}

struct Written(Timestamp);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}
