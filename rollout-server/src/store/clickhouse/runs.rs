//! Runs, their steps and datapoints: registered, and asked for.

use std::collections::BTreeMap;

use clickhouse::Row;
use rollout_core::event::Usage;
use serde::Deserialize;

use super::{
    ClickHouse,
    database::{list, quoted},
    rows::RegistryRow,
};
use crate::{
    query::{
        DatapointPage, DatapointQuery, DatapointSummary, MAX_DATAPOINTS, MAX_RUNS, RunDetail,
        RunPage, RunQuery, RunSummary, StepSummary,
    },
    store::{
        Registration, StoreError,
        sqlite::{
            list::time,
            tally::{Rollout, Sums},
        },
    },
};

/// What is known of a run beside its rollouts.
#[derive(Row, Deserialize)]
struct RunRow {
    run_id: String,
    first_at: i64,
    birth: i64,
    /// 0 where it is not registered.
    registered_at: i64,
    /// Empty where it is not known; so is the next.
    phase: String,
    project: String,
}

/// A rollout, as it is summed up.
#[derive(Row, Deserialize)]
struct RolloutRow {
    run_id: String,
    status: String,
    sort_at: i64,
    ended_at: Option<i64>,
    step_number: Option<i64>,
    datapoint_id: Option<String>,
    phase: Option<String>,
    graders: Vec<String>,
    scores: Vec<f64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    cache_creation_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cost_usd: Option<f64>,
}

const ROLLOUT: &str = "assumeNotNull(run_id) AS run_id, status, sort_at, ended_at, step_number, datapoint_id, phase,
    graders, scores, input_tokens, output_tokens, cached_tokens, cache_creation_tokens, reasoning_tokens, total_tokens,
    cost_usd";

impl RolloutRow {
    fn rollout(&self) -> Rollout {
        Rollout {
            status: self.status.clone(),
            usage: Usage {
                input_tokens: self.input_tokens,
                output_tokens: self.output_tokens,
                cached_tokens: self.cached_tokens,
                cache_creation_tokens: self.cache_creation_tokens,
                reasoning_tokens: self.reasoning_tokens,
                total_tokens: self.total_tokens,
                cost_usd: self.cost_usd,
                ..Usage::default()
            },
            started_at: self.sort_at,
            ended_at: self.ended_at,
            datapoint_id: self.datapoint_id.clone(),
        }
    }

    fn scores(&self) -> impl Iterator<Item = (&str, f64)> {
        let graders = self.graders.iter().map(String::as_str);
        graders.zip(self.scores.iter().copied())
    }
}

#[derive(Row, Deserialize)]
struct StepRow {
    run_id: String,
    step_number: i64,
    registered_at: i64,
}

/// Runs: registered, or named by a rollout.
fn all_runs(having: &str) -> String {
    format!(
        "SELECT it.run_id AS run_id, min(it.began) AS first_at, min(it.born) AS birth, max(it.at) AS registered_at,
            max(it.of) AS phase, max(it.belongs) AS project
         FROM (
            SELECT assumeNotNull(known.run_id) AS run_id, known.sort_at AS began, known.born AS born, toInt64(0) AS at,
                '' AS of, '' AS belongs
            FROM rollout_traces AS known FINAL WHERE known.run_id IS NOT NULL AND NOT known.gone
            UNION ALL
            SELECT said.id, min(said.at), min(said.at), min(said.at), argMin(said.phase, said.at),
                argMaxIf(said.belongs_to, said.at, said.belongs_to <> '')
            FROM rollout_registry AS said WHERE said.kind = 'run' GROUP BY said.id
         ) AS it GROUP BY it.run_id{having}"
    )
}

impl ClickHouse {
    /// Writes down that something is registered. Again, it changes only what is said anew.
    ///
    /// Of two servers that register a run for two phases at once, the one that came first has it, and the other one is
    /// told.
    pub(super) fn register(&self, registration: &Registration, at: i64) -> Result<(), StoreError> {
        let mut row = RegistryRow {
            kind: "run",
            id: String::new(),
            step_number: 0,
            phase: String::new(),
            belongs_to: String::new(),
            at,
        };
        match registration {
            Registration::Run {
                run_id,
                phase,
                project,
            } => {
                self.phase_is(run_id, phase)?;
                row.id.clone_from(run_id);
                row.phase.clone_from(phase);
                row.belongs_to = project.clone().unwrap_or_default();
                self.put(row)?;
                self.phase_is(run_id, phase)?;
            }
            Registration::Step {
                run_id,
                step_number,
            } => {
                if self.registered_phase(run_id)?.is_none() {
                    return Err(StoreError::Unregistered(format!(
                        "run `{run_id}` is not registered: PUT it before its steps"
                    )));
                }
                row.kind = "step";
                row.id.clone_from(run_id);
                row.step_number = *step_number;
                self.put(row)?;
            }
            Registration::Datapoint {
                datapoint_id,
                env_name,
            } => {
                row.kind = "datapoint";
                row.id.clone_from(datapoint_id);
                row.belongs_to = env_name.clone().unwrap_or_default();
                self.put(row)?;
            }
        }
        self.changed();
        Ok(())
    }

    fn put(&self, row: RegistryRow) -> Result<(), StoreError> {
        self.database.insert("rollout_registry", &[row])
    }

    fn registered_phase(&self, run_id: &str) -> Result<Option<String>, StoreError> {
        self.database.row(&format!(
            "SELECT phase FROM rollout_registry WHERE kind = 'run' AND id = {} ORDER BY at, phase LIMIT 1",
            quoted(run_id)
        ))
    }

    fn phase_is(&self, run_id: &str, phase: &str) -> Result<(), StoreError> {
        match self.registered_phase(run_id)? {
            Some(known) if known != phase => Err(StoreError::Conflict(format!(
                "run `{run_id}` is registered for `{known}`, not for `{phase}`: a run is for one phase"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn runs(&self, query: &RunQuery) -> Result<RunPage, StoreError> {
        self.settle()?;
        let limit = query.limit.clamp(1, MAX_RUNS) as usize;
        let before = match &query.cursor {
            Some(cursor) => {
                let (first_at, birth) = run_cursor(cursor).ok_or(StoreError::Cursor)?;
                format!(" HAVING (first_at, birth) < (toInt64({first_at}), toInt64({birth}))")
            }
            None => String::new(),
        };
        let mut rows: Vec<RunRow> = self.database.rows(&format!(
            "{} ORDER BY first_at DESC, birth DESC LIMIT {}",
            all_runs(&before),
            limit + 1
        ))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|last| format!("{}.{}", last.first_at, last.birth));
        let runs = self.whole(rows)?.into_iter().map(|run| run.summary);
        Ok(RunPage {
            runs: runs.collect(),
            next_cursor,
        })
    }

    pub(super) fn run_detail(&self, run_id: &str) -> Result<Option<RunDetail>, StoreError> {
        self.settle()?;
        let rows = self.run_row(run_id)?;
        Ok(self.whole(rows)?.pop())
    }

    fn run_row(&self, run_id: &str) -> Result<Vec<RunRow>, StoreError> {
        self.database
            .rows(&all_runs(&format!(" HAVING run_id = {}", quoted(run_id))))
    }

    /// Runs with all that their rollouts come to.
    fn whole(&self, rows: Vec<RunRow>) -> Result<Vec<RunDetail>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids = list(rows.iter().map(|row| row.run_id.as_str()));
        let rollouts: Vec<RolloutRow> = self.database.rows(&format!(
            "SELECT {ROLLOUT} FROM rollout_traces FINAL WHERE NOT gone AND rollout_traces.run_id IN {ids}
             ORDER BY step_number NULLS FIRST, datapoint_id NULLS FIRST, born"
        ))?;
        let steps: Vec<StepRow> = self.database.rows(&format!(
            "SELECT id AS run_id, step_number, min(at) AS registered_at FROM rollout_registry
             WHERE kind = 'step' AND id IN {ids} GROUP BY id, step_number"
        ))?;
        let mut of_run: BTreeMap<&str, Vec<&RolloutRow>> = BTreeMap::new();
        for rollout in &rollouts {
            of_run.entry(&rollout.run_id).or_default().push(rollout);
        }
        let mut registered: BTreeMap<&str, BTreeMap<i64, i64>> = BTreeMap::new();
        for step in &steps {
            let of_run = registered.entry(&step.run_id).or_default();
            of_run.insert(step.step_number, step.registered_at);
        }
        let runs = rows.into_iter().map(|row| {
            let rollouts = of_run.remove(row.run_id.as_str()).unwrap_or_default();
            let registered = registered.remove(row.run_id.as_str()).unwrap_or_default();
            detail(row, &rollouts, &registered)
        });
        Ok(runs.collect())
    }

    pub(super) fn datapoints(
        &self,
        query: &DatapointQuery,
    ) -> Result<Option<DatapointPage>, StoreError> {
        self.settle()?;
        if self.run_row(&query.run_id)?.is_empty() {
            return Ok(None);
        }
        let of_step = query
            .step_number
            .map_or_else(String::new, |step| format!(" AND step_number = {step}"));
        let of_step = format!(
            "rollout_traces FINAL WHERE NOT gone AND rollout_traces.run_id = {}{of_step} AND datapoint_id IS NOT NULL",
            quoted(&query.run_id)
        );
        let total: Option<u64> = self.database.row(&format!(
            "SELECT uniqExact(assumeNotNull(datapoint_id)) FROM {of_step}"
        ))?;
        let limit = query.limit.clamp(1, MAX_DATAPOINTS);
        let rollouts: Vec<RolloutRow> = self.database.rows(&format!(
            "SELECT {ROLLOUT} FROM {of_step} AND datapoint_id IN (
                SELECT DISTINCT datapoint_id FROM {of_step} ORDER BY datapoint_id LIMIT {limit} OFFSET {})
             ORDER BY step_number NULLS FIRST, datapoint_id NULLS FIRST, born",
            query.offset
        ))?;
        let mut found: BTreeMap<&str, Sums> = BTreeMap::new();
        for row in &rollouts {
            let sums = found
                .entry(row.datapoint_id.as_deref().unwrap_or_default())
                .or_default();
            sums.add(&row.rollout());
            for (grader, value) in row.scores() {
                sums.score(grader, value);
            }
        }
        let mut registered: BTreeMap<String, (i64, String)> = BTreeMap::new();
        if !found.is_empty() {
            let rows: Vec<(String, i64, String)> = self.database.rows(&format!(
                "SELECT id, min(at), argMaxIf(belongs_to, at, belongs_to <> '') FROM rollout_registry
                 WHERE kind = 'datapoint' AND id IN {} GROUP BY id",
                list(found.keys().copied())
            ))?;
            registered.extend(rows.into_iter().map(|(id, at, env)| (id, (at, env))));
        }
        let datapoints = found.into_iter().map(|(id, sums)| {
            let (at, env_name) = registered.remove(id).unzip();
            DatapointSummary {
                datapoint_id: id.to_owned(),
                registered_at: time(at),
                env_name: env_name.filter(|name| !name.is_empty()),
                tally: sums.tally(),
            }
        });
        Ok(Some(DatapointPage {
            total: total.unwrap_or(0),
            datapoints: datapoints.collect(),
        }))
    }
}

fn detail(row: RunRow, rollouts: &[&RolloutRow], registered: &BTreeMap<i64, i64>) -> RunDetail {
    let mut all = Sums::default();
    let mut steps: BTreeMap<Option<i64>, Sums> = BTreeMap::new();
    let mut phases: Vec<&str> = Vec::new();
    for rollout in rollouts {
        let of_step = steps.entry(rollout.step_number).or_default();
        for sums in [&mut all, of_step] {
            sums.add(&rollout.rollout());
            for (grader, value) in rollout.scores() {
                sums.score(grader, value);
            }
        }
        let phase = rollout.phase.as_deref();
        phases.extend(phase.filter(|phase| !phases.contains(phase)));
    }
    for step in registered.keys() {
        steps.entry(Some(*step)).or_default();
    }
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let phase = filled(row.phase).or_else(|| match phases[..] {
        [only] => Some(only.to_owned()),
        _ => None,
    });
    RunDetail {
        summary: RunSummary {
            run_id: row.run_id,
            phase,
            project: filled(row.project),
            registered_at: time(Some(row.registered_at).filter(|at| *at != 0)),
            step_count: steps.keys().flatten().count() as u64,
            datapoint_count: all.datapoint_count(),
            tally: all.tally(),
        },
        steps: steps
            .into_iter()
            .map(|(step_number, sums)| StepSummary {
                step_number,
                registered_at: time(step_number.and_then(|step| registered.get(&step).copied())),
                datapoint_count: sums.datapoint_count(),
                tally: sums.tally(),
            })
            .collect(),
    }
}

fn run_cursor(cursor: &str) -> Option<(i64, i64)> {
    let (first_at, birth) = cursor.split_once('.')?;
    Some((first_at.parse().ok()?, birth.parse().ok()?))
}
