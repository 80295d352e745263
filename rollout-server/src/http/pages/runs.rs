//! `/runs`, and below it a run: its steps, and their datapoints.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    Frame, Pages,
    facts::{self, Moment, Status},
    list::version,
    reply::{Missing, blocking, html},
};
use crate::{
    present,
    query::{
        DatapointQuery, DatapointSummary, RolloutTally, RunDetail, RunQuery, RunSummary,
        StepSummary,
    },
    store::Store,
};

/// Runs on one page.
const RUNS: u64 = 100;
/// Datapoints on one page.
const DATAPOINTS: u64 = 200;

#[derive(Deserialize)]
pub(super) struct ListAsked {
    cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct DatapointsAsked {
    step: Option<i64>,
    #[serde(default)]
    offset: u64,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    title: String,
    /// What it is called below what it is part of.
    crumb: String,
    /// What the rows are part of, with its address.
    above: Vec<(String, String)>,
    facts: Vec<facts::Fact>,
    /// What a row is, and whether it is of a run, with a phase and steps.
    heading: &'static str,
    of_runs: bool,
    of_datapoints: bool,
    rows: Vec<Row>,
    empty: &'static str,
    note: String,
    before: Option<String>,
    after: Option<String>,
}

struct Row {
    /// Another one whenever anything of the row is.
    version: String,
    name: String,
    href: String,
    phase: String,
    steps: String,
    datapoints: String,
    rollouts: String,
    rollouts_href: String,
    statuses: Vec<(Status, String, String)>,
    scores: Vec<Score>,
    tokens: String,
    cost: String,
    started: Option<Moment>,
}

struct Score {
    grader: String,
    mean: String,
    spread: String,
    title: String,
}

impl Row {
    /// A row of rollouts that have what `filter` says.
    fn of(name: String, href: String, filter: &str, tally: &RolloutTally) -> Self {
        let known = |known: Option<String>| known.unwrap_or_else(|| "–".to_owned());
        let list = |more: &str| format!("/?filter={}", facts::encoded(&format!("{filter}{more}")));
        let statuses = tally.statuses.iter().map(|(status, count)| {
            let href = list(&format!(" status:{status}"));
            (Status::of(status), present::count(*count), href)
        });
        let scores = tally.scores.iter().map(|score| Score {
            grader: score.grader.clone(),
            mean: format!("{:.3}", score.mean),
            spread: format!("{:.3}", score.stddev),
            title: format!(
                "{}: {} scores from {} to {}",
                score.grader,
                present::count(score.count),
                present::score(score.min),
                present::score(score.max)
            ),
        });
        Self {
            version: version(tally),
            name,
            href,
            phase: String::new(),
            steps: String::new(),
            datapoints: String::new(),
            rollouts: present::count(tally.rollouts),
            rollouts_href: list(""),
            statuses: statuses.collect(),
            scores: scores.collect(),
            tokens: known(present::tokens(&tally.usage).map(present::count)),
            cost: known(tally.cost_usd.map(present::cost)),
            started: tally.started_at.map(Moment::of),
        }
    }

    fn run(run: &RunSummary) -> Self {
        let id = &run.run_id;
        Self {
            version: version(run),
            phase: run.phase.clone().unwrap_or_default(),
            steps: present::count(run.step_count),
            datapoints: present::count(run.datapoint_count),
            ..Self::of(
                id.clone(),
                facts::run_href(id),
                &facts::filter("run", id),
                &run.tally,
            )
        }
    }

    fn step(run_id: &str, step: &StepSummary) -> Self {
        let run = facts::filter("run", run_id);
        let (name, href, filter) = match step.step_number {
            Some(number) => (
                number.to_string(),
                format!("{}/datapoints?step={number}", facts::run_href(run_id)),
                format!("{run} step:{number}"),
            ),
            None => (
                "no step".to_owned(),
                format!("{}/datapoints", facts::run_href(run_id)),
                run,
            ),
        };
        Self {
            version: version(step),
            datapoints: present::count(step.datapoint_count),
            ..Self::of(name, href, &filter, &step.tally)
        }
    }

    fn datapoint(filter: &str, datapoint: &DatapointSummary) -> Self {
        let id = &datapoint.datapoint_id;
        let filter = format!("{filter} {}", facts::filter("datapoint", id));
        let href = format!("/?filter={}", facts::encoded(&filter));
        Self::of(id.clone(), href, &filter, &datapoint.tally)
    }
}

/// `GET /runs`.
pub(super) async fn list(
    State(pages): State<Pages>,
    Query(asked): Query<ListAsked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || runs(&*pages.store, frame, asked)).await?;
    html(&page)
}

fn runs(store: &dyn Store, frame: Frame, asked: ListAsked) -> Result<RunsPage, Missing> {
    let found = store.runs(&RunQuery {
        limit: RUNS,
        cursor: asked.cursor.clone(),
        ..RunQuery::default()
    })?;
    Ok(RunsPage {
        frame,
        title: "Runs".to_owned(),
        crumb: String::new(),
        above: Vec::new(),
        facts: Vec::new(),
        heading: "Run",
        of_runs: true,
        of_datapoints: false,
        empty: "No rollout names a run yet.",
        note: counted(found.runs.len() as u64, "run"),
        before: asked.cursor.map(|_| "/runs".to_owned()),
        after: found
            .next_cursor
            .map(|cursor| format!("/runs?cursor={}", facts::encoded(&cursor))),
        rows: found.runs.iter().map(Row::run).collect(),
    })
}

/// `GET /runs/{run_id}`.
pub(super) async fn run(
    State(pages): State<Pages>,
    Path(run_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || {
        let run = pages.store.run(&run_id)?;
        let run = run.ok_or(Missing::Run(run_id))?;
        Ok(steps(frame, &run))
    })
    .await?;
    html(&page)
}

fn steps(frame: Frame, run: &RunDetail) -> RunsPage {
    let summary = &run.summary;
    let id = &summary.run_id;
    let rows = run.steps.iter().map(|step| Row::step(id, step));
    RunsPage {
        frame,
        title: id.clone(),
        crumb: id.clone(),
        above: vec![("Runs".to_owned(), "/runs".to_owned())],
        facts: run_facts(summary),
        heading: "Step",
        of_runs: false,
        of_datapoints: false,
        empty: "It has no rollout yet.",
        note: counted(run.steps.len() as u64, "step"),
        before: None,
        after: None,
        rows: rows.collect(),
    }
}

/// `GET /runs/{run_id}/datapoints?step=…&offset=…`.
pub(super) async fn datapoints(
    State(pages): State<Pages>,
    Path(run_id): Path<String>,
    Query(asked): Query<DatapointsAsked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || step(&*pages.store, frame, &run_id, &asked)).await?;
    html(&page)
}

fn step(
    store: &dyn Store,
    frame: Frame,
    run_id: &str,
    asked: &DatapointsAsked,
) -> Result<RunsPage, Missing> {
    let missing = || Missing::Run(run_id.to_owned());
    let found = store.datapoints(&DatapointQuery {
        run_id: run_id.to_owned(),
        step_number: asked.step,
        offset: asked.offset,
        limit: DATAPOINTS,
    })?;
    let found = found.ok_or_else(missing)?;
    let mut filter = facts::filter("run", run_id);
    let mut base = format!("{}/datapoints?", facts::run_href(run_id));
    if let Some(step) = asked.step {
        filter = format!("{filter} step:{step}");
        base = format!("{base}step={step}&");
    }
    let at = |offset: u64| format!("{base}offset={offset}");
    let end = asked.offset.saturating_add(found.datapoints.len() as u64);
    let rows = found
        .datapoints
        .iter()
        .map(|datapoint| Row::datapoint(&filter, datapoint));
    Ok(RunsPage {
        frame,
        title: match asked.step {
            Some(step) => format!("{run_id}, step {step}"),
            None => format!("{run_id}, all datapoints"),
        },
        crumb: match asked.step {
            Some(step) => format!("step {step}"),
            None => "all datapoints".to_owned(),
        },
        above: vec![
            ("Runs".to_owned(), "/runs".to_owned()),
            (run_id.to_owned(), facts::run_href(run_id)),
        ],
        facts: Vec::new(),
        heading: "Datapoint",
        of_runs: false,
        of_datapoints: true,
        empty: "It has no rollout of a datapoint.",
        note: counted(found.total, "datapoint"),
        before: (asked.offset > 0).then(|| at(asked.offset.saturating_sub(DATAPOINTS))),
        after: (end < found.total).then(|| at(end)),
        rows: rows.collect(),
    })
}

fn run_facts(run: &RunSummary) -> Vec<facts::Fact> {
    let fact = |name: &str, value: String| facts::Fact {
        name: name.to_owned(),
        value,
        href: None,
    };
    let mut found = Vec::new();
    found.extend(run.phase.clone().map(|phase| fact("phase", phase)));
    found.extend(run.project.clone().map(|project| fact("project", project)));
    found.extend(
        run.registered_at
            .map(|at| fact("registered", format!("{} UTC", present::moment(at)))),
    );
    found.push(facts::Fact {
        href: Some(facts::filter_href("run", &run.run_id)),
        ..fact("rollouts", present::count(run.tally.rollouts))
    });
    found.push(facts::Fact {
        href: Some(format!("{}/datapoints", facts::run_href(&run.run_id))),
        ..fact("datapoints", present::count(run.datapoint_count))
    });
    if run.tally.rollouts > 0 {
        found.push(fact("of them", present::statuses(&run.tally.statuses)));
    }
    if !run.tally.scores.is_empty() {
        found.push(fact("scores", present::scores(&run.tally.scores)));
    }
    let tokens = present::tokens(&run.tally.usage);
    found.extend(tokens.map(|tokens| fact("tokens", present::count(tokens))));
    found.extend(
        run.tally
            .cost_usd
            .map(|cost| fact("cost", present::cost(cost))),
    );
    found
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", present::count(count))
}
