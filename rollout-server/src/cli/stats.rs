//! `rollout stats`: what the traces of a directory come to.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Failure,
    local::{Local, Place},
    ls,
};
use crate::{
    query::{Chart, ChartBucket, ChartQuery, Filter, Key, Pattern, Term, Test, ValueQuery},
    store::Store,
    terminal::{self, StatsView},
};

/// Buckets of the sparklines.
const BUCKETS: u64 = 40;
/// What is looked at for the most frequent values: more than are shown, since a filter may turn their order around.
const CANDIDATES: u64 = 10;

/// Count traces, errors, latencies, tokens and costs, over time and by name, status and model
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Stats {
    /// What traces must have, such as since:7d model:gpt-4.1*
    filter: Vec<String>,
    /// How many names, statuses and models at most, up to 10
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(0..=10))]
    top: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// What the traces come to, as JSON.
#[derive(Serialize)]
struct Whole {
    chart: Chart,
    by: By,
}

/// The same of the most frequent values of some keys.
#[derive(Serialize)]
struct By {
    name: Vec<Of>,
    status: Vec<Of>,
    model: Vec<Of>,
}

/// What the traces of one value come to.
#[derive(Serialize)]
struct Of {
    value: String,
    #[serde(flatten)]
    total: ChartBucket,
}

impl Stats {
    /// Runs the command. `width` is that of the terminal; `say` takes what is no data.
    pub(super) fn run(
        &self,
        out: &mut dyn Write,
        say: &mut dyn Write,
        width: usize,
    ) -> Result<(), Failure> {
        let filter = ls::filter(&self.filter)?;
        let local = Local::open(&self.place)?;
        let (store, now) = (&*local.store, Timestamp::now());
        let chart = store.chart(&ChartQuery {
            filter: filter.clone(),
            buckets: BUCKETS,
            now,
        })?;
        let by = |key: Key| self.by(store, &filter, now, key);
        let by = By {
            name: by(Key::Name)?,
            status: by(Key::Status)?,
            model: by(Key::Model)?,
        };
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &Whole { chart, by })?;
            writeln!(out)?;
            return Ok(());
        }
        if chart.total.traces == 0 {
            let dir = local.place();
            if self.filter.is_empty() {
                writeln!(say, "no trace is recorded in {dir} yet")?;
            } else {
                writeln!(say, "no trace in {dir} has that")?;
            }
            return Ok(());
        }
        let group = |of: &[Of]| -> Vec<(String, ChartBucket)> {
            let of = of.iter();
            of.map(|of| (of.value.clone(), of.total.clone())).collect()
        };
        let view = StatsView {
            chart: &chart,
            groups: &[
                ("NAME", group(&by.name)),
                ("STATUS", group(&by.status)),
                ("TRACES WITH MODEL", group(&by.model)),
            ],
        };
        Ok(terminal::write_stats(out, &view, width)?)
    }

    /// What the traces of the most frequent values of a key come to, those of most traces first.
    fn by(
        &self,
        store: &dyn Store,
        filter: &Filter,
        now: Timestamp,
        key: Key,
    ) -> Result<Vec<Of>, Failure> {
        let mut found = Vec::new();
        if self.top == 0 {
            return Ok(found);
        }
        let values = store.values(&ValueQuery {
            key: key.clone(),
            prefix: String::new(),
            limit: CANDIDATES,
        })?;
        for value in values {
            let mut filter = filter.clone();
            filter.terms.push(Term {
                negated: false,
                test: Test::Is(key.clone(), vec![Pattern::Exactly(value.value.clone())]),
            });
            let chart = store.chart(&ChartQuery {
                filter,
                buckets: 1,
                now,
            })?;
            if chart.total.traces > 0 {
                found.push(Of {
                    value: value.value,
                    total: chart.total,
                });
            }
        }
        found.sort_by(|a, b| {
            let more = b.total.traces.cmp(&a.total.traces);
            more.then_with(|| a.value.cmp(&b.value))
        });
        found.truncate(self.top as usize);
        Ok(found)
    }
}
