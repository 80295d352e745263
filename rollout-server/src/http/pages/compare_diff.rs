//! The pane of `/compare`: what differs of one step, side by side or in one column.

use askama::{Template, filters::HtmlSafe};

use super::facts::{self, Kind, Status};
use crate::{
    compare::{
        Change, Comparison, Form, Part, PartDiff, ReportRow, Side, StepDiff, TextDiff, Totals, Turn,
    },
    present,
    query::{SpanRow, TraceSummary},
};

/// What differs of one step, or of the traces as a whole.
#[derive(Template)]
#[template(path = "compare_diff.html")]
pub(super) struct DiffPane {
    change: &'static str,
    mark: &'static str,
    kind: Option<Kind>,
    name: String,
    /// What became of it, in a sentence.
    words: String,
    /// Its pages in both traces.
    links: Vec<(&'static str, String)>,
    measures: Vec<Measure>,
    parts: Vec<PartView>,
}

// Askama has escaped what these print.
impl HtmlSafe for DiffPane {}
impl HtmlSafe for TextView {}

/// A measure of both, and what the second has more.
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) a: String,
    pub(super) b: String,
    /// The statuses' classes, where it is the status.
    pub(super) classes: Option<(&'static str, &'static str)>,
    pub(super) delta: String,
}

impl Measure {
    fn of(
        name: &'static str,
        a: Option<f64>,
        b: Option<f64>,
        words: fn(f64) -> String,
    ) -> Option<Self> {
        if a.is_none() && b.is_none() {
            return None;
        }
        let side = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), words);
        let delta = match (a, b) {
            (Some(a), Some(b)) if words(a) != words(b) => {
                let share = present::share(a, b).map(|share| format!(" ({share})"));
                format!(
                    "{}{}",
                    present::more(b - a, words),
                    share.unwrap_or_default()
                )
            }
            _ => String::new(),
        };
        Some(Self {
            name,
            a: side(a),
            b: side(b),
            classes: None,
            delta,
        })
    }

    fn status(a: Option<&str>, b: Option<&str>) -> Self {
        let side = |status: Option<&str>| Status::of(status.unwrap_or("–"));
        let (left, right) = (side(a), side(b));
        Self {
            name: "status",
            classes: Some((
                if a.is_some() { left.class } else { "" },
                if b.is_some() { right.class } else { "" },
            )),
            a: left.word,
            b: right.word,
            delta: String::new(),
        }
    }

    fn took(a: Totals, b: Totals) -> impl Iterator<Item = Self> {
        let number = |tokens: Option<u64>| tokens.map(|tokens| tokens as f64);
        let count = |n: f64| present::count(n as u64);
        let took = [
            Self::of("duration", a.duration_ms, b.duration_ms, present::duration),
            Self::of("tokens", number(a.tokens), number(b.tokens), count),
            Self::of("cost", a.cost_usd, b.cost_usd, present::cost),
        ];
        took.into_iter().flatten()
    }
}

/// The measures of two traces.
pub(super) fn measures(a: &TraceSummary, b: &TraceSummary) -> Vec<Measure> {
    let count = |n: f64| present::count(n as u64);
    let number = |n: u64| Some(n as f64);
    let mut measures = vec![Measure::status(Some(&a.status), Some(&b.status))];
    measures.extend(Measure::of(
        "spans",
        number(a.span_count),
        number(b.span_count),
        count,
    ));
    measures.extend(Measure::of(
        "errors",
        number(a.error_count),
        number(b.error_count),
        count,
    ));
    measures.extend(Measure::took(Totals::of(a), Totals::of(b)));
    measures
}

struct PartView {
    title: &'static str,
    note: Option<&'static str>,
    form: FormView,
}

enum FormView {
    Lines(TextView),
    Turns(Vec<TurnView>),
}

struct TurnView {
    change: &'static str,
    mark: &'static str,
    role: String,
    /// Said of messages that are the same.
    same: Option<String>,
    text: TextView,
}

/// A text diff, in one column and in two.
#[derive(Template)]
#[template(path = "compare_text.html")]
struct TextView {
    hunks: Vec<HunkView>,
    left_out: Option<String>,
}

struct HunkView {
    /// In one column.
    lines: Vec<LineView>,
    /// In two.
    pairs: Vec<(CellView, CellView)>,
}

struct LineView {
    class: &'static str,
    mark: &'static str,
    pieces: Vec<(bool, String)>,
}

/// One half of a line in two columns.
#[derive(Default)]
struct CellView {
    class: &'static str,
    mark: &'static str,
    number: String,
    pieces: Vec<(bool, String)>,
}

impl DiffPane {
    pub(super) fn of(comparison: &Comparison, row: Option<&ReportRow>, diff: StepDiff) -> Self {
        let parts: Vec<PartView> = diff.parts.into_iter().map(PartView::of).collect();
        let Some(row) = row else {
            let whole = comparison.whole;
            let change = if whole.is_empty() {
                Change::Unchanged
            } else {
                Change::Changed
            };
            return Self {
                change: change.word(),
                mark: change.mark(),
                kind: None,
                name: "The whole trace".to_owned(),
                words: if whole.is_empty() {
                    "Both were given, said and returned the same.".to_owned()
                } else {
                    String::new()
                },
                links: Vec::new(),
                measures: Vec::new(),
                parts,
            };
        };
        let (a, b) = (row.a.as_ref(), row.b.as_ref());
        let span = row.span();
        let link = |side: &'static str, trace: &TraceSummary, span: Option<&SpanRow>| {
            span.map(|span| (side, facts::span_href(&trace.trace_id, &span.span_id)))
        };
        let links = [
            link("A", &comparison.a.summary, a),
            link("B", &comparison.b.summary, b),
        ];
        let totals = |span: Option<&SpanRow>| span.map(Totals::of_span).unwrap_or_default();
        let mut measures = vec![Measure::status(
            a.map(|span| span.status.as_str()),
            b.map(|span| span.status.as_str()),
        )];
        measures.extend(Measure::took(totals(a), totals(b)));
        Self {
            change: row.change.word(),
            mark: row.change.mark(),
            kind: span.map(|span| Kind::of(&span.kind)),
            name: span
                .map(|span| span.name.clone().unwrap_or_else(|| span.kind.clone()))
                .unwrap_or_default(),
            words: match row.change {
                Change::Unchanged => "Nothing differs that counts.".to_owned(),
                Change::Added => "Only B has this step.".to_owned(),
                Change::Removed => "Only A has this step.".to_owned(),
                Change::Moved => "It did the same in another place among its siblings.".to_owned(),
                Change::Changed if row.differs.has(Part::Order) => {
                    "It is in another place among its siblings, too.".to_owned()
                }
                Change::Changed => String::new(),
            },
            links: links.into_iter().flatten().collect(),
            measures,
            parts,
        }
    }
}

impl PartView {
    fn of(part: PartDiff) -> Self {
        let note = match &part.form {
            Form::Lines {
                has_a: true,
                has_b: false,
                ..
            } => Some("only in A"),
            Form::Lines {
                has_a: false,
                has_b: true,
                ..
            } => Some("only in B"),
            _ => None,
        };
        Self {
            title: part.part.name(),
            note,
            form: match part.form {
                Form::Lines { diff, .. } => FormView::Lines(TextView::of(diff)),
                Form::Conversation { turns } => {
                    FormView::Turns(turns.into_iter().map(TurnView::of).collect())
                }
            },
        }
    }
}

impl TurnView {
    fn of(turn: Turn) -> Self {
        Self {
            change: turn.change.word(),
            mark: turn.change.mark(),
            same: (turn.change == Change::Unchanged).then(|| match turn.messages {
                1 => "the same".to_owned(),
                more => format!("and {} more, the same", more - 1),
            }),
            role: turn.role,
            text: TextView::of(turn.diff),
        }
    }
}

impl TextView {
    fn of(diff: TextDiff) -> Self {
        Self {
            left_out: (diff.left_out > 0).then(|| {
                let lines = present::count(diff.left_out as u64);
                format!("{lines} more lines are not shown: open the span for all of it")
            }),
            hunks: diff.hunks.into_iter().map(HunkView::of).collect(),
        }
    }
}

impl HunkView {
    fn of(hunk: crate::compare::Hunk) -> Self {
        let mut pairs = Vec::new();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut flush = |left: &mut Vec<CellView>, right: &mut Vec<CellView>| {
            let rows = left.len().max(right.len());
            let (mut l, mut r) = (left.drain(..), right.drain(..));
            for _ in 0..rows {
                pairs.push((l.next().unwrap_or_default(), r.next().unwrap_or_default()));
            }
        };
        for line in &hunk.lines {
            let cell = |number: Option<usize>| CellView {
                class: class(line.side),
                mark: mark(line.side),
                number: digits(number),
                pieces: line.pieces.clone(),
            };
            match line.side {
                Side::A => left.push(cell(line.a)),
                Side::B => right.push(cell(line.b)),
                Side::Both => {
                    flush(&mut left, &mut right);
                    left.push(cell(line.a));
                    right.push(cell(line.b));
                    flush(&mut left, &mut right);
                }
            }
        }
        flush(&mut left, &mut right);
        let lines = hunk.lines.into_iter().map(|line| LineView {
            class: class(line.side),
            mark: mark(line.side),
            pieces: line.pieces,
        });
        Self {
            lines: lines.collect(),
            pairs,
        }
    }
}

fn digits(number: Option<usize>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn class(side: Side) -> &'static str {
    match side {
        Side::Both => "both",
        Side::A => "del",
        Side::B => "ins",
    }
}

fn mark(side: Side) -> &'static str {
    match side {
        Side::Both => "",
        Side::A => "−",
        Side::B => "+",
    }
}
