//! Filters as tests of facts.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, types::Value};

use super::{
    bits::Bits,
    dictionary::{self, Facet, number},
    facts::{self, Facts, Lookup},
    filter::Conditions,
    search,
};
use crate::{
    fold::nanoseconds,
    query::{Comparison, Filter, Key, Measure, Pattern, Test, found::Needle},
    store::StoreError,
};

/// From how many codes on they are looked for in a set.
const FEW: usize = 4;
/// Traces that are read to see whether they have a text, for one page of a list.
pub(super) const READ_TRACES: usize = 1_000;
/// The same for a chart, or for groups.
const SETTLED_TRACES: usize = 500;
/// Bytes of their text.
pub(super) const READ_BYTES: usize = 16 << 20;
/// Traces whose facts are looked up one by one at most: of more, all are looked through.
const LOOKED_UP: usize = 16_384;

/// What facts say to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    No,
    Yes,
    /// Its texts must be read.
    Maybe,
}

/// A filter that tests facts.
pub(super) struct Matcher<'c> {
    connection: &'c Connection,
    terms: Vec<(bool, Want)>,
    /// What must be in a trace's texts, or must not.
    pub(super) texts: Vec<(Needle, bool)>,
    /// Those that may have each of the texts, as far as they are looked up; and those that may have any.
    candidates: Vec<Option<Bits>>,
    unsearched: Bits,
    /// Of a filter with texts: those that pass.
    settled: Option<Bits>,
    /// From when on, and until when.
    pub(super) bounds: (Option<i64>, Option<i64>),
}

enum Want {
    /// A text with one of a few codes, or with one of many; else, if some are missing, what the rows say.
    Few(Vec<u32>, Conditions),
    Many(&'static [Facet], Bits, Conditions),
    Rows(HashSet<i64>),
    Measures(Measure, Comparison, f64),
    /// A score of this grader, or of any.
    Scored(Option<u32>, Comparison, f64),
    Since(i64),
    Until(i64),
    /// The text of that number.
    Text(usize),
    Anything,
}

#[expect(
    clippy::float_cmp,
    reason = "who asks for a number as it is shown gets it"
)]
fn compares(number: f64, comparison: Comparison, than: f64) -> bool {
    match comparison {
        Comparison::Less => number < than,
        Comparison::AtMost => number <= than,
        Comparison::Equal => number == than,
        Comparison::AtLeast => number >= than,
        Comparison::Greater => number > than,
    }
}

impl<'c> Matcher<'c> {
    pub(super) fn of(
        connection: &'c Connection,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut matcher = Self {
            connection,
            terms: Vec::new(),
            texts: Vec::new(),
            candidates: Vec::new(),
            unsearched: Bits::default(),
            settled: None,
            bounds: (None, None),
        };
        for term in &filter.terms {
            let want = match &term.test {
                Test::Is(Key::Id, any_of) => Want::Rows(rows(connection, any_of)?),
                Test::Is(key, any_of) => is(connection, key, any_of)?,
                Test::Measures(Measure::Score(grader), comparison, than) => {
                    let code = match grader {
                        Some(grader) => Some(grader_code(connection, grader)?),
                        None => None,
                    };
                    Want::Scored(code, *comparison, *than)
                }
                Test::Measures(measure, comparison, than) => {
                    Want::Measures(measure.clone(), *comparison, *than)
                }
                Test::Since(moment) => {
                    let at = nanoseconds(moment.resolve(now));
                    if !term.negated {
                        matcher.bounds.0 = matcher.bounds.0.max(Some(at));
                    }
                    Want::Since(at)
                }
                Test::Until(moment) => {
                    let at = nanoseconds(moment.resolve(now));
                    if !term.negated {
                        matcher.bounds.1 = Some(matcher.bounds.1.map_or(at, |to| to.min(at)));
                    }
                    Want::Until(at)
                }
                Test::Contains(text) => {
                    let needle = Needle::new(text);
                    if needle.is_empty() {
                        Want::Anything
                    } else {
                        matcher.texts.push((needle, term.negated));
                        matcher.candidates.push(None);
                        Want::Text(matcher.texts.len() - 1)
                    }
                }
            };
            matcher.terms.push((term.negated, want));
        }
        Ok(matcher)
    }

    /// Whether only bounds in time are asked for.
    pub(super) fn is_plain(&self) -> bool {
        let mut wants = self.terms.iter();
        wants.all(|(negated, want)| !negated && matches!(want, Want::Since(_) | Want::Until(_)))
    }

    /// Whether texts are asked for.
    pub(super) fn reads(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Looks up which traces may have the texts.
    pub(super) fn look_up(&mut self) -> Result<(), StoreError> {
        for (nth, (needle, _)) in self.texts.iter().enumerate() {
            self.candidates[nth] = search::candidates(self.connection, needle)?;
        }
        self.unsearched = search::unsearched(self.connection)?;
        Ok(())
    }

    /// Looks through the facts of all traces that may pass, in no order that means anything.
    pub(super) fn each(
        &self,
        mut look: impl FnMut(&Facts<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(few) = self.few() else {
            return facts::each(self.connection, look);
        };
        let mut lookup = Lookup::new(self.connection);
        for trace in few {
            if let Some(facts) = lookup.of(trace)? {
                look(&facts)?;
            }
        }
        Ok(())
    }

    /// The traces that may pass, the lowest row first, where they are known to be few.
    fn few(&self) -> Option<Vec<i64>> {
        let mut fewest: Option<Vec<i64>> = None;
        let mut narrow = |some: Vec<i64>| {
            if fewest.as_ref().is_none_or(|few| some.len() < few.len()) {
                fewest = Some(some);
            }
        };
        let numbers = |bits: &Bits| {
            bits.iter()
                .map(|row| row.cast_signed() as i64)
                .collect::<Vec<_>>()
        };
        if let Some(settled) = &self.settled
            && settled.len() <= LOOKED_UP
        {
            narrow(numbers(settled));
        }
        let unsearched = self.unsearched.len();
        for (_, want) in self.terms.iter().filter(|(negated, _)| !negated) {
            match want {
                Want::Rows(rows) if rows.len() <= LOOKED_UP => {
                    let mut rows: Vec<i64> = rows.iter().copied().collect();
                    rows.sort_unstable();
                    narrow(rows);
                }
                Want::Text(nth) if self.settled.is_none() => {
                    if let Some(candidates) = &self.candidates[*nth]
                        && candidates.len() + unsearched <= LOOKED_UP
                    {
                        let mut rows = numbers(candidates);
                        rows.extend(numbers(&self.unsearched));
                        rows.sort_unstable();
                        rows.dedup();
                        narrow(rows);
                    }
                }
                _ => {}
            }
        }
        fewest
    }

    /// What facts say to the filter.
    pub(super) fn test(&self, facts: &Facts<'_>) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::Yes;
        for (negated, want) in &self.terms {
            let passes = match want {
                Want::Few(codes, rows) => {
                    let found = match codes[..] {
                        [] => false,
                        [wanted] => facts.values().any(|code| code == wanted),
                        _ => facts.values().any(|code| codes.contains(&code)),
                    };
                    found || facts.partial && rows.hold(self.connection, facts.trace)?
                }
                Want::Many(facets, numbers, rows) => {
                    let found = facts.values().any(|code| {
                        facets.iter().any(|facet| facet.has(code))
                            && numbers.has(number(code) as usize)
                    });
                    found || facts.partial && rows.hold(self.connection, facts.trace)?
                }
                Want::Rows(rows) => rows.contains(&facts.trace),
                Want::Measures(measure, comparison, than) => facts
                    .measure(measure)
                    .is_some_and(|number| compares(number, *comparison, *than)),
                Want::Scored(grader, comparison, than) => facts.scores().any(|(by, score)| {
                    grader.is_none_or(|grader| grader == by) && compares(score, *comparison, *than)
                }),
                Want::Since(at) => facts.sort_at >= *at,
                Want::Until(at) => facts.sort_at < *at,
                Want::Anything => true,
                Want::Text(nth) => {
                    let row = facts.trace as usize;
                    let maybe = match (&self.settled, &self.candidates[*nth]) {
                        (Some(_), _) => continue,
                        (None, Some(candidates)) => candidates.has(row) || self.unsearched.has(row),
                        (None, None) => true,
                    };
                    if maybe {
                        outcome = Outcome::Maybe;
                        continue;
                    }
                    false
                }
            };
            if passes == *negated {
                return Ok(Outcome::No);
            }
        }
        if let Some(settled) = &self.settled
            && !settled.has(facts.trace as usize)
        {
            return Ok(Outcome::No);
        }
        Ok(outcome)
    }

    /// Finds out which traces have the texts, so that no outcome is [`Outcome::Maybe`] any more.
    ///
    /// The newest [`SETTLED_TRACES`] that may have them are read. Of those before them, one that is indexed has a text if
    /// it may have it; one that is not has it not.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        if self.texts.is_empty() {
            return Ok(());
        }
        self.look_up()?;
        let (mut settled, mut open) = (Bits::default(), Vec::new());
        self.each(|facts| {
            match self.test(facts)? {
                Outcome::No => {}
                Outcome::Yes => settled.insert(facts.trace as usize),
                Outcome::Maybe => open.push((facts.sort_at, facts.trace)),
            }
            Ok(())
        })?;
        open.sort_unstable();
        let mut bytes = 0;
        for (nth, (_, trace)) in open.into_iter().rev().enumerate() {
            let passes = if nth < SETTLED_TRACES && bytes < READ_BYTES {
                let read = search::read(self.connection, trace, &self.texts)?;
                bytes += read.bytes;
                read.passes
            } else {
                self.is_likely(trace)
            };
            if passes {
                settled.insert(trace as usize);
            }
        }
        self.settled = Some(settled);
        Ok(())
    }

    /// What pieces alone say of a trace's texts.
    fn is_likely(&self, trace: i64) -> bool {
        let texts = self.texts.iter().zip(&self.candidates);
        texts.into_iter().all(|((_, negated), candidates)| {
            let has = candidates.as_ref().is_some_and(|it| it.has(trace as usize));
            has != *negated
        })
    }
}

fn is(connection: &Connection, key: &Key, any_of: &[Pattern]) -> Result<Want, StoreError> {
    let (facets, name) = Facet::of(key);
    let codes = dictionary::matching(connection, (facets, name), any_of)?;
    let rows = Conditions::is(key, any_of);
    if codes.len() <= FEW {
        return Ok(Want::Few(codes, rows));
    }
    let mut numbers = Bits::default();
    for code in codes {
        numbers.insert(number(code) as usize);
    }
    Ok(Want::Many(facets, numbers, rows))
}

fn grader_code(connection: &Connection, grader: &str) -> Result<u32, StoreError> {
    let exactly = [Pattern::Exactly(grader.to_owned())];
    let codes = dictionary::matching(connection, (&[Facet::Grader], ""), &exactly)?;
    // No code is that high.
    Ok(codes.first().copied().unwrap_or(u32::MAX))
}

/// The rows of the traces of some ids, or of the caller's own.
fn rows(connection: &Connection, any_of: &[Pattern]) -> Result<HashSet<i64>, StoreError> {
    let mut found = HashSet::new();
    for pattern in any_of {
        for column in ["trace_id", "external_trace_id"] {
            let mut statement;
            let mut rows = match pattern {
                Pattern::Exactly(id) => {
                    statement = connection.prepare_cached(&format!(
                        "SELECT id, {column} FROM traces WHERE {column} = ?1"
                    ))?;
                    statement.query([id])?
                }
                Pattern::Wildcard(pieces) => {
                    statement = connection.prepare_cached(&format!(
                        "SELECT id, {column} FROM traces WHERE {column} IS NOT NULL AND {column} >= ?1 ORDER BY {column}"
                    ))?;
                    statement.query([pieces.first().map_or("", String::as_str)])?
                }
            };
            while let Some(row) = rows.next()? {
                let id = row.get_ref(1)?.as_str().unwrap_or_default();
                if let Pattern::Wildcard(pieces) = pattern
                    && !pieces
                        .first()
                        .is_none_or(|start| id.starts_with(start.as_str()))
                {
                    break;
                }
                if pattern.matches(id) {
                    found.insert(row.get(0)?);
                }
            }
        }
    }
    Ok(found)
}

impl Conditions {
    /// Whether a trace's rows fulfil them.
    fn hold(&self, connection: &Connection, trace: i64) -> Result<bool, StoreError> {
        let mut values = self.values.clone();
        values.push(Value::Integer(trace));
        let sql = format!(
            "SELECT 1 FROM traces LEFT JOIN rollouts ON rollouts.trace = traces.id WHERE ({}) AND traces.id = ?",
            self.sql
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_row(rusqlite::params_from_iter(values), |_| Ok(()));
        Ok(found.optional()?.is_some())
    }
}
