//! Two traces, and what differs between them.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::paint::{BOLD, DIM, Facts, Painted, kind, plain, short_id, tone};
use crate::{
    compare::{
        Change, Comparison, Form, Line, Part, PartDiff, ReportRow, Side, StepDiff, TextDiff,
        Totals, Turn,
    },
    present,
    query::{SpanRow, TraceSummary},
};

/// Characters of a name.
const NAME: usize = 60;
/// Lines of one text diff.
const LINES: usize = 60;

const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();

/// A comparison and what of it is shown.
#[derive(Debug, Clone, Copy)]
pub struct DiffView<'a> {
    /// The comparison.
    pub comparison: &'a Comparison,
    /// The steps that are shown.
    pub rows: &'a [ReportRow],
    /// The steps (`None`: the traces as a whole) of which text diffs are shown.
    pub diffs: &'a [(Option<usize>, StepDiff)],
}

/// Writes both traces' facts, their steps as one tree with `+`, `-`, `~` and `↕` before what was added, removed, changed
/// and moved, the text diffs, and how many differ, in lines of about `width` characters.
pub fn write_diff(out: &mut dyn Write, view: &DiffView<'_>, width: usize) -> io::Result<()> {
    let comparison = view.comparison;
    head(out, comparison)?;
    steps(out, view, width)?;
    for (row, diff) in view.diffs {
        writeln!(out)?;
        title(out, view, *row)?;
        parts(out, &diff.parts, width)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", totals(comparison))
}

fn style(change: Change) -> Style {
    match change {
        Change::Unchanged => DIM,
        Change::Removed => REMOVED,
        Change::Added => ADDED,
        Change::Changed | Change::Moved => CHANGED,
    }
}

fn head(out: &mut dyn Write, comparison: &Comparison) -> io::Result<()> {
    let (a, b) = (&comparison.a.summary, &comparison.b.summary);
    for (style, mark, trace) in [(REMOVED, "- A", a), (ADDED, "+ B", b)] {
        let mut facts = Facts::default();
        facts.push(Painted(style, mark));
        let name = trace.name.as_deref().unwrap_or("(no name)");
        facts.push(Painted(BOLD, plain(name, NAME)));
        facts.push(short_id(&trace.trace_id));
        facts.extend(
            trace
                .started_at
                .map(|at| Painted(DIM, format!("{} UTC", present::moment(at)))),
        );
        writeln!(out, "{facts}")?;
    }
    writeln!(out)?;
    let (x, y) = (Totals::of(a), Totals::of(b));
    let number = |n: Option<u64>| n.map(|n| n as f64);
    let count = |n: f64| present::count(n as u64);
    let both = format!("{}{}", status(a, 16), status(b, 0));
    facts_row(out, "status", &both, "", "")?;
    measure(
        out,
        "duration",
        x.duration_ms,
        y.duration_ms,
        present::duration,
    )?;
    measure(
        out,
        "spans",
        number(Some(a.span_count)),
        number(Some(b.span_count)),
        count,
    )?;
    measure(
        out,
        "errors",
        number(Some(a.error_count)),
        number(Some(b.error_count)),
        count,
    )?;
    measure(out, "tokens", number(x.tokens), number(y.tokens), count)?;
    measure(out, "cost", x.cost_usd, y.cost_usd, present::cost)
}

fn status(trace: &TraceSummary, width: usize) -> String {
    let meant = present::status_tone(&trace.status);
    let words = format!("{} {}", meant.mark(), plain(&trace.status, 13));
    Painted(tone(meant), format!("{words:<width$}")).to_string()
}

fn measure(
    out: &mut dyn Write,
    name: &str,
    a: Option<f64>,
    b: Option<f64>,
    words: fn(f64) -> String,
) -> io::Result<()> {
    if a.is_none() && b.is_none() {
        return Ok(());
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
    facts_row(
        out,
        name,
        &format!("{:<16}", side(a)),
        &format!("{:<16}", side(b)),
        &delta,
    )
}

fn facts_row(out: &mut dyn Write, name: &str, a: &str, b: &str, delta: &str) -> io::Result<()> {
    let line = format!(
        "  {}{a}{b}{delta}",
        Painted(DIM, format_args!("{name:<10}"))
    );
    writeln!(out, "{}", line.trim_end())
}

/// The words of one row, in columns.
struct Cells {
    change: Change,
    depth: usize,
    kind: String,
    name: String,
    differs: String,
    duration: String,
    tokens: String,
    /// Rows without a difference before it that are not shown.
    gap: usize,
}

impl Cells {
    fn of(row: &ReportRow, gap: usize) -> Self {
        let span = row.span();
        let differs = match row.change {
            Change::Added | Change::Removed => row.change.word().to_owned(),
            _ => row
                .differs
                .iter()
                .map(Part::name)
                .collect::<Vec<_>>()
                .join(", "),
        };
        let kind = span.map(|span| plain(&span.kind, 20)).unwrap_or_default();
        Self {
            change: row.change,
            depth: row.depth as usize,
            name: names(row),
            kind,
            differs,
            duration: both(row, |totals| totals.duration_ms.map(present::duration)),
            tokens: both(row, |totals| totals.tokens.map(present::count)),
            gap,
        }
    }
}

impl Cells {
    fn indent(&self) -> String {
        "  ".repeat(self.depth.min(30))
    }

    /// Characters before the numbers.
    fn used(&self) -> usize {
        let differs = match self.differs.chars().count() {
            0 => 0,
            some => some + 2,
        };
        let words = self.kind.chars().count() + 1 + self.name.chars().count();
        2 + self.indent().len() + words + differs
    }
}

fn name(span: &SpanRow) -> String {
    plain(span.name.as_deref().unwrap_or(&span.kind), NAME)
}

fn names(row: &ReportRow) -> String {
    match (row.a.as_ref().map(name), row.b.as_ref().map(name)) {
        (Some(a), Some(b)) if a != b => format!("{a} → {b}"),
        (a, b) => b.or(a).unwrap_or_default(),
    }
}

/// A measure of both: once where it reads the same.
fn both(row: &ReportRow, words: impl Fn(Totals) -> Option<String>) -> String {
    let side = |span: &Option<SpanRow>| span.as_ref().and_then(|span| words(Totals::of_span(span)));
    match (side(&row.a), side(&row.b)) {
        (Some(a), Some(b)) if a != b => format!("{a} → {b}"),
        (a, b) => b.or(a).unwrap_or_default(),
    }
}

fn steps(out: &mut dyn Write, view: &DiffView<'_>, width: usize) -> io::Result<()> {
    if view.rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut next = 0;
    let cells: Vec<Cells> = view
        .rows
        .iter()
        .map(|row| {
            let gap = row.row - next;
            next = row.row + 1;
            Cells::of(row, gap)
        })
        .collect();
    let last = view.comparison.rows.len() - next;
    let wide = |of: fn(&Cells) -> &String| {
        let widths = cells.iter().map(|cells| of(cells).chars().count());
        widths.max().unwrap_or(0)
    };
    let (duration, tokens) = (wide(|cells| &cells.duration), wide(|cells| &cells.tokens));
    // Tokens go where there is no room.
    let with_tokens = tokens > 0 && width >= 60 + duration + tokens;
    let right = duration + if with_tokens { tokens + 4 } else { 2 };
    // The numbers stand close to the longest of the names, as far as there is room.
    let used = cells.iter().map(Cells::used).max().unwrap_or(0);
    let room = used.min(width.saturating_sub(right)).max(24);
    for cells in &cells {
        elided(out, cells.gap)?;
        let style = style(cells.change);
        let over = cells.used().saturating_sub(room);
        let name = plain(
            &cells.name,
            cells.name.chars().count().saturating_sub(over).max(8),
        );
        let fill =
            room.saturating_sub(cells.used() - cells.name.chars().count() + name.chars().count());
        let mut numbers = format!("{:fill$}  {:>duration$}", "", cells.duration);
        if with_tokens {
            numbers = format!("{numbers}  {:>tokens$}", cells.tokens);
        }
        let painted = match cells.change {
            Change::Unchanged => name,
            _ => Painted(style, name).to_string(),
        };
        let differs = match &*cells.differs {
            "" => String::new(),
            differs => format!("  {}", Painted(style, differs)),
        };
        writeln!(
            out,
            "{} {}{} {painted}{differs}{}",
            Painted(style, cells.change.mark()),
            cells.indent(),
            Painted(kind(&cells.kind), &cells.kind),
            Painted(DIM, numbers.trim_end()),
        )?;
    }
    elided(out, last)
}

fn elided(out: &mut dyn Write, rows: usize) -> io::Result<()> {
    match rows {
        0 => Ok(()),
        _ => {
            let words = format!("  ⋮ {}", counted(rows as u64, "step"));
            writeln!(out, "{}", Painted(DIM, words))
        }
    }
}

fn title(out: &mut dyn Write, view: &DiffView<'_>, row: Option<usize>) -> io::Result<()> {
    let comparison = view.comparison;
    let first = comparison.first.filter(|first| first.row == row);
    let lead = if first.is_some() {
        "First difference: "
    } else {
        ""
    };
    let shown = row.and_then(|row| view.rows.iter().find(|shown| shown.row == row));
    let step = match (row, shown) {
        (None, _) => "the trace".to_owned(),
        (Some(_), Some(row)) => {
            let kind = row
                .span()
                .map(|span| plain(&span.kind, 20))
                .unwrap_or_default();
            format!("{kind} {}", names(row))
        }
        (Some(row), None) => format!("step {row}"),
    };
    let words = match (
        row.and_then(|row| comparison.rows.get(row))
            .map(|row| row.change()),
        first,
    ) {
        (Some(Change::Added), _) => format!("{step} was added"),
        (Some(Change::Removed), _) => format!("{step} was removed"),
        (_, Some(first)) => match first.part {
            Some(Part::Order) => format!("{step} has moved"),
            Some(part) => format!("the {} of {step}", part.name()),
            None => step,
        },
        _ => step,
    };
    writeln!(out, "{}", Painted(BOLD, format!("{lead}{words}")))
}

fn parts(out: &mut dyn Write, parts: &[PartDiff], width: usize) -> io::Result<()> {
    for part in parts {
        writeln!(out, "  {}", Painted(DIM, part.part.name()))?;
        match &part.form {
            Form::Lines { diff, .. } => text(out, diff, "", width)?,
            Form::Conversation { turns } => conversation(out, turns, width)?,
        }
    }
    Ok(())
}

fn conversation(out: &mut dyn Write, turns: &[Turn], width: usize) -> io::Result<()> {
    for turn in turns {
        let role = plain(&turn.role, 40);
        match turn.change {
            Change::Unchanged if turn.messages == 1 => {
                writeln!(out, "    {}", Painted(DIM, format!("{role}  the same")))?;
            }
            Change::Unchanged => {
                let words = format!("⋮ {} the same", counted(turn.messages as u64, "message"));
                writeln!(out, "    {}", Painted(DIM, words))?;
            }
            change => {
                let mark = Painted(style(change), change.mark());
                writeln!(out, "  {mark} {}", Painted(BOLD, role))?;
                text(out, &turn.diff, "  ", width)?;
            }
        }
    }
    Ok(())
}

fn text(out: &mut dyn Write, diff: &TextDiff, indent: &str, width: usize) -> io::Result<()> {
    let room = width.saturating_sub(indent.len() + 4).max(20);
    let mut left = LINES;
    let mut hidden = diff.left_out;
    for (at, hunk) in diff.hunks.iter().enumerate() {
        if at > 0 && left > 0 {
            writeln!(out, "    {indent}{}", Painted(DIM, "⋮"))?;
        }
        for line in &hunk.lines {
            if left == 0 {
                hidden += 1;
                continue;
            }
            left -= 1;
            line_of(out, line, indent, room)?;
        }
    }
    if hidden > 0 {
        let words = format!("… {} more", counted(hidden as u64, "line"));
        writeln!(out, "    {indent}{}", Painted(DIM, words))?;
    }
    Ok(())
}

/// A line, broken where it is longer than there is room.
fn line_of(out: &mut dyn Write, line: &Line, indent: &str, room: usize) -> io::Result<()> {
    let style = match line.side {
        Side::Both => DIM,
        Side::A => REMOVED,
        Side::B => ADDED,
    };
    let mut mark = line.side.mark();
    let mut rows: Vec<Vec<(bool, String)>> = vec![Vec::new()];
    let mut used = 0;
    for (marked, piece) in &line.pieces {
        let piece = plain(piece, usize::MAX);
        let mut rest: Vec<char> = piece.chars().collect();
        while !rest.is_empty() {
            if used == room {
                rows.push(Vec::new());
                used = 0;
            }
            let take = rest.len().min(room - used);
            let head: String = rest.drain(..take).collect();
            used += take;
            if let Some(row) = rows.last_mut() {
                row.push((*marked, head));
            }
        }
    }
    for row in rows {
        let mut words = String::new();
        for (marked, piece) in row {
            // Told apart without colours by the lines themselves.
            let style = if marked {
                style.bold().underline()
            } else {
                style
            };
            words.push_str(&Painted(style, piece).to_string());
        }
        let text = format!("  {indent}{} {words}", Painted(style, mark));
        writeln!(out, "{}", text.trim_end())?;
        mark = " ";
    }
    Ok(())
}

fn totals(comparison: &Comparison) -> String {
    let counts = comparison.counts;
    let kinds = [
        (counts.changed, "changed"),
        (counts.added, "added"),
        (counts.removed, "removed"),
        (counts.moved, "moved"),
    ];
    let differ = kinds.iter().filter(|(count, _)| *count > 0);
    let mut words: Vec<_> = differ
        .map(|(count, word)| format!("{} {word}", present::count(*count)))
        .collect();
    words.push(format!("{} unchanged", present::count(counts.unchanged)));
    let whole: Vec<_> = comparison.whole.iter().map(Part::name).collect();
    let steps = format!("steps: {}", words.join(", "));
    if comparison.same() {
        return format!("no difference that counts; {steps}");
    }
    if whole.is_empty() {
        return steps;
    }
    format!("{steps}; of the trace: {}", whole.join(", "))
}

fn counted(count: u64, of: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {of}{s}", present::count(count))
}
