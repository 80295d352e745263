//! Whose lines are where, so that it can be told who has lost how much when a segment can be read no more.

use std::collections::HashMap;

use memchr::memchr_iter;

use super::line::Line;

/// Lines of one trace that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// The trace's id; 0 for lines that belong to none by its id, and for marks.
    pub(crate) trace: u128,
    pub(crate) lines: u32,
    /// Whether the first of all lines of the trace is among them, and its end.
    pub(crate) starts: bool,
    pub(crate) ends: bool,
}

impl Run {
    /// Lines that nobody is told of.
    pub(super) fn of_nobody(lines: u64) -> Self {
        Self {
            trace: 0,
            lines: u32::try_from(lines).unwrap_or(u32::MAX),
            starts: false,
            ends: false,
        }
    }
}

/// Appends one to others that it may go on from.
pub(crate) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.trace == run.trace => {
            last.lines = last.lines.saturating_add(run.lines);
            last.starts |= run.starts;
            last.ends |= run.ends;
        }
        _ => runs.push(run),
    }
}

/// Those of whole lines, read off the lines.
pub(crate) fn of(text: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    for end in memchr_iter(b'\n', text) {
        let line = Line::new(&text[start..=end]);
        start = end + 1;
        let trace = line.id().filter(|_| !line.is_mark()).unwrap_or(0);
        push(
            &mut runs,
            Run {
                trace,
                lines: 1,
                starts: line.starts(),
                ends: line.ends(),
            },
        );
    }
    runs
}

/// Runs of which some are taken, in order, while the lines go into segments.
#[derive(Debug)]
pub(super) struct Rest<'a> {
    runs: &'a [Run],
    /// Lines of the first that are taken.
    taken: u32,
}

impl<'a> Rest<'a> {
    pub(super) fn new(runs: &'a [Run]) -> Self {
        Self { runs, taken: 0 }
    }

    /// Moves the runs of so many lines.
    pub(super) fn take(&mut self, mut lines: u64, into: &mut Vec<Run>) {
        while let Some(first) = self.runs.first().filter(|_| lines > 0) {
            let left = first.lines - self.taken;
            let now = u32::try_from(lines).unwrap_or(u32::MAX).min(left);
            push(
                into,
                Run {
                    lines: now,
                    starts: first.starts && self.taken == 0,
                    ends: first.ends && now == left,
                    ..*first
                },
            );
            lines -= u64::from(now);
            self.taken += now;
            if now == left {
                self.runs = &self.runs[1..];
                self.taken = 0;
            }
        }
    }
}

/// How many lines they are.
pub(super) fn lines(runs: &[Run]) -> u64 {
    runs.iter().map(|run| u64::from(run.lines)).sum()
}

/// Traces that have lost lines and have others left, and how many they have lost, where all lines but the first `kept`
/// are lost.
pub(super) fn losses(runs: &[Run], kept: u64) -> Vec<(u128, u64)> {
    let (mut kept_runs, mut lost_runs) = (Vec::new(), Vec::new());
    let mut rest = Rest::new(runs);
    rest.take(kept, &mut kept_runs);
    rest.take(u64::MAX, &mut lost_runs);
    let mut lost: HashMap<u128, Run> = HashMap::new();
    for run in lost_runs.into_iter().filter(|run| run.trace != 0) {
        let of_trace = lost.entry(run.trace).or_insert(Run { lines: 0, ..run });
        of_trace.lines = of_trace.lines.saturating_add(run.lines);
        of_trace.starts |= run.starts;
        of_trace.ends |= run.ends;
    }
    lost.into_values()
        .filter(|run| !(run.starts && run.ends))
        .map(|run| (run.trace, u64::from(run.lines)))
        .collect()
}
