//! `outline`: a trace at a glance.

use std::fmt::Write as _;

use std::collections::HashMap;

use rmcp::schemars;
use serde::Deserialize;

use super::{
    Failure, Local,
    answer::{Answer, number, short},
    tree::{Tree, error, failed, name},
};
use crate::{
    present,
    query::{SpanRow, TraceDetail},
};

/// Siblings of one type and name that are shown one by one.
const ALIKE: usize = 3;
/// Ids that a line names.
const IDS: usize = 5;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The trace's id, the beginning of it, or `last` for the newest.
    trace: String,
    /// Only this span and what is below it.
    span: Option<String>,
    /// Show every span on a line of its own, in the order in which they began, instead of folding repeated siblings.
    #[serde(default)]
    unfold: bool,
    /// Lines of the tree that are passed over.
    #[serde(default)]
    offset: usize,
    /// Tokens that the answer may take, from 300 to 50000; 2000 unless said.
    budget: Option<u64>,
}

pub(super) fn answer(local: &Local, asked: &Asked) -> Result<String, Failure> {
    let mut answer = Answer::within(asked.budget)?;
    let trace = local.find(&asked.trace)?;
    let trace_id = &trace.summary.trace_id;
    let tree = Tree::read(local, trace_id)?;
    let from = asked
        .span
        .as_deref()
        .map(|span| tree.find(&trace, span))
        .transpose()?;
    let first = asked.offset == 0;
    if first {
        head(&trace, &tree, from, &mut answer);
        causes(&trace, &tree, from, &mut answer);
    }
    let tops: Vec<usize> = from.map_or_else(|| tree.tops.clone(), |from| vec![from]);
    let mut lines = Lines {
        tree: &tree,
        most: if asked.unfold { usize::MAX } else { ALIKE },
        offset: asked.offset,
        at: 0,
        shown: 0,
        is_full: false,
    };
    lines.write(&tops, &mut answer);
    let (all, next) = (lines.at, asked.offset + lines.shown);
    if first && all == 0 {
        answer.line("no spans");
    } else if asked.offset >= all && !first {
        answer.line(&format!(
            "the tree has {all} lines: `offset` is behind them"
        ));
    }
    if next < all {
        let below = from
            .map(|from| format!(", \"span\": \"{}\"", tree.rows[from].span_id))
            .unwrap_or_default();
        let unfold = if asked.unfold {
            ", \"unfold\": true"
        } else {
            ""
        };
        answer.left_out(format!(
            "{} more of the tree: outline {{\"trace\": \"{trace_id}\"{below}{unfold}, \"offset\": {next}}}",
            number(all - next, "line")
        ));
    }
    Ok(answer.told())
}

fn head(trace: &TraceDetail, tree: &Tree, from: Option<usize>, answer: &mut Answer) {
    let summary = &trace.summary;
    let mut line = format!(
        "trace {} {}: {}",
        summary.trace_id,
        short(summary.name.as_deref().unwrap_or("without a name"), 80),
        summary.status
    );
    line.extend(
        summary
            .started_at
            .map(|at| format!(", {}", present::moment(at))),
    );
    line.extend(
        summary
            .duration_ms
            .map(|ms| format!(", {}", present::duration(ms))),
    );
    let _ = write!(line, ", {}", number(tree.rows.len(), "span"));
    line.extend(
        present::tokens(&summary.usage)
            .map(|tokens| format!(", {} tokens", present::count(tokens))),
    );
    line.extend(present::trace_cost(summary).map(|cost| format!(", {cost}")));
    answer.line(&line);
    if let Some(dropped) = present::dropped(trace.dropped()) {
        answer.line(&format!("lost before it was stored: {dropped}"));
    }
    if let Some(from) = from {
        answer.line(&format!("below {}", tree.path(from)));
        return;
    }
    for (what, text) in [
        ("in", &summary.input_preview),
        ("out", &summary.output_preview),
    ] {
        if let Some(text) = text {
            answer.line(&format!("{what}: {}", short(text, 200)));
        }
    }
    if let Some(error) = &summary.error {
        let words = [&error.kind, &error.message].map(|part| part.as_deref().unwrap_or_default());
        answer.line(&format!("error: {}", short(&words.join(" "), 240)));
    }
}

/// Where failures are from, alike ones together, in at most a half of the room.
fn causes(trace: &TraceDetail, tree: &Tree, from: Option<usize>, answer: &mut Answer) {
    let causes = tree.causes(from);
    if causes.is_empty() {
        answer.line("no span failed");
        return;
    }
    let all = tree
        .range(from)
        .filter(|index| failed(&tree.rows[*index]))
        .count();
    answer.line(&format!(
        "{} failed; where that is from, with the path to it:",
        number(all, "span")
    ));
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for index in &causes {
        let row = &tree.rows[*index];
        let words = format!(
            "✗ {} [{}] {}",
            tree.path(*index),
            short(&row.kind, 20),
            error(row, 200)
        );
        let group = *known.entry(words.clone()).or_insert_with(|| {
            groups.push((words, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(*index);
    }
    let half = answer.room() / 2;
    let mut shown = 0;
    for (words, spans) in &groups {
        if !answer.line_leaving(&format!("{words} | {}", ids(tree, spans)), half) {
            break;
        }
        shown += 1;
    }
    if shown < groups.len() {
        answer.left_out(format!(
            "{}: search {{\"trace\": \"{}\", \"status\": \"error\"}}",
            number(groups.len() - shown, "more kind of failure")
                .replace("kind of failures", "kinds of failure"),
            trace.summary.trace_id
        ));
    }
}

/// The ids of some spans.
fn ids(tree: &Tree, spans: &[usize]) -> String {
    let named: Vec<_> = spans
        .iter()
        .take(IDS)
        .map(|index| short(&tree.rows[*index].span_id, 64))
        .collect();
    let more = match spans.len() {
        1 => String::new(),
        all if all > IDS => format!(" and {} more", all - IDS),
        _ => String::new(),
    };
    let times = if spans.len() > 1 {
        format!("×{} ", spans.len())
    } else {
        String::new()
    };
    format!("{times}span {}{more}", named.join(" "))
}

/// The lines of the tree.
struct Lines<'a> {
    tree: &'a Tree,
    most: usize,
    offset: usize,
    /// The line that comes next.
    at: usize,
    shown: usize,
    is_full: bool,
}

impl Lines<'_> {
    fn write(&mut self, tops: &[usize], answer: &mut Answer) {
        let mut open = vec![(
            0_usize,
            self.tree
                .folded(tops.iter().copied(), self.most)
                .into_iter(),
        )];
        while let Some((depth, groups)) = open.last_mut() {
            let depth = *depth;
            let Some(group) = groups.next() else {
                open.pop();
                continue;
            };
            if self.at >= self.offset && !self.is_full {
                let line = self.line(&group, depth);
                if answer.line(&line) {
                    self.shown += 1;
                } else {
                    self.is_full = true;
                }
            }
            self.at += 1;
            // What is below of many that are alike is told together.
            let most = if group.len() > 1 { 0 } else { self.most };
            let below = group
                .iter()
                .flat_map(|index| self.tree.below(*index))
                .copied();
            open.push((depth + 1, self.tree.folded(below, most).into_iter()));
        }
    }

    fn line(&self, group: &[usize], depth: usize) -> String {
        let rows: Vec<&SpanRow> = group.iter().map(|index| &self.tree.rows[*index]).collect();
        let first = rows[0];
        let mut line = format!("{}{}", "  ".repeat(depth.min(12)), name(first, 60));
        if depth > 12 {
            let _ = write!(line, " (depth {depth})");
        }
        if first.name.as_deref() != Some(&first.kind) {
            let _ = write!(line, " [{}]", short(&first.kind, 20));
        }
        let failures: Vec<usize> = group
            .iter()
            .copied()
            .filter(|index| failed(&self.tree.rows[*index]))
            .collect();
        if let [row] = rows[..] {
            let _ = write!(line, " {}", short(&row.span_id, 64));
            line.extend(
                row.duration_ms
                    .map(|ms| format!(", {}", present::duration(ms))),
            );
            line.extend(
                row.model
                    .as_deref()
                    .map(|model| format!(", {}", short(model, 60))),
            );
            if !failures.is_empty() {
                let _ = write!(line, ", FAILED {}", error(row, 60));
            } else if row.status != "ok" {
                let _ = write!(line, ", {}", short(&row.status, 20));
            }
        } else {
            let _ = write!(line, " ×{}", rows.len());
            let took = rows.iter().filter_map(|row| row.duration_ms);
            let (mut least, mut most, mut sum) = (f64::INFINITY, 0.0_f64, 0.0);
            for ms in took {
                (least, most, sum) = (least.min(ms), most.max(ms), sum + ms);
            }
            if least.is_finite() {
                let [least, most, sum] = [least, most, sum].map(present::duration);
                let _ = write!(line, ", {least} to {most}, {sum} together");
            }
            if failures.is_empty() {
                let running = rows.iter().filter(|row| row.status == "running").count();
                if running > 0 {
                    let _ = write!(line, ", {running} running");
                }
            } else {
                let _ = write!(
                    line,
                    ", {} FAILED: {}",
                    failures.len(),
                    ids(self.tree, &failures)
                );
            }
        }
        let tokens: u64 = rows
            .iter()
            .filter_map(|row| present::tokens(&row.usage))
            .sum();
        if tokens > 0 {
            let _ = write!(line, ", {} tokens", present::count(tokens));
        }
        let costs: Vec<f64> = rows.iter().filter_map(|row| row.cost_usd).collect();
        if !costs.is_empty() {
            let _ = write!(line, ", {}", present::cost(costs.iter().sum()));
        }
        line
    }
}
