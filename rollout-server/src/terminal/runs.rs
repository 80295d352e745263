//! Runs, and the steps and datapoints of one.

use std::io::{self, Write};

use super::paint::{BOLD, DIM, Facts, Painted, plain};
use super::table::{Column, write_table};
use crate::{
    present,
    query::{DatapointSummary, RolloutTally, RunDetail, RunSummary},
};

/// Characters of an id.
const ID: usize = 48;

/// The columns of what rollouts come to.
const TALLY: [Column; 6] = [
    ("ROLLOUTS", true),
    ("OF THEM", false),
    ("SCORE", false),
    ("TOKENS", true),
    ("COST", true),
    ("STARTED (UTC)", false),
];

fn tally(tally: &RolloutTally) -> [String; 6] {
    [
        present::count(tally.rollouts),
        plain(&present::statuses(&tally.statuses), 120),
        plain(&present::scores(&tally.scores), 120),
        present::tokens(&tally.usage)
            .map(present::count)
            .unwrap_or_default(),
        tally.cost_usd.map(present::cost).unwrap_or_default(),
        tally.started_at.map(present::moment).unwrap_or_default(),
    ]
}

fn row<const N: usize>(first: [String; N], of: &RolloutTally) -> Vec<String> {
    first.into_iter().chain(tally(of)).collect()
}

fn columns<const N: usize>(first: [Column; N]) -> Vec<Column> {
    first.into_iter().chain(TALLY).collect()
}

/// Writes a line for each run under a line of headings, in columns.
pub fn write_runs(out: &mut dyn Write, runs: &[RunSummary]) -> io::Result<()> {
    let rows = runs.iter().map(|run| {
        let first = [
            plain(&run.run_id, ID),
            plain(run.phase.as_deref().unwrap_or("–"), 12),
            present::count(run.step_count),
            present::count(run.datapoint_count),
        ];
        row(first, &run.tally)
    });
    let columns = columns([
        ("RUN", false),
        ("PHASE", false),
        ("STEPS", true),
        ("DATAPOINTS", true),
    ]);
    write_table(out, &columns, &rows.collect::<Vec<_>>())
}

/// Writes what a run comes to, and a line for each of its steps.
pub fn write_run(out: &mut dyn Write, run: &RunDetail) -> io::Result<()> {
    head(out, &run.summary)?;
    let rows = run.steps.iter().map(|step| {
        let number = step.step_number.map(|number| number.to_string());
        let first = [
            number.unwrap_or_else(|| "–".to_owned()),
            present::count(step.datapoint_count),
        ];
        row(first, &step.tally)
    });
    let columns = columns([("STEP", true), ("DATAPOINTS", true)]);
    write_table(out, &columns, &rows.collect::<Vec<_>>())
}

/// Writes what a run comes to, and a line for each of these datapoints of it.
pub fn write_datapoints(
    out: &mut dyn Write,
    run: &RunSummary,
    datapoints: &[DatapointSummary],
) -> io::Result<()> {
    head(out, run)?;
    let rows = datapoints
        .iter()
        .map(|datapoint| row([plain(&datapoint.datapoint_id, ID)], &datapoint.tally));
    let columns = columns([("DATAPOINT", false)]);
    write_table(out, &columns, &rows.collect::<Vec<_>>())
}

fn head(out: &mut dyn Write, run: &RunSummary) -> io::Result<()> {
    let mut facts = Facts::default();
    facts.push(Painted(BOLD, plain(&run.run_id, ID)));
    facts.extend(run.phase.as_ref().map(|phase| plain(phase, 12)));
    facts.push(format_args!(
        "{} rollouts",
        present::count(run.tally.rollouts)
    ));
    facts.push(plain(&present::statuses(&run.tally.statuses), 200));
    writeln!(out, "{facts}")?;
    let mut facts = Facts::default();
    let project = run.project.as_ref();
    facts.extend(project.map(|project| format!("project {}", plain(project, ID))));
    facts.extend(
        run.registered_at
            .map(|at| format!("registered {} UTC", present::moment(at))),
    );
    facts.push(format_args!("{} steps", present::count(run.step_count)));
    facts.push(format_args!(
        "{} datapoints",
        present::count(run.datapoint_count)
    ));
    facts
        .extend(present::tokens(&run.tally.usage).map(|n| format!("{} tokens", present::count(n))));
    facts.extend(run.tally.cost_usd.map(present::cost));
    writeln!(out, "{}", Painted(DIM, facts))?;
    if !run.tally.scores.is_empty() {
        writeln!(out, "{}", plain(&present::scores(&run.tally.scores), 200))?;
    }
    writeln!(out)
}
