//! Numbers, durations and moments as people write them.

use std::time::Duration;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::Moment;

/// Digits, with a fraction or without, and a letter for thousands or millions: `12`, `0.05`, `10k`, `2M`.
pub(super) fn count(text: &str) -> Option<f64> {
    let (digits, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1e3),
        b'M' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    finite(decimal(digits)? * scale)
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// Only digits and a point: `f64` reads `inf` and `1e3` too, which a person hardly means.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

/// Milliseconds: `250us`, `300ms`, `2s`, `1.5m`, `1h`, `7d`.
pub(super) fn milliseconds(text: &str) -> Option<f64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let scale = match &text[unit_at..] {
        "us" | "µs" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 60e3,
        "h" => 3_600e3,
        "d" => 86_400e3,
        _ => return None,
    };
    finite(decimal(&text[..unit_at])? * scale)
}

/// What is longer ago is as long ago as that: before everything, and still a whole number in `f64`.
const LONGEST_MS: f64 = 1e15;

/// How long ago in whole milliseconds, a day in UTC, or a time with its zone.
pub(super) fn moment(text: &str) -> Option<Moment> {
    if let Some(ms) = milliseconds(text) {
        return Some(Moment::Ago(Duration::from_millis(
            ms.round().min(LONGEST_MS) as u64,
        )));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Moment::At(at));
    }
    let date: civil::Date = text.parse().ok()?;
    // `2026-11-01T12:00` would be a day as well, in whose zone nobody says.
    let zoned = (text.len() == 10).then(|| date.to_zoned(TimeZone::UTC))?;
    Some(Moment::At(zoned.ok()?.timestamp()))
}
