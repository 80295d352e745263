//! `rollout run`: one run with its steps, or with the datapoints of one of them.

use std::io::Write;

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    query::{DatapointQuery, MAX_DATAPOINTS},
    terminal,
};

/// Show a run step by step: statuses, scores, tokens and cost
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Run {
    /// The run's id
    #[arg(value_name = "RUN")]
    id: String,
    /// Show the datapoints of this step
    #[arg(long, value_name = "NUMBER")]
    step: Option<i64>,
    /// Show the datapoints of the whole run
    #[arg(long, conflicts_with = "step")]
    datapoints: bool,
    /// How many datapoints at most
    #[arg(long, short = 'n', default_value_t = 100, value_name = "COUNT")]
    limit: u64,
    /// Print the query API's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Run {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let local = Local::open(&self.place)?;
        let unknown = || {
            let (run, dir) = (&self.id, local.place());
            Failure::told(format!(
                "no rollout in {dir} belongs to a run {run}; `rollout runs` lists them"
            ))
        };
        let run = local.store.run(&self.id)?.ok_or_else(unknown)?;
        if self.step.is_none() && !self.datapoints {
            if self.json {
                serde_json::to_writer_pretty(&mut *out, &run)?;
                writeln!(out)?;
            } else {
                terminal::write_run(out, &run)?;
            }
            return Ok(());
        }
        let query = DatapointQuery {
            run_id: self.id.clone(),
            step_number: self.step,
            offset: 0,
            limit: self.limit.clamp(1, MAX_DATAPOINTS),
        };
        let page = local.store.datapoints(&query)?.ok_or_else(unknown)?;
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &page)?;
            writeln!(out)?;
            return Ok(());
        }
        terminal::write_datapoints(out, &run.summary, &page.datapoints)?;
        let shown = page.datapoints.len() as u64;
        if shown < page.total {
            let total = page.total;
            writeln!(
                say,
                "the first {shown} of {total} datapoints: --limit N shows N"
            )?;
        }
        Ok(())
    }
}
