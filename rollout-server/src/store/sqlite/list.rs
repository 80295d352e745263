//! Rows of traces, and the list of them.

use std::fmt::Write as _;

use jiff::Timestamp;
use rollout_core::event::Usage;
use rusqlite::{Connection, Row};

use super::{
    facts::Lookup,
    matcher::{Matcher, Outcome, READ_BYTES, READ_TRACES},
    save::json,
    search,
};
use crate::{
    query::{
        CostSource, Failure, Filter, Found, MAX_TRACES, RolloutFacts, ScoreRow, TracePage,
        TraceQuery, TraceSummary,
    },
    store::StoreError,
};

/// What [`summary`] reads.
pub(super) const SUMMARY: &str = "coalesce(trace_id, external_trace_id, '') AS shown_id, external_trace_id, name,
    status, started_at, first_at, ended_at, duration, span_count, error_count, usage, reported_calls, priced_calls, unpriced_calls, agent_name, user_id,
    session_id, conversation_id, tags, input_preview, output_preview, error_kind, error_message, id, sort_at, trace AS rollout, run_id,
    phase, step_number, datapoint_id, env_name, model_name, grader_name, group_id, sample_index, turns, messages,
    (SELECT json_group_array(json_array(grader, value, passed)) FROM scores WHERE scores.trace = traces.id) AS scores";

/// What it reads them from.
pub(super) const TRACES: &str = "traces LEFT JOIN rollouts ON rollouts.trace = traces.id";

/// Of the traces that come first, so many are tested one by one before all are looked through.
const STEPPED: usize = 1_000;
/// Of these, so many are read for a text before it is looked up.
const STEPPED_READS: usize = 200;

/// A place in the list: when a trace began, and its row.
pub(super) type Place = (i64, i64);

pub(super) fn traces(connection: &Connection, query: &TraceQuery) -> Result<TracePage, StoreError> {
    let after = match &query.cursor {
        Some(cursor) => Some(parse_cursor(cursor).ok_or(StoreError::Cursor)?),
        None => None,
    };
    let mut page = Page {
        connection,
        matcher: Matcher::of(connection, &query.filter, Timestamp::now())?,
        ascending: query.ascending,
        limit: query.limit.clamp(1, MAX_TRACES) as usize,
        rows: Vec::new(),
        reads: 0,
        bytes: 0,
    };
    let next = page.fill(after)?;
    let sql = format!("SELECT {SUMMARY} FROM {TRACES} WHERE traces.id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut traces = Vec::with_capacity(page.rows.len());
    for ((_, row), found) in page.rows {
        let summary = statement.query_row([row], summary)?;
        traces.push(TraceSummary { found, ..summary });
    }
    Ok(TracePage {
        traces,
        next_cursor: next.map(cursor),
    })
}

/// The places of some traces that pass a filter, the newest first, and after which place the rest come, if there are
/// more.
pub(super) fn matching(
    connection: &Connection,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<(Vec<Place>, Option<Place>), StoreError> {
    let mut page = Page {
        connection,
        matcher: Matcher::of(connection, filter, Timestamp::now())?,
        ascending: false,
        limit,
        rows: Vec::new(),
        reads: 0,
        bytes: 0,
    };
    let next = page.fill(after)?;
    Ok((
        page.rows.into_iter().map(|(place, _)| place).collect(),
        next,
    ))
}

/// A page in the making.
struct Page<'c> {
    connection: &'c Connection,
    matcher: Matcher<'c>,
    ascending: bool,
    limit: usize,
    rows: Vec<(Place, Option<Found>)>,
    /// Traces whose texts were read, and how many bytes.
    reads: usize,
    bytes: usize,
}

/// Where the filling of a page has come to.
enum Step {
    /// To that place, and there may be more.
    At(Place),
    /// As far as is read for one page.
    Tired,
    /// The page is full, and this one is on the next.
    Full,
    /// Through everything.
    Done,
}

impl Page<'_> {
    /// Fills the page with what comes after a place. Returns after which place the next page begins, if there is one.
    fn fill(&mut self, after: Option<Place>) -> Result<Option<Place>, StoreError> {
        let plain = self.matcher.is_plain();
        let steps = if plain { self.limit + 1 } else { STEPPED };
        let mut at = after;
        let reads = if self.matcher.reads() {
            STEPPED_READS
        } else {
            usize::MAX
        };
        let step = self.step(&mut at, steps, reads)?;
        let step = match step {
            Step::At(_) if !plain => self.look_through(&mut at)?,
            step => step,
        };
        Ok(match step {
            Step::Done => None,
            Step::Full => self.rows.last().map(|(place, _)| *place),
            Step::At(place) => Some(place),
            Step::Tired => at,
        })
    }

    /// Takes a trace that passes. Returns whether there was room.
    fn take(&mut self, place: Place, found: Option<Found>) -> bool {
        let room = self.rows.len() < self.limit;
        if room {
            self.rows.push((place, found));
        }
        room
    }

    /// Reads the texts of a trace, and takes it if it has what it must. Returns whether there was room.
    fn read(&mut self, place: Place) -> Result<bool, StoreError> {
        let read = search::read(self.connection, place.1, &self.matcher.texts)?;
        self.reads += 1;
        self.bytes += read.bytes;
        Ok(!read.passes || self.take(place, read.found))
    }

    /// Tests the traces that come next, one by one in their order.
    fn step(
        &mut self,
        at: &mut Option<Place>,
        steps: usize,
        reads: usize,
    ) -> Result<Step, StoreError> {
        let places = places(
            self.connection,
            self.matcher.bounds,
            *at,
            self.ascending,
            steps,
        )?;
        let mut lookup = Lookup::new(self.connection);
        let plain = self.matcher.is_plain();
        for place in &places {
            let outcome = if plain {
                Outcome::Yes
            } else if let Some(facts) = lookup.of(place.1)? {
                self.matcher.test(&facts)?
            } else {
                Outcome::No
            };
            let room = match outcome {
                Outcome::No => true,
                Outcome::Yes => self.take(*place, None),
                Outcome::Maybe if self.reads >= reads => return Ok(Step::At(*place)),
                Outcome::Maybe => self.read(*place)?,
            };
            if !room {
                return Ok(Step::Full);
            }
            *at = Some(*place);
        }
        Ok(match places.last() {
            Some(last) if places.len() == steps => Step::At(*last),
            _ => Step::Done,
        })
    }

    /// Looks through all traces for those that come after a place.
    fn look_through(&mut self, at: &mut Option<Place>) -> Result<Step, StoreError> {
        self.matcher.look_up()?;
        let (ascending, after) = (self.ascending, *at);
        let is_after = |place: Place| match after {
            Some(after) if ascending => place > after,
            Some(after) => place < after,
            None => true,
        };
        // What may have a text may not, so that all of it is kept; else those that come first.
        let most = if self.matcher.reads() {
            usize::MAX
        } else {
            self.limit + 1
        };
        let mut open: Vec<(Place, bool)> = Vec::new();
        let by_order = |a: &(Place, bool), b: &(Place, bool)| {
            let order = a.0.cmp(&b.0);
            if ascending { order } else { order.reverse() }
        };
        self.matcher.each(|facts| {
            let place = (facts.sort_at, facts.trace);
            if !is_after(place) {
                return Ok(());
            }
            match self.matcher.test(facts)? {
                Outcome::No => return Ok(()),
                outcome => open.push((place, outcome == Outcome::Maybe)),
            }
            if open.len() / 16 > most {
                open.select_nth_unstable_by(most, by_order);
                open.truncate(most);
            }
            Ok(())
        })?;
        open.sort_unstable_by(by_order);
        for (place, maybe) in open {
            if maybe && (self.reads >= READ_TRACES || self.bytes >= READ_BYTES) {
                return Ok(Step::Tired);
            }
            let room = if maybe {
                self.read(place)?
            } else {
                self.take(place, None)
            };
            if !room {
                return Ok(Step::Full);
            }
            *at = Some(place);
        }
        Ok(Step::Done)
    }
}

/// The places of the traces within bounds in time that come after a place, in their order.
pub(super) fn places(
    connection: &Connection,
    (from, to): (Option<i64>, Option<i64>),
    after: Option<Place>,
    ascending: bool,
    most: usize,
) -> Result<Vec<Place>, StoreError> {
    let (beyond, order) = if ascending {
        (">", "ASC")
    } else {
        ("<", "DESC")
    };
    let mut sql = "SELECT sort_at, id FROM traces WHERE runs".to_owned();
    let mut values = Vec::new();
    for (condition, bound) in [(" AND sort_at >= ?", from), (" AND sort_at < ?", to)] {
        if let Some(bound) = bound {
            sql.push_str(condition);
            values.push(bound);
        }
    }
    if let Some((sort_at, id)) = after {
        let _ = write!(sql, " AND (sort_at, id) {beyond} (?, ?)");
        values.extend([sort_at, id]);
    }
    let _ = write!(sql, " ORDER BY sort_at {order}, id {order} LIMIT {most}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn cursor((sort_at, id): (i64, i64)) -> String {
    format!("{sort_at}.{id}")
}

pub(super) fn parse_cursor(cursor: &str) -> Option<(i64, i64)> {
    let (sort_at, id) = cursor.split_once('.')?;
    Some((sort_at.parse().ok()?, id.parse().ok()?))
}

pub(super) fn summary(row: &Row<'_>) -> rusqlite::Result<TraceSummary> {
    let started_at: Option<i64> = row.get("started_at")?;
    let first_at: Option<i64> = row.get("first_at")?;
    let ended_at: Option<i64> = row.get("ended_at")?;
    let mut usage: Usage = json(row, "usage")?;
    let cost_usd = usage.cost_usd;
    let cost_source = CostSource::of_calls(
        cost_usd.is_some(),
        row.get::<_, i64>("reported_calls")? > 0,
        row.get::<_, i64>("priced_calls")? > 0,
    );
    if cost_source != Some(CostSource::Reported) {
        usage.cost_usd = None;
    }
    Ok(TraceSummary {
        trace_id: row.get("shown_id")?,
        external_trace_id: row.get("external_trace_id")?,
        name: row.get("name")?,
        status: row.get("status")?,
        started_at: time(started_at.or(first_at)),
        ended_at: time(ended_at),
        duration_ms: milliseconds(row.get("duration")?, started_at, ended_at),
        span_count: row.get::<_, i64>("span_count")? as u64,
        error_count: row.get::<_, i64>("error_count")? as u64,
        cost_usd,
        cost_source,
        unpriced_calls: row.get::<_, i64>("unpriced_calls")?.cast_unsigned(),
        usage,
        agent_name: row.get("agent_name")?,
        user_id: row.get("user_id")?,
        session_id: row.get("session_id")?,
        conversation_id: row.get("conversation_id")?,
        tags: json(row, "tags")?,
        error: failure(row)?,
        input_preview: row.get("input_preview")?,
        output_preview: row.get("output_preview")?,
        rollout: rollout(row)?,
        scores: json::<Vec<(String, f64, Option<u8>)>>(row, "scores")?
            .into_iter()
            .map(|(grader, value, passed)| ScoreRow {
                grader,
                value,
                passed: passed.map(|passed| passed != 0),
            })
            .collect(),
        found: None,
    })
}

fn rollout(row: &Row<'_>) -> rusqlite::Result<Option<RolloutFacts>> {
    if row.get::<_, Option<i64>>("rollout")?.is_none() {
        return Ok(None);
    }
    Ok(Some(RolloutFacts {
        run_id: row.get("run_id")?,
        phase: row.get("phase")?,
        step_number: row.get("step_number")?,
        datapoint_id: row.get("datapoint_id")?,
        env_name: row.get("env_name")?,
        model_name: row.get("model_name")?,
        grader_name: row.get("grader_name")?,
        group_id: row.get("group_id")?,
        sample_index: row.get("sample_index")?,
        turns: row.get::<_, i64>("turns")? as u64,
        messages: row.get::<_, i64>("messages")? as u64,
    }))
}

pub(super) fn failure(row: &Row<'_>) -> rusqlite::Result<Option<Failure>> {
    let failure = Failure {
        kind: row.get("error_kind")?,
        message: row.get("error_message")?,
        chain: Vec::new(),
    };
    Ok((failure != Failure::default()).then_some(failure))
}

pub(in crate::store) fn time(nanoseconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds?.into()).ok()
}

/// How long it took: as measured, else as the clock on the wall says.
pub(super) fn milliseconds(
    duration: Option<i64>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
) -> Option<f64> {
    let nanoseconds = duration.or_else(|| Some(ended_at?.saturating_sub(started_at?).max(0)))?;
    Some(nanoseconds as f64 / 1e6)
}
