//! Runs, their steps and datapoints: registered, and asked for.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    dictionary::{self, Facet},
    facts,
    list::{cursor, parse_cursor, time},
    matcher::{Matcher, Outcome},
    save::json,
    tally::{Rollout, Sums},
};
use crate::{
    query::{
        DatapointPage, DatapointQuery, DatapointSummary, Filter, MAX_DATAPOINTS, MAX_RUNS,
        RunDetail, RunPage, RunQuery, RunSummary, StepSummary,
    },
    store::{Registration, StoreError},
};

/// Writes down that something is registered. Again, it changes only what is said anew.
pub(super) fn register(
    connection: &Connection,
    registration: &Registration,
    now: i64,
) -> Result<(), StoreError> {
    match registration {
        Registration::Run {
            run_id,
            phase,
            project,
        } => {
            let known: Option<Option<String>> = connection
                .prepare_cached("SELECT phase FROM runs WHERE run_id = ?1")?
                .query_row([run_id], |row| row.get(0))
                .optional()?;
            if let Some(Some(known)) = known
                && known != *phase
            {
                return Err(StoreError::Conflict(format!(
                    "run `{run_id}` is registered for `{known}`, not for `{phase}`: a run is for one phase"
                )));
            }
            connection
                .prepare_cached(
                    "INSERT INTO runs (run_id, first_at, registered_at, phase, project)
                     VALUES (?1, ?2, ?2, ?3, ?4) ON CONFLICT (run_id) DO UPDATE SET
                        registered_at = coalesce(registered_at, excluded.registered_at),
                        phase = excluded.phase, project = coalesce(excluded.project, project)",
                )?
                .execute(params![run_id, now, phase, project])?;
        }
        Registration::Step {
            run_id,
            step_number,
        } => {
            let run: Option<(i64, Option<String>)> = connection
                .prepare_cached(
                    "SELECT id, phase FROM runs WHERE run_id = ?1 AND registered_at IS NOT NULL",
                )?
                .query_row([run_id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((run, _)) = run else {
                return Err(StoreError::Unregistered(format!(
                    "run `{run_id}` is not registered: PUT it before its steps"
                )));
            };
            connection
                .prepare_cached("INSERT OR IGNORE INTO run_steps VALUES (?1, ?2, ?3)")?
                .execute(params![run, step_number, now])?;
        }
        Registration::Datapoint {
            datapoint_id,
            env_name,
        } => {
            connection
                .prepare_cached(
                    "INSERT INTO datapoints (datapoint_id, registered_at, env_name) VALUES (?1, ?2, ?3)
                     ON CONFLICT (datapoint_id) DO UPDATE SET env_name = coalesce(excluded.env_name, env_name)",
                )?
                .execute(params![datapoint_id, now, env_name])?;
        }
    }
    Ok(())
}

/// A rollout names a run.
pub(super) fn named(connection: &Connection, run_id: &str, at: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO runs (run_id, first_at) VALUES (?1, ?2) ON CONFLICT (run_id)
             DO UPDATE SET first_at = excluded.first_at WHERE excluded.first_at < first_at",
        )?
        .execute(params![run_id, at])?;
    Ok(())
}

/// What is known of a run beside its rollouts.
struct RunRow {
    id: i64,
    first_at: i64,
    run_id: String,
    registered_at: Option<i64>,
    phase: Option<String>,
    project: Option<String>,
}

const RUN: &str = "id, first_at, run_id, registered_at, phase, project";

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: row.get(0)?,
        first_at: row.get(1)?,
        run_id: row.get(2)?,
        registered_at: row.get(3)?,
        phase: row.get(4)?,
        project: row.get(5)?,
    })
}

pub(super) fn runs(connection: &Connection, query: &RunQuery) -> Result<RunPage, StoreError> {
    let (first_at, id) = match &query.cursor {
        Some(cursor) => parse_cursor(cursor).ok_or(StoreError::Cursor)?,
        None => (i64::MAX, i64::MAX),
    };
    let limit = query.limit.clamp(1, MAX_RUNS) as usize;
    let passing = passing(connection, &query.filter)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {RUN} FROM runs WHERE (first_at, id) < (?1, ?2) ORDER BY first_at DESC, id DESC"
    ))?;
    let mut found = statement.query(params![first_at, id])?;
    let mut rows = Vec::new();
    // One more than asked for tells whether there is another page.
    while rows.len() <= limit
        && let Some(row) = found.next()?
    {
        let row = run_row(row)?;
        if passing.as_ref().is_none_or(|ids| ids.contains(&row.run_id)) {
            rows.push(row);
        }
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next_cursor = last.map(|last| cursor((last.first_at, last.id)));
    let runs = rows.into_iter().map(|row| {
        let whole = whole(connection, row)?;
        Ok(whole.summary)
    });
    Ok(RunPage {
        runs: runs.collect::<Result<_, StoreError>>()?,
        next_cursor,
    })
}

/// The ids of the runs that have a rollout which passes; `None` where every run does.
fn passing(
    connection: &Connection,
    filter: &Filter,
) -> Result<Option<HashSet<String>>, StoreError> {
    if filter.terms.is_empty() {
        return Ok(None);
    }
    let mut matcher = Matcher::of(connection, filter, Timestamp::now())?;
    matcher.settle()?;
    let mut codes = HashSet::new();
    facts::each(connection, |facts| {
        if let Some(run) = facts.value(Facet::Run)
            && !codes.contains(&run)
            && matcher.test(facts)? == Outcome::Yes
        {
            codes.insert(run);
        }
        Ok(())
    })?;
    let mut ids = HashSet::with_capacity(codes.len());
    for code in codes {
        let text = dictionary::text(connection, dictionary::number(code))?;
        ids.extend(text.map(|(_, id)| id));
    }
    Ok(Some(ids))
}

pub(super) fn run(connection: &Connection, run_id: &str) -> Result<Option<RunDetail>, StoreError> {
    let row = connection
        .prepare_cached(&format!("SELECT {RUN} FROM runs WHERE run_id = ?1"))?
        .query_row([run_id], run_row)
        .optional()?;
    row.map(|row| whole(connection, row)).transpose()
}

/// A run with all that its rollouts come to.
fn whole(connection: &Connection, row: RunRow) -> Result<RunDetail, StoreError> {
    let mut all = Sums::default();
    let mut steps: BTreeMap<Option<i64>, Sums> = BTreeMap::new();
    let mut phases: Vec<String> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT traces.status, traces.usage, traces.sort_at, traces.ended_at, datapoint_id, step_number, phase
         FROM rollouts JOIN traces ON traces.id = trace WHERE run_id = ?1",
    )?;
    let mut rollouts = statement.query([&row.run_id])?;
    while let Some(found) = rollouts.next()? {
        let rollout = rollout(found)?;
        all.add(&rollout);
        steps.entry(found.get(5)?).or_default().add(&rollout);
        let phase: Option<String> = found.get(6)?;
        phases.extend(phase.filter(|phase| !phases.contains(phase)));
    }
    let mut statement = connection.prepare_cached(
        "SELECT grader, value, step_number FROM rollouts JOIN scores ON scores.trace = rollouts.trace
         WHERE run_id = ?1",
    )?;
    let mut scores = statement.query([&row.run_id])?;
    while let Some(found) = scores.next()? {
        let (grader, value): (String, f64) = (found.get(0)?, found.get(1)?);
        all.score(&grader, value);
        steps
            .entry(found.get(2)?)
            .or_default()
            .score(&grader, value);
    }
    let mut statement = connection
        .prepare_cached("SELECT step_number, registered_at FROM run_steps WHERE run = ?1")?;
    let registered = statement.query_map([row.id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let registered: BTreeMap<i64, i64> = registered.collect::<Result<_, _>>()?;
    for step in registered.keys() {
        steps.entry(Some(*step)).or_default();
    }
    let phase = row.phase.or_else(|| match phases.len() {
        1 => phases.pop(),
        _ => None,
    });
    Ok(RunDetail {
        summary: RunSummary {
            run_id: row.run_id,
            phase,
            project: row.project,
            registered_at: time(row.registered_at),
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
    })
}

/// The first five columns of a rollout.
fn rollout(row: &Row<'_>) -> rusqlite::Result<Rollout> {
    Ok(Rollout {
        status: row.get(0)?,
        usage: json(row, "usage")?,
        started_at: row.get(2)?,
        ended_at: row.get(3)?,
        datapoint_id: row.get(4)?,
    })
}

/// What of a run is asked for: all, or a step.
const OF_STEP: &str =
    "run_id = ?1 AND (?2 IS NULL OR step_number = ?2) AND datapoint_id IS NOT NULL";

pub(super) fn datapoints(
    connection: &Connection,
    query: &DatapointQuery,
) -> Result<Option<DatapointPage>, StoreError> {
    let known: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM runs WHERE run_id = ?1)")?
        .query_row([&query.run_id], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    let of_step = params![query.run_id, query.step_number];
    let total: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(DISTINCT datapoint_id) FROM rollouts WHERE {OF_STEP}"
        ))?
        .query_row(of_step, |row| row.get(0))?;
    let limit = query.limit.clamp(1, MAX_DATAPOINTS).cast_signed();
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let mut found: BTreeMap<String, Sums> = BTreeMap::new();
    let asked = params![query.run_id, query.step_number, limit, offset];
    let page = format!(
        "SELECT DISTINCT datapoint_id FROM rollouts WHERE {OF_STEP} ORDER BY datapoint_id LIMIT ?3 OFFSET ?4"
    );
    let mut statement = connection.prepare_cached(&format!(
        "SELECT traces.status, traces.usage, traces.sort_at, traces.ended_at, datapoint_id
         FROM rollouts JOIN traces ON traces.id = trace WHERE {OF_STEP} AND datapoint_id IN ({page})"
    ))?;
    let mut rollouts = statement.query(asked)?;
    while let Some(row) = rollouts.next()? {
        let rollout = rollout(row)?;
        let id: String = row.get(4)?;
        found.entry(id).or_default().add(&rollout);
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT datapoint_id, grader, value FROM rollouts JOIN scores ON scores.trace = rollouts.trace
         WHERE {OF_STEP} AND datapoint_id IN ({page})"
    ))?;
    let mut scores = statement.query(asked)?;
    while let Some(row) = scores.next()? {
        let (id, grader): (String, String) = (row.get(0)?, row.get(1)?);
        found.entry(id).or_default().score(&grader, row.get(2)?);
    }
    let mut statement = connection
        .prepare_cached("SELECT registered_at, env_name FROM datapoints WHERE datapoint_id = ?1")?;
    let datapoints = found.into_iter().map(|(datapoint_id, sums)| {
        let registered: Option<(i64, Option<String>)> = statement
            .query_row([&datapoint_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (at, env_name) = registered.map_or((None, None), |(at, env)| (Some(at), env));
        Ok(DatapointSummary {
            datapoint_id,
            registered_at: time(at),
            env_name,
            tally: sums.tally(),
        })
    });
    Ok(Some(DatapointPage {
        total: total as u64,
        datapoints: datapoints.collect::<Result<_, StoreError>>()?,
    }))
}
