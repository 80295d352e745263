//! `/compare`: two traces side by side, and what differs of the step that is selected.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    Frame, Pages,
    compare_diff::{DiffPane, Measure, measures},
    facts::{self, Kind, Moment, Status},
    reply::{Missing, blocking, html},
};
use crate::{
    compare::{Change, Comparison, Kept, Part, ReportRow, Totals},
    present,
    query::{Filter, Key, Pattern, SpanRow, Term, Test, TraceQuery, TraceSummary},
    store::Store,
};

/// Rows on one page.
const ROWS: usize = 400;
/// Traces to choose from.
const CHOICES: u64 = 50;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    a: String,
    #[serde(default)]
    b: String,
    /// `differences`, or all.
    only: Option<String>,
    /// The number of a row, or `whole`.
    row: Option<String>,
    offset: Option<usize>,
}

/// Two ids are asked for, or the second of two.
#[derive(Template)]
#[template(path = "compare_choose.html")]
struct ChoosePage {
    frame: Frame,
    a: String,
    b: String,
    /// The trace that is chosen already: its name and page.
    with: Option<(String, String)>,
    choices: Vec<Choice>,
}

/// A trace that may be the second.
struct Choice {
    href: String,
    id: String,
    name: String,
    status: Status,
    started: Option<Moment>,
    duration: String,
    tokens: String,
    input: String,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    /// The address of this comparison, without what is selected.
    base: String,
    a: SideFacts,
    b: SideFacts,
    swap: String,
    measures: Vec<Measure>,
    same: bool,
    counts: Vec<Count>,
    /// The address, number and words of the first divergence.
    first: Option<(String, String, String)>,
    only: bool,
    all_href: String,
    only_href: String,
    whole: Row,
    rows: Vec<Row>,
    /// The nearest differences before and behind the rows of this page.
    before: Option<String>,
    after: Option<String>,
    sheets: Option<Sheets>,
    pane: Option<DiffPane>,
}

/// The part of the page that changes with the selection.
#[derive(Template)]
#[template(path = "compare_part.html")]
struct PartPage {
    pane: Option<DiffPane>,
}

struct SideFacts {
    href: String,
    id: String,
    name: String,
    started: Option<Moment>,
}

impl SideFacts {
    fn of(trace: &TraceSummary) -> Self {
        Self {
            href: facts::trace_href(&trace.trace_id),
            id: trace.trace_id.clone(),
            name: facts::name_of(trace),
            started: trace.started_at.map(Moment::of),
        }
    }
}

struct Count {
    class: &'static str,
    words: String,
}

/// Where the pages before and after this one are.
struct Sheets {
    from: usize,
    to: usize,
    total: usize,
    before: Option<String>,
    after: Option<String>,
}

struct Row {
    /// Its number, or `whole`.
    number: String,
    href: String,
    selected: bool,
    change: &'static str,
    mark: &'static str,
    differs: bool,
    what: String,
    indent: u32,
    level: u32,
    kind: Option<Kind>,
    name: String,
    /// What it is called in the first trace, where that is something else.
    was: Option<String>,
    duration: Pair,
    tokens: Pair,
    cost: Pair,
    /// How many rows without a difference come before it that are not shown.
    gap: usize,
}

/// A measure of both traces.
#[derive(Default)]
struct Pair {
    a: String,
    b: String,
    delta: String,
    /// Whether the second is more.
    more: bool,
}

impl Pair {
    fn of(a: Option<f64>, b: Option<f64>, words: fn(f64) -> String) -> Self {
        let delta = a.zip(b).map(|(a, b)| b - a);
        let (a, b) = (a.map(words), b.map(words));
        Self {
            // What reads the same does not differ to the eye.
            delta: match delta {
                Some(delta) if a != b => present::more(delta, words),
                _ => String::new(),
            },
            more: delta.is_some_and(|delta| delta > 0.0),
            a: a.unwrap_or_default(),
            b: b.unwrap_or_default(),
        }
    }

    fn duration(a: &Totals, b: &Totals) -> Self {
        Self::of(a.duration_ms, b.duration_ms, present::duration)
    }

    fn tokens(a: &Totals, b: &Totals) -> Self {
        let number = |tokens: Option<u64>| tokens.map(|tokens| tokens as f64);
        Self::of(number(a.tokens), number(b.tokens), |n| {
            present::count(n as u64)
        })
    }

    fn cost(a: &Totals, b: &Totals) -> Self {
        Self::of(a.cost_usd, b.cost_usd, present::cost)
    }
}

/// The address of one comparison and what is selected in it.
struct Place {
    base: String,
    only: bool,
}

impl Place {
    fn new(asked: &Asked) -> Self {
        Self {
            base: base(&asked.a, &asked.b),
            only: asked.only.as_deref() == Some("differences"),
        }
    }

    fn href(&self, only: bool, more: &str) -> String {
        let only = if only { "&only=differences" } else { "" };
        format!("{}{only}{more}", self.base)
    }

    fn row(&self, row: Option<usize>) -> String {
        let row = row.map_or_else(|| "whole".to_owned(), |row| row.to_string());
        self.href(self.only, &format!("&row={row}"))
    }
}

/// The address of the comparison of two traces.
fn base(a: &str, b: &str) -> String {
    format!("/compare?a={}&b={}", facts::encoded(a), facts::encoded(b))
}

/// `GET /compare`.
pub(super) async fn page(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let (a, b) = (asked.a.trim().to_owned(), asked.b.trim().to_owned());
    let asked = Asked { a, b, ..asked };
    if asked.a.is_empty() || asked.b.is_empty() {
        let page = blocking(move || choose(&*pages.store, frame, asked)).await?;
        return html(&page);
    }
    let page = blocking(move || read(&*pages.store, &pages.comparisons, frame, &asked)).await?;
    html(&page)
}

/// `GET /compare/diff`: the pane of `?row=`.
pub(super) async fn part(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
) -> Result<Response, Missing> {
    let page = blocking(move || {
        let store = &*pages.store;
        let comparison = compared(store, &pages.comparisons, &asked)?;
        let selected = selected(&comparison, &asked);
        Ok(PartPage {
            pane: pane(store, &comparison, selected)?,
        })
    })
    .await?;
    html(&page)
}

fn compared(
    store: &dyn Store,
    kept: &Kept,
    asked: &Asked,
) -> Result<std::sync::Arc<Comparison>, Missing> {
    kept.read(store, &asked.a, &asked.b)?
        .map_err(|unknown| Missing::Trace(unknown.to_owned()))
}

/// The row that is selected; `Some(None)` is the trace as a whole.
fn selected(comparison: &Comparison, asked: &Asked) -> Option<Option<usize>> {
    match asked.row.as_deref() {
        Some("whole") => Some(None),
        Some(row) => {
            let row = row.parse().ok().filter(|row| *row < comparison.rows.len());
            row.map(Some)
        }
        // Whoever comes without a wish wants to know where they part.
        None if asked.offset.is_none() => comparison.first.map(|first| first.row),
        None => None,
    }
}

fn pane(
    store: &dyn Store,
    comparison: &Comparison,
    selected: Option<Option<usize>>,
) -> Result<Option<DiffPane>, Missing> {
    let Some(row) = selected else { return Ok(None) };
    let Some(diff) = comparison.diff(store, row)? else {
        return Ok(None);
    };
    let row = match row {
        Some(row) => comparison.rows(store, &[row])?.pop(),
        None => None,
    };
    Ok(Some(DiffPane::of(comparison, row.as_ref(), diff)))
}

fn read(
    store: &dyn Store,
    kept: &Kept,
    frame: Frame,
    asked: &Asked,
) -> Result<ComparePage, Missing> {
    let comparison = compared(store, kept, asked)?;
    let place = Place::new(asked);
    let selected = selected(&comparison, asked);
    let listed: Vec<usize> = if place.only {
        comparison.differing()
    } else {
        (0..comparison.rows.len()).collect()
    };
    let at = match (asked.offset, selected) {
        (Some(offset), _) => offset.min(listed.len()),
        (None, Some(Some(row))) => listed.partition_point(|listed| *listed < row) / ROWS * ROWS,
        (None, _) => 0,
    };
    let shown = &listed[at..listed.len().min(at + ROWS)];
    let mut next = match at {
        0 => 0,
        _ => listed[at - 1] + 1,
    };
    let rows: Vec<Row> = comparison
        .rows(store, shown)?
        .iter()
        .map(|row| {
            let gap = row.row.saturating_sub(next);
            next = row.row + 1;
            Row::of(row, &place, selected == Some(Some(row.row)), gap)
        })
        .collect();
    let edge = |from: Option<usize>, backwards| {
        let row = comparison.next_difference(from, backwards)?;
        Some(place.row(Some(row)))
    };
    let (a, b) = (&comparison.a.summary, &comparison.b.summary);
    Ok(ComparePage {
        frame,
        swap: base(&asked.b, &asked.a),
        measures: measures(a, b),
        same: comparison.same(),
        counts: counts(&comparison),
        first: comparison.first.map(|first| {
            let number = first
                .row
                .map_or_else(|| "whole".to_owned(), |row| row.to_string());
            (
                place.row(first.row),
                number,
                words_of_first(&comparison, first.part),
            )
        }),
        all_href: place.href(false, ""),
        only_href: place.href(true, ""),
        before: edge(shown.first().copied().or(Some(0)), true),
        after: match shown.last() {
            Some(last) => edge(Some(*last), false),
            None => None,
        },
        sheets: (shown.len() < listed.len()).then(|| {
            let page = |offset: usize| place.href(place.only, &format!("&offset={offset}"));
            Sheets {
                from: at + 1,
                to: at + shown.len(),
                total: listed.len(),
                before: (at > 0).then(|| page(at.saturating_sub(ROWS))),
                after: (at + shown.len() < listed.len()).then(|| page(at + ROWS)),
            }
        }),
        whole: Row::whole(&comparison, &place, selected == Some(None)),
        rows,
        pane: pane(store, &comparison, selected)?,
        a: SideFacts::of(a),
        b: SideFacts::of(b),
        only: place.only,
        base: place.base,
    })
}

fn words_of_first(comparison: &Comparison, part: Option<Part>) -> String {
    let row = comparison.first.and_then(|first| first.row);
    let change = row
        .and_then(|row| comparison.rows.get(row))
        .map(|row| row.change());
    match (part, change) {
        (Some(part), _) => part.name().to_owned(),
        (None, Some(change)) => change.word().to_owned(),
        (None, None) => String::new(),
    }
}

fn counts(comparison: &Comparison) -> Vec<Count> {
    let counts = comparison.counts;
    let all = [
        (Change::Changed, counts.changed),
        (Change::Added, counts.added),
        (Change::Removed, counts.removed),
        (Change::Moved, counts.moved),
        (Change::Unchanged, counts.unchanged),
    ];
    let some = all.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(change, count)| Count {
        class: change.word(),
        words: format!("{} {}", present::count(count), change.word()),
    })
    .collect()
}

/// What differs of a row, in words.
fn what(change: Change, parts: impl Iterator<Item = Part>) -> String {
    match change {
        Change::Unchanged => String::new(),
        Change::Added => "only in B".to_owned(),
        Change::Removed => "only in A".to_owned(),
        Change::Moved => "moved".to_owned(),
        Change::Changed => parts.map(Part::name).collect::<Vec<_>>().join(", "),
    }
}

impl Row {
    fn of(row: &ReportRow, place: &Place, selected: bool, gap: usize) -> Self {
        let span = row.span();
        let name = |span: &SpanRow| span.name.clone().unwrap_or_else(|| span.kind.clone());
        let called = span.map(name).unwrap_or_default();
        let totals = |span: Option<&SpanRow>| span.map(Totals::of_span).unwrap_or_default();
        let (a, b) = (totals(row.a.as_ref()), totals(row.b.as_ref()));
        Self {
            number: row.row.to_string(),
            href: place.row(Some(row.row)),
            selected,
            change: row.change.word(),
            mark: row.change.mark(),
            differs: row.change != Change::Unchanged,
            what: what(row.change, row.differs.iter()),
            indent: (row.depth + 1).min(24) * 14,
            level: row.depth + 2,
            kind: span.map(|span| Kind::of(&span.kind)),
            was: row.a.as_ref().map(name).filter(|was| *was != called),
            name: called,
            duration: Pair::duration(&a, &b),
            tokens: Pair::tokens(&a, &b),
            cost: Pair::cost(&a, &b),
            gap,
        }
    }

    fn whole(comparison: &Comparison, place: &Place, selected: bool) -> Self {
        let (a, b) = (
            Totals::of(&comparison.a.summary),
            Totals::of(&comparison.b.summary),
        );
        let change = if comparison.whole.is_empty() {
            Change::Unchanged
        } else {
            Change::Changed
        };
        Self {
            number: "whole".to_owned(),
            href: place.row(None),
            selected,
            change: change.word(),
            mark: change.mark(),
            differs: change == Change::Changed,
            what: what(change, comparison.whole.iter()),
            indent: 0,
            level: 1,
            kind: None,
            name: "The whole trace".to_owned(),
            was: None,
            duration: Pair::duration(&a, &b),
            tokens: Pair::tokens(&a, &b),
            cost: Pair::cost(&a, &b),
            gap: 0,
        }
    }
}

fn choose(store: &dyn Store, frame: Frame, asked: Asked) -> Result<ChoosePage, Missing> {
    let chosen = if asked.a.is_empty() {
        &asked.b
    } else {
        &asked.a
    };
    let trace = match chosen.as_str() {
        "" => None,
        id => Some(
            store
                .trace(id)?
                .ok_or_else(|| Missing::Trace(id.to_owned()))?
                .summary,
        ),
    };
    let mut choices = Vec::new();
    if let Some(trace) = &trace {
        // Those of the same name, the newest first; of one without a name, all.
        let term = |name: &String| Term {
            negated: false,
            test: Test::Is(Key::Name, vec![Pattern::Exactly(name.clone())]),
        };
        let query = TraceQuery {
            filter: Filter {
                terms: trace.name.iter().map(term).collect(),
            },
            limit: CHOICES + 1,
            ..TraceQuery::default()
        };
        let others = store.traces(&query)?.traces.into_iter();
        let others = others.filter(|other| other.trace_id != trace.trace_id);
        choices.extend(others.take(CHOICES as usize).map(|other| {
            Choice {
                href: if asked.a.is_empty() {
                    base(&other.trace_id, &trace.trace_id)
                } else {
                    base(&trace.trace_id, &other.trace_id)
                },
                name: facts::name_of(&other),
                status: Status::of(&other.status),
                started: other.started_at.map(Moment::of),
                duration: other.duration_ms.map(present::duration).unwrap_or_default(),
                tokens: present::tokens(&other.usage)
                    .map(present::count)
                    .unwrap_or_default(),
                input: other.input_preview.unwrap_or_default(),
                id: other.trace_id,
            }
        }));
    }
    Ok(ChoosePage {
        frame,
        with: trace.map(|trace| (facts::name_of(&trace), facts::trace_href(&trace.trace_id))),
        a: asked.a,
        b: asked.b,
        choices,
    })
}
