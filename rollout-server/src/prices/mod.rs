//! What model calls cost, by what their providers ask for them.
//!
//! The table of this program is `prices.toml` beside its sources; a user's own lie on top of it. Nothing is guessed: a
//! call has a price only where a table has one for its model and its tokens are known.

mod rates;
mod table;

use std::{fmt, path::Path, sync::Arc};

use jiff::civil::Date;
use rollout_core::event::Usage;

pub use rates::{Rates, Tier};
use table::Table;

/// The table that this program comes with.
const OURS: &str = include_str!("../../prices.toml");
/// How that is called where it is named.
const OURS_NAME: &str = "rollout's own prices.toml";

/// The file of a user's own prices, below the directory of the server.
pub const PRICES_FILE: &str = "prices.toml";

/// Tables of prices, the first of them first.
#[derive(Debug)]
pub struct Prices {
    tables: Vec<Table>,
}

/// A model call, as far as its price depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The model, as the call names it.
    pub model: &'a str,
    /// Who serves it.
    pub provider: Option<&'a str>,
    /// When it began, in nanoseconds since 1970; what is not known is as late as can be.
    pub at: Option<i64>,
}

/// The price that applies to a call.
#[derive(Debug, Clone, Copy)]
pub struct Price<'a> {
    /// What tokens cost.
    pub rates: &'a Rates,
    /// The pattern that the model's name is like.
    pub pattern: &'a str,
    /// The part of the model's name that is like it: all, or what follows the last `/`.
    pub name: &'a str,
    /// Whose calls it is for; empty where it is for everybody's.
    pub providers: &'a [String],
    /// From when on it holds.
    pub since: Option<Date>,
    /// Until before when it holds.
    pub until: Option<Date>,
    /// The file that it is from.
    pub file: &'a str,
    /// The line on which it begins there, from 1.
    pub line: usize,
    /// As of when the file's prices are.
    pub as_of: Option<Date>,
}

impl Prices {
    /// The table that this program comes with, below that of a directory, if there is one, below that of a file.
    pub fn of(dir: &Path, file: Option<&Path>) -> Result<Arc<Self>, PricesError> {
        let mut tables = Vec::new();
        if let Some(file) = file {
            tables.push(Table::read(file)?.ok_or_else(|| PricesError {
                file: file.display().to_string(),
                line: None,
                message: "there is no such file".to_owned(),
            })?);
        }
        tables.extend(Table::read(&dir.join(PRICES_FILE))?);
        tables.push(Table::parse(OURS_NAME, OURS)?);
        Ok(Arc::new(Self { tables }))
    }

    /// The price that applies to a call; `None` where no table has one.
    ///
    /// A user's table goes before ours. Within one, it is the price whose pattern says most of the name: a name as it is
    /// before one with wildcards, then the one with more letters, then one for this provider before one for everybody,
    /// then the one that stands further down. A price that names providers is for their calls, and for those of which
    /// nobody says who served them. A name that no pattern is like is looked up again without what stands before its
    /// last `/`.
    pub fn find<'a>(&'a self, call: &Call<'a>) -> Option<Price<'a>> {
        let lower = Lower::of(call);
        let short = lower
            .model
            .rsplit('/')
            .next()
            .filter(|short| short.len() < lower.model.len());
        self.tables.iter().find_map(|table| {
            let whole = table.find(&lower.model, &lower, call.at);
            let found = whole.map(|found| (found, call.model));
            let found = found.or_else(|| {
                let name = call.model.rsplit('/').next()?;
                Some((table.find(short?, &lower, call.at)?, name))
            });
            let ((entry, pattern), name) = found?;
            Some(Price {
                rates: &entry.rates,
                pattern,
                name,
                providers: &entry.providers,
                since: entry.since,
                until: entry.until,
                file: &table.name,
                line: entry.line,
                as_of: table.as_of,
            })
        })
    }

    /// What a call cost, in US dollars; `None` where there is no price for it, or it is not known how many tokens it
    /// took.
    pub fn cost(&self, call: &Call<'_>, usage: &Usage) -> Option<f64> {
        self.find(call)?.rates.cost(usage)
    }

    /// All prices, those that go first, first.
    pub fn all(&self) -> impl Iterator<Item = Price<'_>> {
        self.tables.iter().flat_map(|table| {
            table.entries().flat_map(|entry| {
                entry.patterns().map(|pattern| Price {
                    rates: &entry.rates,
                    pattern,
                    name: pattern,
                    providers: &entry.providers,
                    since: entry.since,
                    until: entry.until,
                    file: &table.name,
                    line: entry.line,
                    as_of: table.as_of,
                })
            })
        })
    }
}

/// Names in small letters, as patterns are compared with.
struct Lower {
    model: String,
    provider: Option<String>,
}

impl Lower {
    fn of(call: &Call<'_>) -> Self {
        Self {
            model: call.model.to_lowercase(),
            provider: call.provider.map(str::to_lowercase),
        }
    }
}

/// Why a table of prices cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricesError {
    file: String,
    line: Option<usize>,
    message: String,
}

impl fmt::Display for PricesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PricesError {}
