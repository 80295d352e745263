//! What goes to exporters of the traces that are recorded.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A rule by which an exporter gets a trace, whatever its sample rate: see
/// [`Builder::export_keep`](crate::Builder::export_keep).
///
/// As text, in settings: `failed`, `slow:5s`, `cost:0.05`, `scored`, `scored:0.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Keep {
    /// Anything in it failed: a span, a tool call, the trace itself, or its process, which has ended before it did.
    Failed,
    /// It took at least so long.
    Slow(Duration),
    /// It has cost at least so many US dollars, as far as that is reported: prices are not looked up here.
    Cost(f64),
    /// Somebody has judged it while it ran: feedback or the result of an evaluation.
    Scored,
    /// The same with a number of at most this much; `false` counts as 0, `true` as 1.
    ScoredAtMost(f64),
}

/// What is allowed, for messages.
pub(super) const ALLOWED: &str = "none, or a list, with commas, of failed, slow:SECONDS (5, 5s, 200ms or 2m), cost:USD, scored, scored:AT_MOST";

impl FromStr for Keep {
    type Err = ParseKeepError;

    fn from_str(text: &str) -> Result<Self, ParseKeepError> {
        let (rule, value) = match text.split_once(':') {
            Some((rule, value)) => (rule.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let keep = match (rule, value) {
            ("failed", None) => Some(Self::Failed),
            ("slow", Some(value)) => duration(value).map(Self::Slow),
            ("cost", Some(value)) => number(value).filter(|usd| *usd >= 0.0).map(Self::Cost),
            ("scored", None) => Some(Self::Scored),
            ("scored", Some(value)) => number(value).map(Self::ScoredAtMost),
            _ => None,
        };
        keep.ok_or(ParseKeepError(()))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("failed"),
            Self::Slow(least) => write!(f, "slow:{}", least.as_secs_f64()),
            Self::Cost(least) => write!(f, "cost:{least}"),
            Self::Scored => f.write_str("scored"),
            Self::ScoredAtMost(most) => write!(f, "scored:{most}"),
        }
    }
}

/// A text is no rule of [`Keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseKeepError(());

impl fmt::Display for ParseKeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "allowed: {ALLOWED}")
    }
}

impl std::error::Error for ParseKeepError {}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds, or a number with its unit.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = [("ms", 0.001), ("s", 1.0), ("m", 60.0)]
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), unit)))
        .unwrap_or((text, 1.0));
    Duration::try_from_secs_f64(number(digits)? * unit).ok()
}

/// The rules of a list with commas.
pub(super) fn rules(text: &str) -> Option<Vec<Keep>> {
    let mut rules = Vec::new();
    if text == "none" {
        return Some(rules);
    }
    for rule in text.split(',').map(str::trim).filter(|r| !r.is_empty()) {
        let rule = rule.parse().ok()?;
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Some(rules)
}

/// The share of traces that goes to exporters: one for all, and those of single ones.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExportRates {
    all: f64,
    of: Vec<(String, f64)>,
}

/// What is allowed, for messages.
pub(super) const RATES_ALLOWED: &str =
    "a number from 0 to 1, and exporters with such a number, with commas: 0.1,langfuse=1";

impl ExportRates {
    /// All of it, to everybody.
    pub(super) fn everything() -> Self {
        Self {
            all: 1.0,
            of: Vec::new(),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let rate = |text: &str| number(text.trim()).filter(|rate| (0.0..=1.0).contains(rate));
        let mut all = None;
        let mut of: Vec<(String, f64)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let Some((name, text)) = part.split_once('=') else {
                if all.replace(rate(part)?).is_some() {
                    return None;
                }
                continue;
            };
            let name = name.trim();
            if name.is_empty() || of.iter().any(|(known, _)| known == name) {
                return None;
            }
            of.push((name.to_owned(), rate(text)?));
        }
        Some(Self {
            all: all.unwrap_or(1.0),
            of,
        })
    }

    pub(super) fn of(&self, exporter: &str) -> f64 {
        let own = self.of.iter().find(|(name, _)| name == exporter);
        own.map_or(self.all, |(_, rate)| *rate)
    }
}
