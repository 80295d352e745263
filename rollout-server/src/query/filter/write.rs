//! From a filter to text.

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};

use super::{Filter, Key, Measure, Moment, Pattern, Term, Test, words};

impl fmt::Display for Filter {
    /// Writes the filter so that it reads as the same one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, term) in self.terms.iter().enumerate() {
            if nth > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        match &self.test {
            Test::Is(key, any_of) => {
                write!(f, "{key}:")?;
                for (nth, pattern) in any_of.iter().enumerate() {
                    if nth > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{pattern}")?;
                }
                Ok(())
            }
            Test::Measures(measure, comparison, number) => {
                write!(f, "{measure}{}{number}", comparison.symbol())?;
                match measure {
                    Measure::Duration => f.write_str("ms"),
                    _ => Ok(()),
                }
            }
            Test::Since(moment) => write!(f, "since:{moment}"),
            Test::Until(moment) => write!(f, "until:{moment}"),
            Test::Contains(text) => f.write_str(&in_quotes(text)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta(name) => write!(f, "meta.{name}"),
            key => f.write_str(words::name_of_key(key)),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Score(Some(grader)) => write!(f, "score.{grader}"),
            measure => f.write_str(words::name_of_measure(measure)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(text) => f.write_str(&quoted(text)),
            // Pieces come out of a word: there is nothing in them that needs quotes.
            Self::Wildcard(pieces) => f.write_str(&pieces.join("*")),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) if is_midnight(*at) => write!(f, "{}", at.to_zoned(TimeZone::UTC).date()),
            Self::At(at) => write!(f, "{at}"),
            Self::Ago(age) => match age.as_millis() {
                0 => f.write_str("0s"),
                ms if ms % 86_400_000 == 0 => write!(f, "{}d", ms / 86_400_000),
                ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
                ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
                ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
                ms => write!(f, "{ms}ms"),
            },
        }
    }
}

/// Whether a day alone says the moment.
fn is_midnight(at: Timestamp) -> bool {
    let zoned = at.to_zoned(TimeZone::UTC);
    zoned.time() == jiff::civil::Time::midnight() && zoned.year() >= 0
}

/// A value as a filter writes it: in quotes where it would be read as something else without.
pub(crate) fn quoted(value: &str) -> String {
    let plain = !value.is_empty()
        && !value.starts_with('"')
        && !value.contains(|c: char| c.is_whitespace() || c == ',' || c == '*');
    if plain {
        return value.to_owned();
    }
    in_quotes(value)
}

fn in_quotes(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
