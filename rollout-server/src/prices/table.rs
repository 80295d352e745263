//! One file of prices.

use std::{fs, io, ops::Range, path::Path};

use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, de::Error as _};
use toml::{Spanned, value::Datetime};

use super::{Lower, PricesError, Rates, Tier};
use crate::query::Pattern;

/// What a file says.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) as_of: Option<Date>,
    entries: Vec<Entry>,
}

/// One price.
#[derive(Debug)]
pub(super) struct Entry {
    models: Vec<(String, Pattern)>,
    pub(super) providers: Vec<String>,
    provider_patterns: Vec<Pattern>,
    pub(super) since: Option<Date>,
    pub(super) until: Option<Date>,
    /// The same in nanoseconds since 1970: from, and before.
    holds: Range<i64>,
    pub(super) rates: Rates,
    pub(super) line: usize,
}

impl Entry {
    /// The names that it is for, as they were written.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|(written, _)| written.as_str())
    }

    /// Whether it is for a provider's calls, and for no other's.
    fn serves(&self, provider: Option<&str>) -> Option<bool> {
        let Some(provider) = provider else {
            return Some(false);
        };
        if self.provider_patterns.is_empty() {
            return Some(false);
        }
        let own = self
            .provider_patterns
            .iter()
            .any(|pattern| pattern.matches(provider));
        own.then_some(true)
    }
}

impl Table {
    /// Reads a file; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, PricesError> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PricesError {
                file: name,
                line: None,
                message: format!("cannot be read: {error}"),
            }),
        }
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, PricesError> {
        let line = |at: usize| {
            text.as_bytes()
                .iter()
                .take(at)
                .filter(|byte| **byte == b'\n')
                .count()
                + 1
        };
        let refused = |Refused { at, message }: Refused| PricesError {
            file: name.to_owned(),
            line: Some(line(at)),
            message,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            refused(Refused {
                at: error.span().map_or(0, |span| span.start),
                message: error.message().to_owned(),
            })
        })?;
        let mut entries = Vec::with_capacity(file.price.len());
        for price in file.price {
            let at = line(price.span().start);
            entries.push(price.into_inner().checked(at).map_err(refused)?);
        }
        let as_of = file.as_of.as_ref().map(date).transpose().map_err(refused)?;
        Ok(Self {
            name: name.to_owned(),
            as_of,
            entries,
        })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The price of a model of that name, in small letters, and the pattern that it is like.
    pub(super) fn find(
        &self,
        name: &str,
        lower: &Lower,
        at: Option<i64>,
    ) -> Option<(&Entry, &str)> {
        let at = at.unwrap_or(i64::MAX - 1);
        let mut best: Option<((bool, usize, bool), &Entry, &str)> = None;
        for entry in &self.entries {
            for (written, pattern) in &entry.models {
                if !pattern.matches(name) || !entry.holds.contains(&at) {
                    continue;
                }
                let Some(own) = entry.serves(lower.provider.as_deref()) else {
                    continue;
                };
                let says = match pattern {
                    Pattern::Exactly(text) => (true, text.len(), own),
                    Pattern::Wildcard(pieces) => (false, pieces.iter().map(String::len).sum(), own),
                };
                if best.is_none_or(|(most, ..)| most <= says) {
                    best = Some((says, entry, written));
                }
            }
        }
        best.map(|(_, entry, written)| (entry, written))
    }
}

/// What is wrong with an entry, and where.
struct Refused {
    at: usize,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    as_of: Option<Spanned<Datetime>>,
    #[serde(default)]
    price: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    model: Spanned<Names>,
    provider: Option<Spanned<Names>>,
    since: Option<Spanned<Datetime>>,
    until: Option<Spanned<Datetime>>,
    input: Option<Spanned<f64>>,
    cached: Option<Spanned<f64>>,
    cache_write: Option<Spanned<f64>>,
    output: Option<Spanned<f64>>,
    reasoning: Option<Spanned<f64>>,
    #[serde(default)]
    above: Vec<RawTier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    tokens: u64,
    input: Option<Spanned<f64>>,
    cached: Option<Spanned<f64>>,
    cache_write: Option<Spanned<f64>>,
    output: Option<Spanned<f64>>,
    reasoning: Option<Spanned<f64>>,
}

/// A name, or several.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            One(String),
            Several(Vec<String>),
        }
        let names = match Either::deserialize(from) {
            Ok(Either::One(name)) => vec![name],
            Ok(Either::Several(names)) => names,
            Err(_) => return Err(D::Error::custom(NAMES)),
        };
        Ok(Self(names))
    }
}

const NAMES: &str = "names are a text or a list of texts, such as \"gpt-4.1*\" or [\"gpt-4.1\", \"gpt-4.1-20*\"]; \
     `*` stands for anything";

impl RawEntry {
    fn checked(self, line: usize) -> Result<Entry, Refused> {
        let start = self.model.span().start;
        let models = names(self.model)?;
        let providers = self.provider.map(names).transpose()?.unwrap_or_default();
        let rates = Rates {
            input: price(self.input)?,
            cached: price(self.cached)?,
            cache_write: price(self.cache_write)?,
            output: price(self.output)?,
            reasoning: price(self.reasoning)?,
            above: self
                .above
                .into_iter()
                .map(RawTier::checked)
                .collect::<Result<_, _>>()?,
        };
        if rates.input.is_none() && rates.output.is_none() {
            return Err(Refused {
                at: start,
                message: "this model has no price: `input`, `output` or both, in US dollars for a million tokens; \
                     beside them may be `cached`, `cache_write`, `reasoning` and `above`"
                    .to_owned(),
            });
        }
        let since = self.since.as_ref().map(date).transpose()?;
        let until = self.until.as_ref().map(date).transpose()?;
        if let (Some(from), Some(to), Some(said)) = (since, until, &self.until)
            && to <= from
        {
            return Err(Refused {
                at: said.span().start,
                message: format!(
                    "`until` is the first day on which it holds no more: after {from}, its `since`"
                ),
            });
        }
        Ok(Entry {
            models: models
                .into_iter()
                .map(|name| {
                    let pattern = pattern(&name);
                    (name, pattern)
                })
                .collect(),
            provider_patterns: providers.iter().map(|name| pattern(name)).collect(),
            providers,
            holds: since.map_or(i64::MIN, midnight)..until.map_or(i64::MAX, midnight),
            since,
            until,
            rates,
            line,
        })
    }
}

impl RawTier {
    fn checked(self) -> Result<Tier, Refused> {
        Ok(Tier {
            tokens: self.tokens,
            input: price(self.input)?,
            cached: price(self.cached)?,
            cache_write: price(self.cache_write)?,
            output: price(self.output)?,
            reasoning: price(self.reasoning)?,
        })
    }
}

fn names(said: Spanned<Names>) -> Result<Vec<String>, Refused> {
    let at = said.span().start;
    let Names(names) = said.into_inner();
    if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
        return Err(Refused {
            at,
            message: format!("a name is empty: {NAMES}"),
        });
    }
    Ok(names)
}

/// A name in small letters, with `*` for anything.
fn pattern(name: &str) -> Pattern {
    let lower = name.to_lowercase();
    let pieces: Vec<_> = lower.split('*').map(str::to_owned).collect();
    if pieces.len() == 1 {
        Pattern::Exactly(lower)
    } else {
        Pattern::Wildcard(pieces)
    }
}

fn price(said: Option<Spanned<f64>>) -> Result<Option<f64>, Refused> {
    let Some(said) = said else {
        return Ok(None);
    };
    let usd = *said.get_ref();
    if usd.is_finite() && usd >= 0.0 {
        return Ok(Some(usd));
    }
    Err(Refused {
        at: said.span().start,
        message: format!("{usd} is no price: US dollars for a million tokens, 0 or more"),
    })
}

fn date(said: &Spanned<Datetime>) -> Result<Date, Refused> {
    let written = said.get_ref();
    let date = written.date.filter(|_| written.time.is_none());
    let date = date.and_then(|date| {
        Date::new(
            i16::try_from(date.year).ok()?,
            i8::try_from(date.month).ok()?,
            i8::try_from(date.day).ok()?,
        )
        .ok()
    });
    date.ok_or_else(|| Refused {
        at: said.span().start,
        message: format!("{written} is no day: write it as 2026-01-31, without quotes and without a time; days are UTC's"),
    })
}

/// When a day begins, in nanoseconds since 1970.
fn midnight(date: Date) -> i64 {
    date.to_zoned(TimeZone::UTC)
        .map_or(i64::MAX, |day| crate::fold::nanoseconds(day.timestamp()))
}
