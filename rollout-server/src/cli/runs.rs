//! `rollout runs`: the runs of a directory.

use std::io::Write;

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    query::{MAX_RUNS, RunPage, RunQuery},
    terminal,
};

/// List runs with what their rollouts come to, those that began last first
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Runs {
    /// What one of their rollouts must have, such as meta.lr:0.1 score>0.5
    filter: Vec<String>,
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    limit: u64,
    /// Print the query API's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Runs {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let filter = super::ls::filter(&self.filter)?;
        let local = Local::open(&self.place)?;
        let mut found = RunPage::default();
        while (found.runs.len() as u64) < self.limit {
            let query = RunQuery {
                filter: filter.clone(),
                limit: (self.limit - found.runs.len() as u64).min(MAX_RUNS),
                cursor: found.next_cursor.take(),
            };
            let page = local.store.runs(&query)?;
            found.runs.extend(page.runs);
            found.next_cursor = page.next_cursor;
            if found.next_cursor.is_none() {
                break;
            }
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &found)?;
            writeln!(out)?;
            return Ok(());
        }
        if found.runs.is_empty() {
            let dir = local.place();
            if self.filter.is_empty() {
                writeln!(say, "no rollout in {dir} belongs to a run yet")?;
            } else {
                writeln!(say, "no run in {dir} has such a rollout")?;
            }
            return Ok(());
        }
        terminal::write_runs(out, &found.runs)?;
        if found.next_cursor.is_some() {
            writeln!(say, "there are more: --limit N lists N")?;
        }
        Ok(())
    }
}
