//! Filters that cannot be read.

use std::{fmt, ops::Range};

use super::words::{KEYS, MEASURES, WordInfo};

/// A filter that cannot be read: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// What is wrong.
    pub problem: FilterProblem,
    /// The bytes of the filter that it is about.
    pub at: Range<usize>,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterProblem {
    /// No key has that name.
    UnknownKey(String),
    /// No measure has that name.
    UnknownMeasure(String),
    /// A measure with a colon: it is compared.
    NotCompared(String),
    /// A key with a comparison.
    NotMeasured(String),
    /// A key or a comparison without a value.
    NoValue(String),
    /// What should be a number is none.
    NotANumber(String),
    /// A duration without a unit, or with one that is not known.
    NotADuration(String),
    /// What should be a moment is none.
    NotAMoment(String),
    /// A quote that is never closed.
    OpenQuote,
    /// Something follows right after a closing quote.
    AfterQuote,
}

impl FilterError {
    /// The characters of the filter that it is about.
    pub fn characters(&self, filter: &str) -> Range<usize> {
        let place = |byte: usize| filter.get(..byte).unwrap_or(filter).chars().count();
        place(self.at.start)..place(self.at.end)
    }

    /// The filter with a line below it that points at what is wrong.
    pub fn under(&self, filter: &str) -> String {
        let Range {
            start: from,
            end: to,
        } = self.characters(filter);
        let line: String = filter
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        format!(
            "{line}\n{}{}",
            " ".repeat(from),
            "^".repeat(to.saturating_sub(from).max(1))
        )
    }
}

fn names(words: &[WordInfo]) -> String {
    let names = words.iter().map(|word| match word.name {
        name if name.ends_with('.') => format!("{name}NAME"),
        name => name.to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            FilterProblem::UnknownKey(name) => write!(
                f,
                "unknown filter key `{name}`; keys are {}; text with a colon stands in quotes",
                names(KEYS)
            ),
            FilterProblem::UnknownMeasure(name) => write!(
                f,
                "unknown measure `{name}`; measures are {}; text with a comparison stands in quotes",
                names(MEASURES)
            ),
            FilterProblem::NotCompared(name) => {
                write!(f, "`{name}` is a number: write `{name}>NUMBER`")
            }
            FilterProblem::NotMeasured(name) => {
                write!(f, "`{name}` is no number: write `{name}:VALUE`")
            }
            FilterProblem::NoValue(name) => {
                write!(f, "filter key `{name}` has no value: write `{name}:VALUE`")
            }
            FilterProblem::NotANumber(text) => write!(
                f,
                "`{text}` is no number: write one such as 12, 0.05, 10k or 2M"
            ),
            FilterProblem::NotADuration(text) => write!(
                f,
                "`{text}` is no duration: write a number and its unit, such as 300ms, 2s, 5m or 1h"
            ),
            FilterProblem::NotAMoment(text) => write!(
                f,
                "`{text}` is no moment: write how long ago, such as 30m, 2h or 7d, a day such as 2026-11-01, or a time \
                 such as 2026-11-01T12:00:00Z"
            ),
            FilterProblem::OpenQuote => f.write_str("a quote in the filter is never closed"),
            FilterProblem::AfterQuote => {
                f.write_str("a blank or a comma is missing after a closing quote")
            }
        }
    }
}

impl std::error::Error for FilterError {}
