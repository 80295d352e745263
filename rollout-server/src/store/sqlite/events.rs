//! A trace as events again.

use rollout_core::event::{Agent, Context, Event, EventType, Links, RawObject, Usage};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{detail, detail::Payloads, payload, save, save::json, spans::Trees};
use crate::{
    fold::{
        DROPPED, TRACE_METADATA, read,
        tell::{KnownLife, KnownSpan, KnownTrace, Part, Teller, TraceIds},
    },
    store::StoreError,
};

/// One event to be told. In the order of their fields: of two at one time, beginnings come first, from the outermost
/// in, and ends last, from the innermost out.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    at: i64,
    phase: Phase,
    depth: i64,
    /// Of a span or of an event that is kept as it is.
    row: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Begin,
    Update,
    Kept,
    End,
}

/// See [`Store::events`](crate::store::Store::events).
pub(super) fn tell(
    connection: &Connection,
    trees: &Trees,
    trace_id: &str,
    tell: &mut dyn FnMut(Event) -> bool,
) -> Result<bool, StoreError> {
    let Some((row, version)) = detail::find(connection, trace_id)? else {
        return Ok(false);
    };
    let Found {
        ids,
        mut trace,
        runs,
        begun,
        preview_rank,
    } = found(connection, row)?;
    let life = &trace.life;
    // A trace that has no beginning is shown to begin with its first event. That may be the end of a span that was sent
    // as a whole: the beginning of that one must not be told then.
    let earliest = match life.started_at {
        Some(_) => i64::MIN,
        None => trace.first_at,
    };
    let steps = steps(connection, trees, (row, version), earliest)?;
    let ends = life.ended_at.is_some();
    let first = match (begun, ends) {
        _ if !runs => None,
        (_, true) if life.started_at.is_some() => Some(Part::Start),
        (true, false) => Some(Part::Open),
        // Says when the first event was.
        _ => Some(Part::Update),
    };
    if first == Some(Part::Start)
        && let Some(step) = steps.first()
        && step.phase == Phase::Begin
        && Some(step.at) == life.started_at
    {
        trace.began_as = name(connection, step.row)?;
    }
    trace.life.begins = first == Some(Part::Start);
    let mut teller = Teller::new(ids);
    if let Some(part) = first
        && !tell(teller.trace(&trace, part))
    {
        return Ok(true);
    }
    let mut others_say = false;
    for step in steps {
        let event = match step.phase {
            Phase::Kept => {
                let event = kept(connection, step.row)?;
                others_say |= event.as_ref().is_some_and(says_of_trace);
                event
            }
            phase => {
                let mut span = span(connection, step.row)?;
                span.life.begins = span.life.started_at.is_some_and(|at| at >= earliest);
                span.branch =
                    span.parent.is_some() && stands(connection, &span, step.row, preview_rank)?;
                let part = match phase {
                    Phase::Begin if span.life.ended_at.is_some() => Part::Start,
                    Phase::Begin => Part::Open,
                    Phase::End => Part::End,
                    Phase::Update | Phase::Kept => Part::Update,
                };
                Some(teller.span(&span, part))
            }
        };
        if let Some(event) = event
            && !tell(event)
        {
            return Ok(true);
        }
    }
    if runs && others_say && !tell(teller.trace(&trace, Part::Last)) {
        return Ok(true);
    }
    if runs && ends {
        tell(teller.trace(&trace, Part::End));
    }
    Ok(true)
}

/// All that is to be told of a trace's spans and events, in order; of what has ended, no beginning before the earliest
/// time.
fn steps(
    connection: &Connection,
    trees: &Trees,
    (trace, version): (i64, i64),
    earliest: i64,
) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    let tree = trees.of(connection, trace, version)?;
    let mut lives = connection
        .prepare_cached("SELECT started_at, ended_at, facts_at FROM spans WHERE id = ?1")?;
    for place in &tree.places {
        let (started_at, ended_at, facts_at): (Option<i64>, Option<i64>, i64) = lives
            .query_row([place.row], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let depth = i64::from(place.depth);
        let mut step = |at, phase, depth| {
            steps.push(Step {
                at,
                phase,
                depth,
                row: place.row,
            });
        };
        match (started_at, ended_at) {
            (Some(started_at), None) => step(started_at, Phase::Begin, depth),
            (None, None) => step(facts_at, Phase::Update, depth),
            (started_at, Some(ended_at)) => {
                if let Some(started_at) = started_at.filter(|at| *at >= earliest) {
                    step(started_at, Phase::Begin, depth);
                }
                step(ended_at, Phase::End, -depth);
            }
        }
    }
    let mut events = connection.prepare_cached("SELECT id, at FROM events WHERE trace = ?1")?;
    let mut rows = events.query([trace])?;
    while let Some(row) = rows.next()? {
        steps.push(Step {
            at: row.get(1)?,
            phase: Phase::Kept,
            depth: 0,
            row: row.get(0)?,
        });
    }
    steps.sort_unstable();
    Ok(steps)
}

fn name(connection: &Connection, span: i64) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT name FROM spans WHERE id = ?1")?
        .query_row([span], |row| row.get(0))?)
}

/// An event that is kept as it is.
fn kept(connection: &Connection, row: i64) -> Result<Option<Event>, StoreError> {
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM events WHERE id = ?1")?
        .query_row([row], |row| row.get(0))
        .optional()?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// Whether an event that is kept as it is says something of its trace that somebody may have said otherwise.
fn says_of_trace(event: &Event) -> bool {
    let attributes = event.attributes.as_ref().map(RawObject::members);
    event.event_type == EventType::IdentityUpdate
        || attributes
            .unwrap_or_default()
            .iter()
            .any(|(name, _)| name == DROPPED || name == TRACE_METADATA)
}

/// A trace, and what decides how it is told.
struct Found {
    ids: TraceIds,
    trace: KnownTrace,
    runs: bool,
    begun: bool,
    preview_rank: Option<i64>,
}

fn found(connection: &Connection, row: i64) -> Result<Found, StoreError> {
    let mut payloads = Payloads::of(connection, "trace_payloads", row)?;
    let mut section = |what| payloads.take(what).map(|json| json.as_str().to_owned());
    let (agent, ids) = (section(payload::AGENT), section(payload::IDS));
    let (user, account) = (
        section(payload::USER_TRAITS),
        section(payload::ACCOUNT_TRAITS),
    );
    let attributes_at = said_at(connection, "trace_payloads", row, payload::ATTRIBUTES)?;
    let attributes_at = attributes_at.unwrap_or(i64::MIN);
    let run = save::load_run(connection, row)?.unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT trace_id, external_trace_id, runs, begun, preview_rank, name, said_status, started_at, ended_at,
            duration, error_kind, error_message, interrupted, first_at, facts_at, agent_name, user_id, account_id, session_id,
            conversation_id, tags, link_trace_id, link_span_id
         FROM traces WHERE id = ?1",
    )?;
    let found = statement.query_row([row], |row| {
        let mut agent: Agent = agent.and_then(|json| read(&json)).unwrap_or_default();
        let first_at = row.get::<_, Option<i64>>("first_at")?.unwrap_or(0);
        agent.name = agent.name.or(row.get("agent_name")?);
        let traits = |json: Option<String>| RawObject::parse(json?).ok();
        Ok(Found {
            ids: TraceIds {
                trace_id: row.get("trace_id")?,
                external_trace_id: row.get("external_trace_id")?,
            },
            trace: KnownTrace {
                life: life(row, &mut payloads)?,
                began_as: None,
                first_at,
                last_at: first_at.max(attributes_at).max(row.get("facts_at")?),
                agent,
                context: Context {
                    user_id: row.get("user_id")?,
                    user_traits: traits(user),
                    account_id: row.get("account_id")?,
                    account_traits: traits(account),
                    session_id: row.get("session_id")?,
                    conversation_id: row.get("conversation_id")?,
                },
                ids: ids
                    .and_then(|json| read::<Links>(&json))
                    .unwrap_or_default(),
                tags: json(row, "tags")?,
                link: [row.get("link_trace_id")?, row.get("link_span_id")?],
                run,
            },
            runs: row.get("runs")?,
            begun: row.get("begun")?,
            preview_rank: row.get("preview_rank")?,
        })
    });
    Ok(found?)
}

fn span(connection: &Connection, row: i64) -> Result<KnownSpan, StoreError> {
    let mut payloads = Payloads::of(connection, "span_payloads", row)?;
    let mut statement = connection.prepare_cached(
        "SELECT span_id, parent, kind, name, said_status, started_at, ended_at, duration, error_kind, error_message,
            interrupted, tool_call_id, provider, model, usage, facts_at
         FROM spans WHERE id = ?1",
    )?;
    let found = statement.query_row([row], |row| {
        Ok(KnownSpan {
            life: life(row, &mut payloads)?,
            span_id: row.get("span_id")?,
            parent: row.get("parent")?,
            kind: row.get("kind")?,
            tool_call_id: row.get("tool_call_id")?,
            provider: row.get("provider")?,
            model: row.get("model")?,
            usage: json::<Usage>(row, "usage")?,
            preview: text(&mut payloads, payload::PREVIEW),
            branch: false,
            facts_at: row.get("facts_at")?,
        })
    });
    Ok(found?)
}

/// Whether the input of a span stands for that of its trace, although it has a parent: that is of another process then.
fn stands(
    connection: &Connection,
    span: &KnownSpan,
    row: i64,
    preview_rank: Option<i64>,
) -> Result<bool, StoreError> {
    let Some(said_at) = preview_rank.map(i64::saturating_neg) else {
        return Ok(false);
    };
    if span.life.input.is_none() || span.life.started_at == Some(said_at) {
        return Ok(span.life.input.is_some());
    }
    Ok(self::said_at(connection, "span_payloads", row, payload::INPUT)? == Some(said_at))
}

/// When a payload was said.
fn said_at(
    connection: &Connection,
    table: &str,
    row: i64,
    what: i64,
) -> Result<Option<i64>, StoreError> {
    let at = connection
        .prepare_cached(&format!("SELECT at FROM {table} WHERE id = ?1"))?
        .query_row([payload::id(row, what)], |row| row.get(0))
        .optional()?;
    Ok(at)
}

/// The columns and payloads that traces and spans have in common.
fn life(row: &Row<'_>, payloads: &mut Payloads) -> rusqlite::Result<KnownLife> {
    Ok(KnownLife {
        name: row.get("name")?,
        status: row.get("said_status")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        duration: row.get("duration")?,
        error_kind: row.get("error_kind")?,
        error_message: row.get("error_message")?,
        interrupted: row.get("interrupted")?,
        begins: false,
        input: text(payloads, payload::INPUT),
        output: text(payloads, payload::OUTPUT),
        attributes: text(payloads, payload::ATTRIBUTES),
    })
}

fn text(payloads: &mut Payloads, what: i64) -> Option<String> {
    Some(payloads.take(what)?.as_str().to_owned())
}
