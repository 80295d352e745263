//! Filters as ClickHouse's SQL.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::database::quoted;
use crate::{
    fold::nanoseconds,
    query::{Filter, Key, Measure, Pattern, Test, found::Needle},
};

/// What a filter asks of a row of `rollout_traces`, as ` AND …`.
pub(super) fn conditions(filter: &Filter, now: Timestamp) -> String {
    let mut sql = String::new();
    for term in &filter.terms {
        // A test of what is not known is not passed, and its opposite is.
        let (before, after) = if term.negated {
            (" AND NOT ifNull((", "), false)")
        } else {
            (" AND ifNull((", "), false)")
        };
        let _ = write!(sql, "{before}{}{after}", test(&term.test, now));
    }
    sql
}

fn test(test: &Test, now: Timestamp) -> String {
    match test {
        Test::Is(key, any_of) => is(key, any_of),
        Test::Measures(measure, comparison, than) => {
            let than = format!("{} toFloat64({than:?})", comparison.symbol());
            measures(measure, &than)
        }
        Test::Since(moment) => format!("sort_at >= {}", nanoseconds(moment.resolve(now))),
        Test::Until(moment) => format!("sort_at < {}", nanoseconds(moment.resolve(now))),
        Test::Contains(text) => contains(text),
    }
}

fn is(key: &Key, any_of: &[Pattern]) -> String {
    let column = match key {
        Key::Id => {
            let (own, callers) = (any("trace_id", any_of), any("external_trace_id", any_of));
            return format!("ifNull({own}, false) OR ifNull({callers}, false)");
        }
        Key::Error => {
            let (own, spans) = (any("error_kind", any_of), member("span_errors", any_of));
            return format!("ifNull({own}, false) OR {spans}");
        }
        Key::Meta(name) => {
            let name = quoted(name);
            let value = any(&format!("meta[{name}]"), any_of);
            return format!("mapContains(meta, {name}) AND {value}");
        }
        Key::Tag => return member("tags", any_of),
        Key::Grader => return member("graders", any_of),
        Key::Type => return member("types", any_of),
        Key::Span => return member("span_names", any_of),
        Key::Tool => return member("tools", any_of),
        Key::Model => return member("models", any_of),
        Key::Provider => return member("providers", any_of),
        Key::Status => "status",
        Key::Name => "name",
        Key::User => "user_id",
        Key::Account => "account_id",
        Key::Session => "session_id",
        Key::Conversation => "conversation_id",
        Key::Agent => "agent_name",
        Key::Version => "version_of_agent",
        Key::Environment => "environment",
        Key::Run => "run_id",
        Key::Phase => "phase",
        Key::Step => "toString(step_number)",
        Key::Datapoint => "datapoint_id",
        Key::Env => "env_name",
        Key::Group => "group_id",
    };
    any(column, any_of)
}

/// Some member of an array is one of these.
fn member(array: &str, any_of: &[Pattern]) -> String {
    format!("arrayExists(one -> {}, {array})", any("one", any_of))
}

fn any(value: &str, any_of: &[Pattern]) -> String {
    let tests: Vec<String> = any_of
        .iter()
        .map(|pattern| match pattern {
            Pattern::Exactly(text) => format!("{value} = {}", quoted(text)),
            Pattern::Wildcard(pieces) => {
                let pieces: Vec<String> = pieces.iter().map(|piece| like(piece)).collect();
                format!("{value} LIKE {}", quoted(&pieces.join("%")))
            }
        })
        .collect();
    format!("({})", tests.join(" OR "))
}

/// A piece of a pattern in which nothing is special.
fn like(piece: &str) -> String {
    let mut text = String::with_capacity(piece.len());
    for c in piece.chars() {
        match c {
            '%' | '_' | '\\' => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

fn measures(measure: &Measure, than: &str) -> String {
    let of = match measure {
        Measure::Duration => "took / 1e6",
        Measure::Cost => "cost_usd",
        Measure::Tokens => {
            "toFloat64(coalesce(total_tokens, coalesce(input_tokens, 0) + coalesce(output_tokens, 0)))"
        }
        Measure::Input => "toFloat64(input_tokens)",
        Measure::Output => "toFloat64(output_tokens)",
        Measure::Spans => "toFloat64(span_count)",
        Measure::Errors => "toFloat64(error_count)",
        Measure::Turns => "toFloat64(turns)",
        Measure::Score(None) => return format!("arrayExists(score -> score {than}, scores)"),
        Measure::Score(Some(grader)) => {
            let grader = quoted(grader);
            return format!(
                "arrayExists((grader, score) -> grader = {grader} AND score {than}, graders, scores)"
            );
        }
    };
    format!("{of} {than}")
}

/// A row of texts holds for the row of its trace that knows as much.
fn contains(text: &str) -> String {
    let needle = Needle::new(text);
    if needle.is_empty() {
        return "true".to_owned();
    }
    let pattern = format!("%{}%", like(needle.folded()));
    format!(
        "(trace, version) IN (SELECT trace, version FROM rollout_texts WHERE text LIKE {})",
        quoted(&pattern)
    )
}

/// The texts that a filter asks for, and whether they must not be there.
pub(super) fn texts(filter: &Filter) -> Vec<(Needle, bool)> {
    let terms = filter.terms.iter();
    let texts = terms.filter_map(|term| match &term.test {
        Test::Contains(text) => Some((Needle::new(text), term.negated)),
        _ => None,
    });
    texts.filter(|(needle, _)| !needle.is_empty()).collect()
}
