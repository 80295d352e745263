//! Prices of models, and what came of pricing anew.

use std::io::{self, Write};

use super::paint::plain;
use super::table::write_table;
use crate::{
    present,
    prices::{Price, Tier},
    query::RepricePage,
};

/// Characters of a name.
const NAME: usize = 60;

/// Dollars for a million tokens.
fn usd(rate: Option<f64>) -> String {
    rate.map(|rate| format!("${rate}")).unwrap_or_default()
}

/// Writes a line for each pattern of a model, in columns.
pub fn write_prices<'a>(
    out: &mut dyn Write,
    prices: impl Iterator<Item = Price<'a>>,
) -> io::Result<()> {
    let rows: Vec<Vec<String>> = prices
        .map(|price| {
            let rates = price.rates;
            let above = rates.above.iter().map(|tier| tier.tokens).min();
            vec![
                plain(price.pattern, NAME),
                plain(&price.providers.join(" "), NAME),
                usd(rates.input),
                usd(rates.cached),
                usd(rates.cache_write),
                usd(rates.output),
                usd(rates.reasoning),
                above.map(present::count).unwrap_or_default(),
                [price.since, price.until]
                    .map(|day| day.map(|day| day.to_string()).unwrap_or_default())
                    .join(" – ")
                    .trim_matches([' ', '–'])
                    .to_owned(),
                format!("{}:{}", plain(price.file, 200), price.line),
            ]
        })
        .collect();
    write_table(
        out,
        &[
            ("MODEL", false),
            ("PROVIDER", false),
            ("INPUT", true),
            ("CACHED", true),
            ("CACHE WRITE", true),
            ("OUTPUT", true),
            ("REASONING", true),
            ("MORE ABOVE", true),
            ("DAYS", false),
            ("FROM", false),
        ],
        &rows,
    )
}

/// Writes the price that applies to a model, and why.
pub fn write_price(out: &mut dyn Write, model: &str, price: &Price<'_>) -> io::Result<()> {
    let rates = price.rates;
    writeln!(
        out,
        "{}, US dollars for a million tokens",
        plain(model, 200)
    )?;
    let base = Tier {
        tokens: 0,
        input: rates.input,
        cached: rates.cached,
        cache_write: rates.cache_write,
        output: rates.output,
        reasoning: rates.reasoning,
    };
    for tier in std::iter::once(&base).chain(&rates.above) {
        if tier.tokens > 0 {
            writeln!(
                out,
                "above a prompt of {} tokens",
                present::count(tier.tokens)
            )?;
        }
        let named = [
            ("input", tier.input),
            ("cached", tier.cached),
            ("cache write", tier.cache_write),
            ("output", tier.output),
            ("reasoning", tier.reasoning),
        ];
        for (name, rate) in named {
            if rate.is_some() {
                writeln!(out, "  {name:11}  {}", usd(rate))?;
            }
        }
    }
    write!(
        out,
        "because `{}` is like `{}`",
        plain(price.name, 200),
        plain(price.pattern, 200)
    )?;
    if !price.providers.is_empty() {
        write!(
            out,
            ", served by {}",
            plain(&price.providers.join(" or "), 200)
        )?;
    }
    if let Some(since) = price.since {
        write!(out, ", since {since}")?;
    }
    if let Some(until) = price.until {
        write!(out, ", until before {until}")?;
    }
    write!(out, ": {} line {}", plain(price.file, 400), price.line)?;
    match price.as_of {
        Some(day) => writeln!(out, ", prices as of {day}"),
        None => writeln!(out),
    }
}

/// Writes what came of pricing traces anew.
pub fn write_repriced(out: &mut dyn Write, page: &RepricePage) -> io::Result<()> {
    let cost = |usd: Option<f64>| usd.map_or_else(|| "unpriced".to_owned(), present::cost);
    if !page.changed.is_empty() {
        let rows: Vec<Vec<String>> = page
            .changed
            .iter()
            .map(|trace| {
                vec![
                    plain(&trace.trace_id, 48),
                    plain(trace.name.as_deref().unwrap_or("–"), 40),
                    cost(trace.before_usd),
                    cost(trace.after_usd),
                ]
            })
            .collect();
        let columns = [
            ("TRACE", false),
            ("NAME", false),
            ("COST BEFORE", true),
            ("COST NOW", true),
        ];
        write_table(out, &columns, &rows)?;
    }
    writeln!(
        out,
        "{} of {} traces cost something else: {} before, {} now",
        present::count(page.changed.len() as u64),
        present::count(page.looked_at),
        present::cost(page.before_usd),
        present::cost(page.after_usd),
    )?;
    for (model, calls) in &page.unpriced {
        writeln!(
            out,
            "no price: {}, {} calls",
            plain(model, 200),
            present::count(*calls)
        )?;
    }
    Ok(())
}
