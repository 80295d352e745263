//! `rollout diff`: how two traces differ.

use std::{io::Write, process::ExitCode};

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    compare::{CompareQuery, Comparison, MAX_ROWS, StepDiff},
    terminal::{self, DiffView},
};

/// Compare two traces, step by step: what was added, removed and changed, and where they part
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Exit code: 0 if nothing differs that counts, 1 if something does, 2 on failure.\n\
    Ids, times, tokens and costs do not count; docs/compare.md lists what does not."
)]
pub(super) struct Diff {
    /// The first trace: its id or your own, the beginning of its id, or `last`
    #[arg(value_name = "A")]
    a: String,
    /// The second trace
    #[arg(value_name = "B")]
    b: String,
    /// Show the text diffs of every step that differs, not only of the first
    #[arg(long)]
    all: bool,
    /// How many steps at most
    #[arg(long, short = 'n', default_value_t = 200, value_name = "COUNT")]
    limit: u64,
    /// Print the comparison as JSON, as the API gives it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Steps of which all are shown, differing or not.
const SMALL: usize = 40;

impl Diff {
    /// Runs the command; `same` is told the answer before anything is written. `width` is that of the terminal; `say`
    /// takes what is no data.
    pub(super) fn run(
        &self,
        out: &mut dyn Write,
        say: &mut dyn Write,
        width: usize,
        same: &mut bool,
    ) -> Result<(), Failure> {
        let local = Local::open(&self.place)?;
        let store = &*local.store;
        let (a, b) = (local.find(&self.a)?, local.find(&self.b)?);
        let (a, b) = (&a.summary.trace_id, &b.summary.trace_id);
        let comparison = Comparison::read(store, a, b)?
            .map_err(|id| Failure::told(format!("the trace {id} has just been removed")))?;
        *same = comparison.same();
        if self.json {
            return self.json(out, &local, &comparison);
        }
        let numbers = self.numbers(&comparison);
        let mut rows = comparison.rows(store, &numbers)?;
        let left_out = numbers.len().saturating_sub(self.limit as usize);
        rows.truncate(self.limit as usize);
        let mut diffs: Vec<(Option<usize>, StepDiff)> = Vec::new();
        let mut add = |row: Option<usize>| -> Result<(), Failure> {
            diffs.extend(comparison.diff(store, row)?.map(|diff| (row, diff)));
            Ok(())
        };
        if self.all {
            if !comparison.whole.is_empty() {
                add(None)?;
            }
            for row in rows.iter().map(|row| row.row) {
                if comparison.rows[row].change() != crate::compare::Change::Unchanged {
                    add(Some(row))?;
                }
            }
        } else if let Some(first) = comparison.first {
            add(first.row)?;
        }
        let view = DiffView {
            comparison: &comparison,
            rows: &rows,
            diffs: &diffs,
        };
        terminal::write_diff(out, &view, width)?;
        if left_out > 0 {
            writeln!(
                say,
                "{left_out} more steps are not shown: --limit N shows N"
            )?;
        }
        Ok(())
    }

    /// The rows to show: of small traces all, of others those that differ and those around them.
    fn numbers(&self, comparison: &Comparison) -> Vec<usize> {
        if comparison.rows.len() <= SMALL {
            (0..comparison.rows.len()).collect()
        } else {
            comparison.differing()
        }
    }

    fn json(
        &self,
        out: &mut dyn Write,
        local: &Local,
        comparison: &Comparison,
    ) -> Result<(), Failure> {
        let store = &*local.store;
        let mut query = CompareQuery {
            only_differences: false,
            offset: 0,
            limit: MAX_ROWS,
        };
        let mut report = comparison.report(store, query)?;
        while let Some(offset) = report.next_offset {
            query.offset = offset;
            let page = comparison.report(store, query)?;
            report.next_offset = page.next_offset;
            report.rows.extend(page.rows);
        }
        if let Some(first) = comparison.first {
            report.diff = comparison.diff(store, first.row)?;
        }
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        Ok(())
    }
}

/// The code that the command ends with, as that of `diff`.
pub(super) fn code(same: bool, failed: bool) -> ExitCode {
    ExitCode::from(match (failed, same) {
        (true, _) => 2,
        (false, false) => 1,
        (false, true) => 0,
    })
}
