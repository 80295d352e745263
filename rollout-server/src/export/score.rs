//! How good a trace has to be.

use std::str::FromStr;

use crate::query::ScoreRow;

/// The least score that is enough: of one grader, or of every one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    grader: Option<String>,
    least: f64,
}

impl FromStr for Threshold {
    type Err = String;

    /// Reads `0.5` or `GRADER=0.5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (grader, number) = match text.rsplit_once('=') {
            Some((grader, number)) => (Some(grader.to_owned()), number),
            None => (None, text),
        };
        let least = number.parse().ok().filter(|least: &f64| least.is_finite());
        Ok(Self {
            grader,
            least: least
                .ok_or_else(|| format!("`{number}` is no number: write SCORE or GRADER=SCORE"))?,
        })
    }
}

/// Whether a trace has scores, and all that are asked for are enough.
pub(crate) fn reaches(scores: &[ScoreRow], thresholds: &[Threshold]) -> bool {
    thresholds.iter().all(|threshold| {
        let mut asked = scores.iter().filter(|score| {
            let grader = threshold.grader.as_ref();
            grader.is_none_or(|grader| *grader == score.grader)
        });
        let first = asked.next();
        first.is_some_and(|first| {
            std::iter::once(first)
                .chain(asked)
                .all(|score| score.value >= threshold.least)
        })
    })
}
