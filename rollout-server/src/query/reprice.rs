//! Pricing anew what is stored.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use super::Filter;
use crate::prices::Prices;

/// Which traces get their costs anew, and by which prices.
#[derive(Debug, Clone)]
pub struct RepriceQuery {
    /// What they must have.
    pub filter: Filter,
    /// The [`RepricePage::next_cursor`] of the page before.
    pub cursor: Option<String>,
    /// What models cost.
    pub prices: Arc<Prices>,
    /// Only says what would change.
    pub dry_run: bool,
}

/// What came of some of the traces.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RepricePage {
    /// How many traces were looked at.
    pub looked_at: u64,
    /// Those that cost something else now, the newest first.
    pub changed: Vec<RepricedTrace>,
    /// What all that were looked at cost before, in US dollars, and what they cost now.
    pub before_usd: f64,
    /// See [`before_usd`](Self::before_usd).
    pub after_usd: f64,
    /// Calls that have no price, by `MODEL (PROVIDER)`.
    pub unpriced: BTreeMap<String, u64>,
    /// Asks for the page after this one; absent on the last.
    pub next_cursor: Option<String>,
}

/// A trace that costs something else now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepricedTrace {
    /// Its id.
    pub trace_id: String,
    /// Its name.
    pub name: Option<String>,
    /// What it cost before, in US dollars.
    pub before_usd: Option<f64>,
    /// What it costs now.
    pub after_usd: Option<f64>,
}
