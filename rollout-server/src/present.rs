//! Durations, counts, costs and statuses as people read them. `viewer/js/format.js` has the same
//! rules for what changes while a page is open.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollout_core::event::Usage;

use crate::query::{ScoreStats, TraceSummary};

/// Milliseconds with three significant digits: `4.0 µs`, `12 ms`, `1.24 s`, `3m 05s`, `2h 07m`.
pub fn duration(ms: f64) -> String {
    if ms < 0.000_05 {
        return "0 ms".to_owned();
    }
    if ms < 0.01 {
        return format!("{:.1} µs", ms * 1000.0);
    }
    if ms < 0.9995 {
        return format!("{:.0} µs", ms * 1000.0);
    }
    if ms < 10.0 {
        return format!("{ms:.1} ms");
    }
    if ms < 999.5 {
        return format!("{ms:.0} ms");
    }
    let seconds = ms / 1000.0;
    if seconds < 9.995 {
        return format!("{seconds:.2} s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        return format!("{}m {:02}s", whole / 60, whole % 60);
    }
    let minutes = whole / 60;
    format!("{}h {:02}m", minutes / 60, minutes % 60)
}

/// A count in at most six characters: `812`, `12.4k`, `3.10M`.
pub fn count(n: u64) -> String {
    if n < 10_000 {
        n.to_string()
    } else if n < 999_950 {
        format!("{:.1}k", n as f64 / 1e3)
    } else {
        format!("{:.2}M", n as f64 / 1e6)
    }
}

/// What a trace has lost, by reason: `12 events (10 spool full, 2 queue full)`. `None` where that is nothing.
pub fn dropped<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Option<String> {
    let (mut total, mut reasons) = (0_u64, Vec::new());
    for (reason, lost) in counts.filter(|(_, lost)| *lost > 0) {
        total = total.saturating_add(lost);
        reasons.push(format!("{} {}", count(lost), reason.replace('_', " ")));
    }
    let events = if total == 1 { "event" } else { "events" };
    (total > 0).then(|| format!("{} {events} ({})", count(total), reasons.join(", ")))
}

/// US dollars; below one dollar with four digits, since a call costs fractions of a cent.
pub fn cost(usd: f64) -> String {
    if usd == 0.0 {
        "$0".to_owned()
    } else if usd < 0.0001 {
        "<$0.0001".to_owned()
    } else if usd < 1.0 {
        format!("${usd:.4}")
    } else {
        format!("${usd:.2}")
    }
}

/// What a trace cost, as far as that is known: `≥$0.0123` where some of its calls have no price.
pub fn trace_cost(trace: &TraceSummary) -> Option<String> {
    let known = cost(trace.cost_usd?);
    Some(match trace.unpriced_calls {
        0 => known,
        _ => format!("≥{known}"),
    })
}

/// How many of each status, the most first: `180 COMPLETED, 12 TRUNCATED`.
pub fn statuses(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words = counts
        .into_iter()
        .map(|(status, number)| format!("{} {status}", count(*number)));
    words.collect::<Vec<_>>().join(", ")
}

/// Means and spreads, grader by grader: `exact 0.713 ± 0.210`.
pub fn scores(scores: &[ScoreStats]) -> String {
    let words = scores
        .iter()
        .map(|score| format!("{} {:.3} ± {:.3}", score.grader, score.mean, score.stddev));
    words.collect::<Vec<_>>().join(", ")
}

/// A score with at most three digits behind the point.
pub fn score(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A size: `512 B`, `64.0 KiB`, `5.2 MiB`.
pub fn bytes(n: u64) -> String {
    const KIB: f64 = 1024.0;
    let size = n as f64;
    if size < KIB {
        format!("{n} B")
    } else if size < KIB * KIB {
        format!("{:.1} KiB", size / KIB)
    } else {
        format!("{:.1} MiB", size / (KIB * KIB))
    }
}

/// A moment in UTC, to the second.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Milliseconds from one moment to another; never below zero.
pub fn since_ms(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_nanosecond() - from.as_nanosecond()).max(0) as f64 / 1e6
}

/// All tokens of a usage: what the provider says, else what went in and came out.
pub fn tokens(usage: &Usage) -> Option<u64> {
    usage
        .total_tokens
        .or_else(|| match (usage.input_tokens, usage.output_tokens) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        })
}

/// What a status means to the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Ok,
    /// It failed.
    Error,
    /// It has not ended.
    Running,
    /// It was given up.
    Cancelled,
    /// Its process is gone.
    Interrupted,
    /// A word of the program's own.
    Other,
}

impl Tone {
    /// The CSS class.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Running => "running",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Other => "other",
        }
    }

    /// The mark that stands before the word, told apart by shape alone.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Error => "✕",
            Self::Running => "●",
            Self::Cancelled => "⊘",
            Self::Interrupted => "◌",
            Self::Other => "!",
        }
    }
}

/// What the statuses of spans, traces and runs mean.
pub fn status_tone(status: &str) -> Tone {
    match status {
        "ok" | "success" | "completed" | "COMPLETED" => Tone::Ok,
        "running" | "PENDING" => Tone::Running,
        "cancelled" | "canceled" | "ABORTED" => Tone::Cancelled,
        "interrupted" => Tone::Interrupted,
        "error" | "failed" | "GRADER_TIMEOUT" => Tone::Error,
        status if status.ends_with("ERROR") => Tone::Error,
        _ => Tone::Other,
    }
}

/// The CSS class of a span type; types of a program's own share one.
pub fn kind_class(kind: &str) -> &'static str {
    match kind {
        "agent" => "agent",
        "llm" => "llm",
        "tool" => "tool",
        "task" => "task",
        "retrieval" => "retrieval",
        _ => "other",
    }
}

/// What one has more than another, with its sign: `+230 ms`, `−$0.0012`; `±0` where that is nothing.
pub fn more(delta: f64, words: impl FnOnce(f64) -> String) -> String {
    let sign = if delta < 0.0 { "−" } else { "+" };
    if delta == 0.0 {
        return "±0".to_owned();
    }
    format!("{sign}{}", words(delta.abs()))
}

/// How much more, in per cent of what it was; `None` where it was nothing, or hardly differs.
pub fn share(before: f64, after: f64) -> Option<String> {
    let share = (after - before) / before * 100.0;
    (before > 0.0 && share.abs() >= 0.5).then(|| {
        if share.abs() >= 1000.0 {
            format!("×{:.0}", after / before)
        } else {
            more(share, |share| format!("{share:.0}%"))
        }
    })
}
