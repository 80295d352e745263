//! What filters, charts and groups look at, packed so that a million traces are looked through in a moment.
//!
//! A trace is some hundred bytes here, and eight of them are a row: reading all of them one after the other is faster
//! than following an index to the rows themselves as soon as a filter lets some ten thousand through, and it takes the
//! same time for every filter, whatever it asks for. What is here is kept in step with the rows in the transaction that
//! writes them.

use std::{borrow::Cow, collections::BTreeMap};

use rollout_core::event::Usage;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::{
    dictionary::{Dictionary, Facet},
    payload, save,
};
use crate::{
    fold::{RunState, TraceState, read},
    present::{self, Tone},
    query::Measure,
    store::StoreError,
    value::Json,
};

/// Traces of a row.
const BLOCK: i64 = 8;
/// Texts of one trace at most: what goes beyond is looked for in its spans.
const MOST_VALUES: usize = 2048;

const FAILED: u8 = 1;
const PARTIAL: u8 = 2;
const DURATION: u8 = 4;
const COST: u8 = 8;
const TURNS: u8 = 16;
const USAGE: u8 = 32;

/// What is known of one trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'b> {
    /// Its row.
    pub(super) trace: i64,
    pub(super) sort_at: i64,
    pub(super) failed: bool,
    /// Texts of its spans or of its metadata are missing here.
    pub(super) partial: bool,
    /// Nanoseconds.
    pub(super) duration: Option<u64>,
    pub(super) spans: u64,
    pub(super) errors: u64,
    pub(super) turns: Option<u64>,
    /// In the order of [`usage`].
    usage: [Option<u64>; 6],
    pub(super) cost: Option<f64>,
    values: &'b [u8],
    scores: &'b [u8],
}

/// The numbers of a usage that are kept.
fn usage(usage: &Usage) -> [Option<u64>; 6] {
    [
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_creation_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
    ]
}

impl<'b> Facts<'b> {
    /// The sum over its model calls.
    pub(super) fn usage(&self) -> Usage {
        let [input, output, cached, creation, reasoning, total] = self.usage;
        Usage {
            input_tokens: input,
            output_tokens: output,
            cached_tokens: cached,
            cache_creation_tokens: creation,
            reasoning_tokens: reasoning,
            total_tokens: total,
            cost_usd: self.cost,
            ..Usage::default()
        }
    }

    /// All tokens of its model calls: none are zero.
    pub(super) fn tokens(&self) -> u64 {
        let [input, output, .., total] = self.usage;
        let sum = || input.unwrap_or(0).saturating_add(output.unwrap_or(0));
        total.unwrap_or_else(sum)
    }

    /// What a measure other than a score counts.
    pub(super) fn measure(&self, measure: &Measure) -> Option<f64> {
        let count = match measure {
            Measure::Duration => return self.duration.map(|ns| ns as f64 / 1e6),
            Measure::Cost => return self.cost,
            Measure::Tokens => Some(self.tokens()),
            Measure::Input => self.usage[0],
            Measure::Output => self.usage[1],
            Measure::Spans => Some(self.spans),
            Measure::Errors => Some(self.errors),
            Measure::Turns => self.turns,
            Measure::Score(_) => None,
        };
        count.map(|count| count as f64)
    }

    /// The codes of its texts.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> + use<'b> {
        let (codes, _) = self.values.as_chunks::<4>();
        codes.iter().map(|code| u32::from_le_bytes(*code))
    }

    /// The first of its texts of a facet.
    pub(super) fn value(&self, facet: Facet) -> Option<u32> {
        self.values().find(|code| facet.has(*code))
    }

    /// Its graders' codes and their scores.
    pub(super) fn scores(&self) -> impl Iterator<Item = (u32, f64)> + use<'b> {
        let (scores, _) = self.scores.as_chunks::<12>();
        scores.iter().map(|[a, b, c, d, score @ ..]| {
            (
                u32::from_le_bytes([*a, *b, *c, *d]),
                f64::from_le_bytes(*score),
            )
        })
    }

    fn read(trace: i64, body: &'b [u8]) -> Option<Self> {
        let mut bytes = Bytes(body);
        let flags = bytes.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let sort_at = i64::from_le_bytes(bytes.array()?);
        let spans = bytes.number()?;
        let errors = bytes.number()?;
        let optional =
            |bytes: &mut Bytes<'b>, there: bool| if there { bytes.number() } else { None };
        let duration = optional(&mut bytes, has(DURATION));
        let turns = optional(&mut bytes, has(TURNS));
        let mut usage = [None; 6];
        if has(USAGE) {
            let said = bytes.byte()?;
            for (nth, count) in usage.iter_mut().enumerate() {
                *count = optional(&mut bytes, said & (1 << nth) != 0);
            }
        }
        let cost = if has(COST) {
            Some(f64::from_le_bytes(bytes.array()?))
        } else {
            None
        };
        let values = bytes.number()? as usize;
        let values = bytes.take(values.checked_mul(4)?)?;
        Some(Self {
            trace,
            sort_at,
            failed: has(FAILED),
            partial: has(PARTIAL),
            duration,
            spans,
            errors,
            turns,
            usage,
            cost,
            values,
            scores: bytes.0,
        })
    }
}

/// What is left to be read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Seven bits a byte, the low ones first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

fn put_number(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// The traces of a row, as their places in it and what is known of them.
fn entries(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut bytes = Bytes(body);
    std::iter::from_fn(move || {
        let place = bytes.byte()?;
        let length = bytes.number()?;
        Some((place, bytes.take(length as usize)?))
    })
}

/// The facts of the traces in a row, from the first to the last.
pub(super) fn of_block(block: i64, body: &[u8]) -> impl DoubleEndedIterator<Item = Facts<'_>> {
    let mut found: [Option<Facts<'_>>; BLOCK as usize] = [None; BLOCK as usize];
    for (place, body) in entries(body) {
        if let Some(slot) = found.get_mut(usize::from(place)) {
            *slot = Facts::read(block * BLOCK + i64::from(place), body);
        }
    }
    found.into_iter().flatten()
}

/// Looks facts up trace by trace; of those in one row, the row is read once.
pub(super) struct Lookup<'c> {
    connection: &'c Connection,
    block: i64,
    body: Vec<u8>,
}

impl<'c> Lookup<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            block: -1,
            body: Vec::new(),
        }
    }

    pub(super) fn of(&mut self, trace: i64) -> Result<Option<Facts<'_>>, StoreError> {
        let block = trace / BLOCK;
        if block != self.block {
            self.body.clear();
            let body = body(self.connection, block)?;
            self.body.extend_from_slice(&body.unwrap_or_default());
            self.block = block;
        }
        let place = (trace % BLOCK) as u8;
        let mut entries = entries(&self.body);
        let found = entries.find(|(other, _)| *other == place);
        Ok(found.and_then(|(_, body)| Facts::read(trace, body)))
    }
}

fn body(connection: &Connection, block: i64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT body FROM facts WHERE block = ?1")?
        .query_row([block], |row| row.get(0))
        .optional()?)
}

/// Looks through the facts of all traces, in no order that means anything.
pub(super) fn each(
    connection: &Connection,
    mut look: impl FnMut(&Facts<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("SELECT block, body FROM facts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let block = row.get(0)?;
        let body = row.get_ref(1)?.as_blob().unwrap_or_default();
        for facts in of_block(block, body) {
            look(&facts)?;
        }
    }
    Ok(())
}

/// Stands for the text of a span that is too long to have a code. No code is that high.
const TOO_LONG: u32 = u32::MAX;

/// What rows say of a trace that the trace's own does not.
#[derive(Default)]
struct Known {
    partial: bool,
    turns: Option<u64>,
    values: Vec<u32>,
    scores: Vec<(u32, f64)>,
}

impl Known {
    /// Keeps some of the texts that were known before.
    fn keep(&mut self, before: &Self, which: impl Fn(u32) -> bool) {
        let kept = before.values.iter().copied();
        self.values.extend(kept.filter(|code| which(*code)));
    }
}

/// The texts of a span that filters look at.
pub(super) struct SpanTexts<'s> {
    pub(super) kind: Option<&'s str>,
    pub(super) name: Option<&'s str>,
    pub(super) model: Option<&'s str>,
    pub(super) provider: Option<&'s str>,
    pub(super) error: Option<&'s str>,
}

/// Facts in the making, within one transaction.
pub(super) struct Writing<'w> {
    connection: &'w Connection,
    dictionary: &'w mut Dictionary,
    /// What rows will hold.
    blocks: BTreeMap<i64, BTreeMap<u8, Vec<u8>>>,
}

/// What is known of a trace anew. What is not, stays as it was known before.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each part of what is known may be new by itself"
)]
pub(super) struct Said<'s, 'e> {
    pub(super) state: &'s TraceState<'e>,
    pub(super) status: &'s str,
    /// Nothing of it was known before.
    pub(super) fresh: bool,
    /// Whether its metadata is in the state.
    pub(super) metadata: bool,
    /// Whether what it is a rollout of is in the state.
    pub(super) run: bool,
    /// Whether there is something new about its agent.
    pub(super) agent: bool,
    /// Whether it has new scores.
    pub(super) scored: bool,
    /// Codes of its spans' texts.
    pub(super) spans: Vec<u32>,
    /// A text of a span is not what it was: all spans must be asked for theirs.
    pub(super) respan: bool,
}

impl<'w> Writing<'w> {
    pub(super) fn new(connection: &'w Connection, dictionary: &'w mut Dictionary) -> Self {
        Self {
            connection,
            dictionary,
            blocks: BTreeMap::new(),
        }
    }

    fn block(&mut self, trace: i64) -> Result<&mut BTreeMap<u8, Vec<u8>>, StoreError> {
        let block = trace / BLOCK;
        if !self.blocks.contains_key(&block) {
            let body = body(self.connection, block)?.unwrap_or_default();
            let entries = entries(&body).map(|(place, body)| (place, body.to_vec()));
            let entries = entries.collect();
            self.blocks.insert(block, entries);
        }
        Ok(self.blocks.entry(block).or_default())
    }

    fn known(&mut self, trace: i64) -> Result<Known, StoreError> {
        let place = (trace % BLOCK) as u8;
        let body = self.block(trace)?.get(&place);
        let facts = body.and_then(|body| Facts::read(trace, body));
        Ok(facts.map_or_else(Known::default, |facts| Known {
            partial: facts.partial,
            turns: facts.turns,
            values: facts.values().collect(),
            scores: facts.scores().collect(),
        }))
    }

    /// Adds the codes of a span's texts.
    pub(super) fn span(
        &mut self,
        texts: &SpanTexts<'_>,
        codes: &mut Vec<u32>,
    ) -> Result<(), StoreError> {
        let kind = texts.kind.unwrap_or("span");
        let tool = texts.name.filter(|_| kind == "tool");
        for (facet, text) in [
            (Facet::Type, Some(kind)),
            (Facet::Span, texts.name),
            (Facet::Tool, tool),
            (Facet::Model, texts.model),
            (Facet::Provider, texts.provider),
            (Facet::SpanError, texts.error),
        ] {
            if let Some(text) = text {
                let code = self.dictionary.code(self.connection, facet, "", text)?;
                // A text that is too long is looked for in the spans.
                codes.push(code.unwrap_or(TOO_LONG));
            }
        }
        Ok(())
    }

    /// Writes what is known of a trace now.
    pub(super) fn trace(&mut self, trace: i64, said: Said<'_, '_>) -> Result<(), StoreError> {
        let place = (trace % BLOCK) as u8;
        if !said.state.runs {
            self.block(trace)?.remove(&place);
            return Ok(());
        }
        let known = if said.fresh {
            Known::default()
        } else {
            self.known(trace)?
        };
        let mut now = Known {
            partial: known.partial && !said.respan,
            ..Known::default()
        };
        let state = said.state;
        for (facet, text) in [
            (Facet::Status, Some(said.status)),
            (Facet::Name, state.life.name.as_deref()),
            (Facet::User, state.user_id.as_deref()),
            (Facet::Session, state.session_id.as_deref()),
            (Facet::Conversation, state.conversation_id.as_deref()),
            (Facet::Account, state.account_id.as_deref()),
            (Facet::Agent, state.agent_name.as_deref()),
            (Facet::Error, state.life.error_kind.as_deref()),
        ] {
            self.add(&mut now, facet, "", text)?;
        }
        for tag in &state.tags {
            self.add(&mut now, Facet::Tag, "", Some(tag))?;
        }
        if said.run {
            if let Some(run) = &state.run {
                now.turns = Some(run.turns.max(0).cast_unsigned());
                for (facet, text) in rollout(run) {
                    self.add(&mut now, facet, "", text.as_deref())?;
                }
            }
        } else {
            now.turns = known.turns;
            now.keep(&known, Facet::is_of_rollout);
        }
        if said.metadata {
            for (name, json) in &state.attributes.list {
                self.add(&mut now, Facet::Meta, name, Some(&entry(json)))?;
            }
        } else {
            now.keep(&known, |code| Facet::Meta.has(code));
        }
        if said.agent {
            let agent = agent(self.connection, trace)?;
            self.add(&mut now, Facet::Version, "", agent.version.as_deref())?;
            let environment = agent.environment.as_deref();
            self.add(&mut now, Facet::Environment, "", environment)?;
        } else {
            now.keep(&known, |code| {
                Facet::Version.has(code) || Facet::Environment.has(code)
            });
        }
        if said.scored {
            for (grader, score) in scores(self.connection, trace)? {
                if let Some(code) = self.add(&mut now, Facet::Grader, "", Some(&grader))? {
                    now.scores.push((code, score));
                }
            }
        } else {
            now.keep(&known, |code| Facet::Grader.has(code));
            now.scores.clone_from(&known.scores);
        }
        let mut spans = said.spans;
        if said.respan {
            spans = self.spans(trace)?;
        } else {
            let before = known.values.iter().copied();
            spans.extend(before.filter(|code| Facet::is_of_span(*code)));
        }
        spans.sort_unstable();
        spans.dedup();
        if spans.last() == Some(&TOO_LONG) {
            spans.pop();
            now.partial = true;
        }
        now.values.extend(spans);
        if now.values.len() > MOST_VALUES {
            now.values.truncate(MOST_VALUES);
            now.partial = true;
        }
        let body = packed(state, said.status, &now);
        self.block(trace)?.insert(place, body);
        Ok(())
    }

    fn add(
        &mut self,
        now: &mut Known,
        facet: Facet,
        name: &str,
        text: Option<&str>,
    ) -> Result<Option<u32>, StoreError> {
        let Some(text) = text else {
            return Ok(None);
        };
        let code = self.dictionary.code(self.connection, facet, name, text)?;
        match code {
            Some(code) => now.values.push(code),
            None => now.partial = true,
        }
        Ok(code)
    }

    /// The codes of the texts of all of a trace's spans.
    fn spans(&mut self, trace: i64) -> Result<Vec<u32>, StoreError> {
        let mut codes = Vec::new();
        let connection = self.connection;
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT kind, name, model, provider, error_kind FROM spans WHERE trace = ?1",
        )?;
        let mut rows = statement.query([trace])?;
        while let Some(row) = rows.next()? {
            let text = |nth| row.get::<_, Option<String>>(nth);
            let (kind, name, model) = (text(0)?, text(1)?, text(2)?);
            let (provider, error) = (text(3)?, text(4)?);
            let texts = SpanTexts {
                kind: kind.as_deref(),
                name: name.as_deref(),
                model: model.as_deref(),
                provider: provider.as_deref(),
                error: error.as_deref(),
            };
            self.span(&texts, &mut codes)?;
            if codes.len() > 8 * MOST_VALUES {
                codes.sort_unstable();
                codes.dedup();
            }
        }
        Ok(codes)
    }

    /// Removes a trace.
    pub(super) fn remove(&mut self, trace: i64) -> Result<(), StoreError> {
        self.block(trace)?.remove(&((trace % BLOCK) as u8));
        Ok(())
    }

    /// Reads a trace's rows, and writes what they say.
    pub(super) fn reread(&mut self, trace: i64) -> Result<(), StoreError> {
        let state = save::load_whole_trace(self.connection, trace)?;
        let status: String = self
            .connection
            .prepare_cached("SELECT status FROM traces WHERE id = ?1")?
            .query_row([trace], |row| row.get(0))?;
        self.trace(
            trace,
            Said {
                state: &state,
                status: &status,
                fresh: true,
                metadata: true,
                run: true,
                agent: true,
                scored: true,
                spans: Vec::new(),
                respan: true,
            },
        )
    }

    /// Writes the rows.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        let mut put = self
            .connection
            .prepare_cached("INSERT OR REPLACE INTO facts (block, body) VALUES (?1, ?2)")?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM facts WHERE block = ?1")?;
        for (block, traces) in self.blocks {
            if traces.is_empty() {
                delete.execute([block])?;
                continue;
            }
            let mut body = Vec::new();
            for (place, facts) in traces {
                body.push(place);
                put_number(&mut body, facts.len() as u64);
                body.extend(facts);
            }
            put.execute(params![block, body])?;
        }
        Ok(())
    }
}

/// A trace's facts as they are written.
fn packed(state: &TraceState<'_>, status: &str, known: &Known) -> Vec<u8> {
    let life = &state.life;
    let between = || Some(life.ended_at?.saturating_sub(life.started_at?));
    let duration = life.duration.or_else(between);
    let usage = usage(&state.tally.usage);
    let is_used = usage.iter().any(Option::is_some);
    let cost = state.tally.usage.cost_usd;
    let mut flags = 0;
    for (flag, there) in [
        (FAILED, present::status_tone(status) == Tone::Error),
        (PARTIAL, known.partial),
        (DURATION, duration.is_some()),
        (COST, cost.is_some()),
        (TURNS, known.turns.is_some()),
        (USAGE, is_used),
    ] {
        if there {
            flags |= flag;
        }
    }
    let mut body = vec![flags];
    let sort_at = life.started_at.or(state.first_at).unwrap_or(0);
    body.extend(sort_at.to_le_bytes());
    let count = |count: i64| count.max(0).cast_unsigned();
    put_number(&mut body, count(state.tally.spans));
    put_number(&mut body, count(state.tally.errors));
    for number in [duration.map(count), known.turns].into_iter().flatten() {
        put_number(&mut body, number);
    }
    if is_used {
        let said = usage.iter().enumerate();
        let said = said.map(|(nth, count)| u8::from(count.is_some()) << nth);
        body.push(said.sum());
        for count in usage.into_iter().flatten() {
            put_number(&mut body, count);
        }
    }
    if let Some(cost) = cost {
        body.extend(cost.to_le_bytes());
    }
    put_number(&mut body, known.values.len() as u64);
    for code in &known.values {
        body.extend(code.to_le_bytes());
    }
    for (grader, score) in &known.scores {
        body.extend(grader.to_le_bytes());
        body.extend(score.to_le_bytes());
    }
    body
}

/// An entry of metadata as a filter compares it.
fn entry(json: &str) -> Cow<'_, str> {
    match Json::read(json) {
        Json::Text(text) => text.into(),
        _ => json.trim().into(),
    }
}

fn rollout(run: &RunState<'_>) -> [(Facet, Option<String>); 6] {
    let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    [
        (Facet::Run, owned(&run.run_id)),
        (Facet::Phase, owned(&run.phase)),
        (Facet::Step, run.step_number.map(|step| step.to_string())),
        (Facet::Datapoint, owned(&run.datapoint_id)),
        (Facet::Env, owned(&run.env_name)),
        (Facet::Group, owned(&run.group_id)),
    ]
}

/// What filters look at of an agent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AgentTexts {
    version: Option<String>,
    environment: Option<String>,
}

fn agent(connection: &Connection, trace: i64) -> Result<AgentTexts, StoreError> {
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM trace_payloads WHERE id = ?1")?
        .query_row([payload::id(trace, payload::AGENT)], |row| row.get(0))
        .optional()?;
    Ok(body.and_then(|body| read(&body)).unwrap_or_default())
}

fn scores(connection: &Connection, trace: i64) -> Result<Vec<(String, f64)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT grader, value FROM scores WHERE trace = ?1")?;
    let scores = statement.query_map([trace], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(scores.collect::<Result<_, _>>()?)
}
