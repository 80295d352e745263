//! `rollout reprice`: what stored traces cost by today's prices.

use std::{io::Write, path::PathBuf};

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    prices::Prices,
    query::{RepricePage, RepriceQuery},
    terminal,
};

/// Work out anew what stored traces cost, by the prices of today's tables
///
/// What programs and providers have reported stays. Runs beside a server on the same directory.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Reprice {
    /// Which traces, such as since:7d model:gpt-4.1*; without one, all
    filter: Vec<String>,
    /// Change nothing, only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Prices that go before those of prices.toml in the directory, and before our own
    #[arg(long, value_name = "FILE", env = "ROLLOUT_SERVE_PRICES")]
    prices: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Reprice {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let prices = Prices::of(self.place.dir(), self.prices.as_deref());
        let mut query = RepriceQuery {
            filter: super::ls::filter(&self.filter)?,
            cursor: None,
            prices: prices.map_err(|error| Failure::told(error.to_string()))?,
            dry_run: self.dry_run,
        };
        let local = Local::open(&self.place)?;
        let mut all = RepricePage::default();
        loop {
            let page = local.store.reprice(&query)?;
            all.looked_at += page.looked_at;
            all.before_usd += page.before_usd;
            all.after_usd += page.after_usd;
            all.changed.extend(page.changed);
            for (model, calls) in page.unpriced {
                *all.unpriced.entry(model).or_default() += calls;
            }
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)?;
        } else {
            terminal::write_repriced(out, &all)?;
        }
        if self.dry_run {
            writeln!(say, "nothing is written: this was a dry run")?;
        }
        Ok(())
    }
}
