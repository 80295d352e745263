//! `rollout prices`: what models cost, and which entry says so.

use std::{io::Write, path::PathBuf};

use jiff::{civil::Date, tz::TimeZone};

use super::{Failure, local::Place};
use crate::{
    fold::nanoseconds,
    prices::{Call, Prices},
    terminal,
};

/// Show what a model costs and which entry of which table says so; without one, all prices
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ShowPrices {
    /// The model, as its calls name it
    model: Option<String>,
    /// Who serves it
    #[arg(long, value_name = "NAME", requires = "model")]
    provider: Option<String>,
    /// On which day, such as 2026-01-31; without one, today
    #[arg(long, value_name = "DAY", requires = "model")]
    at: Option<Date>,
    /// Prices that go before those of prices.toml in the directory, and before our own
    #[arg(long, value_name = "FILE", env = "ROLLOUT_SERVE_PRICES")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl ShowPrices {
    /// Runs the command.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let prices = Prices::of(self.place.dir(), self.prices.as_deref())
            .map_err(|error| Failure::told(error.to_string()))?;
        let Some(model) = &self.model else {
            return Ok(terminal::write_prices(out, prices.all())?);
        };
        let now = jiff::Timestamp::now();
        let at = match self.at {
            Some(day) => {
                let midnight = day.to_zoned(TimeZone::UTC);
                let midnight = midnight.map_err(|error| Failure::told(error.to_string()))?;
                midnight.timestamp()
            }
            None => now,
        };
        let call = Call {
            model,
            provider: self.provider.as_deref(),
            at: Some(nanoseconds(at)),
        };
        let price = prices.find(&call).ok_or_else(|| {
            Failure::told(format!(
                "{model}{} has no price: its calls are unpriced. Write one into {} (docs/cost.md)",
                match &self.provider {
                    Some(provider) => format!(" at {provider}"),
                    None => String::new(),
                },
                self.place.dir().join(crate::prices::PRICES_FILE).display()
            ))
        })?;
        Ok(terminal::write_price(out, model, &price)?)
    }
}
