//! Filters as SQL.

use std::fmt::Write as _;

use jiff::Timestamp;
use rusqlite::types::Value;

use crate::{
    fold::nanoseconds,
    query::{Filter, Key, Measure, Pattern, Test},
};

/// Conditions on a row of `traces`, and the values that they name.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// What a filter asks for, as ` AND …`.
    pub(super) fn of(filter: &Filter, now: Timestamp) -> Self {
        let mut conditions = Self::default();
        for term in &filter.terms {
            // A test of what is not known is not passed, and its opposite is.
            conditions.sql.push_str(if term.negated {
                " AND NOT coalesce("
            } else {
                " AND ("
            });
            conditions.test(&term.test, now);
            conditions
                .sql
                .push_str(if term.negated { ", FALSE)" } else { ")" });
        }
        conditions
    }

    fn test(&mut self, test: &Test, now: Timestamp) {
        match test {
            Test::Is(key, any_of) => self.is(key, any_of),
            Test::Measures(measure, comparison, than) => {
                self.measure(measure);
                let _ = write!(self.sql, " {} ?", comparison.symbol());
                self.values.push(Value::Real(*than));
                if let Measure::Score(_) = measure {
                    self.sql.push(')');
                }
            }
            Test::Since(moment) => self.bound("sort_at >= ?", nanoseconds(moment.resolve(now))),
            Test::Until(moment) => self.bound("sort_at < ?", nanoseconds(moment.resolve(now))),
            Test::Contains(text) => self.contains(text),
        }
    }

    fn bound(&mut self, sql: &str, at: i64) {
        self.sql.push_str(sql);
        self.values.push(Value::Integer(at));
    }

    fn is(&mut self, key: &Key, any_of: &[Pattern]) {
        let (around, column) = match key {
            Key::Id => {
                self.sql.push_str("coalesce(");
                self.any("trace_id", any_of);
                self.sql.push_str(", FALSE) OR coalesce(");
                self.any("external_trace_id", any_of);
                self.sql.push_str(", FALSE)");
                return;
            }
            Key::Meta(name) => return self.member(2, name, any_of),
            Key::Version => return self.member(6, "version", any_of),
            Key::Environment => return self.member(6, "environment", any_of),
            Key::Status => ("", "status"),
            Key::Name => ("", "name"),
            Key::User => ("", "user_id"),
            Key::Account => ("", "account_id"),
            Key::Session => ("", "session_id"),
            Key::Conversation => ("", "conversation_id"),
            Key::Agent => ("", "agent_name"),
            Key::Run => ("", "run_id"),
            Key::Phase => ("", "phase"),
            Key::Step => ("", "CAST(step_number AS TEXT)"),
            Key::Datapoint => ("", "datapoint_id"),
            Key::Env => ("", "env_name"),
            Key::Group => ("", "group_id"),
            Key::Tag => (
                "EXISTS (SELECT 1 FROM json_each(traces.tags) WHERE ",
                "value",
            ),
            Key::Grader => (
                "EXISTS (SELECT 1 FROM scores WHERE scores.trace = traces.id AND ",
                "grader",
            ),
            Key::Type => (SPANS, "coalesce(spans.kind, 'span')"),
            Key::Span => (SPANS, "spans.name"),
            Key::Tool => (TOOLS, "spans.name"),
            Key::Model => (SPANS, "spans.model"),
            Key::Provider => (SPANS, "spans.provider"),
            Key::Error => {
                self.sql.push_str("coalesce(");
                self.any("error_kind", any_of);
                self.sql.push_str(", FALSE) OR ");
                (SPANS, "spans.error_kind")
            }
        };
        self.sql.push_str(around);
        self.any(column, any_of);
        if !around.is_empty() {
            self.sql.push(')');
        }
    }

    /// A member of one of the trace's objects: a text by itself, anything else as JSON writes it.
    fn member(&mut self, what: i64, name: &str, any_of: &[Pattern]) {
        let _ = write!(
            self.sql,
            "EXISTS (SELECT 1 FROM (SELECT body ->> ? AS text, body -> ? AS json FROM trace_payloads
                WHERE trace_payloads.id = 8 * traces.id + {what}) WHERE "
        );
        let path = Value::Text(format!("$.\"{name}\""));
        self.values.extend([path.clone(), path]);
        self.any("text", any_of);
        self.sql.push_str(" OR ");
        self.any("json", any_of);
        self.sql.push(')');
    }

    fn any(&mut self, column: &str, any_of: &[Pattern]) {
        self.sql.push('(');
        for (nth, pattern) in any_of.iter().enumerate() {
            if nth > 0 {
                self.sql.push_str(" OR ");
            }
            self.sql.push_str(column);
            self.values.push(Value::Text(match pattern {
                Pattern::Exactly(text) => {
                    self.sql.push_str(" = ?");
                    text.clone()
                }
                Pattern::Wildcard(pieces) => {
                    self.sql.push_str(" GLOB ?");
                    let pieces: Vec<_> = pieces.iter().map(|piece| glob(piece)).collect();
                    pieces.join("*")
                }
            }));
        }
        self.sql.push(')');
    }

    fn measure(&mut self, measure: &Measure) {
        self.sql.push_str(match measure {
            Measure::Duration => "coalesce(duration, max(ended_at - started_at, 0)) / 1e6",
            Measure::Cost => "usage ->> '$.cost_usd'",
            Measure::Tokens => {
                "coalesce(usage ->> '$.total_tokens', coalesce(usage ->> '$.input_tokens', 0)
                    + coalesce(usage ->> '$.output_tokens', 0))"
            }
            Measure::Input => "usage ->> '$.input_tokens'",
            Measure::Output => "usage ->> '$.output_tokens'",
            Measure::Spans => "span_count",
            Measure::Errors => "error_count",
            Measure::Turns => "turns",
            Measure::Score(None) => {
                "EXISTS (SELECT 1 FROM scores WHERE scores.trace = traces.id AND value"
            }
            Measure::Score(Some(grader)) => {
                self.values.push(Value::Text(grader.to_string()));
                "EXISTS (SELECT 1 FROM scores WHERE scores.trace = traces.id AND grader = ? AND value"
            }
        });
    }

    fn contains(&mut self, text: &str) {
        self.sql.push_str("instr(lower(name), lower(?)) > 0");
        self.values.push(Value::Text(text.to_owned()));
    }
}

const SPANS: &str = "EXISTS (SELECT 1 FROM spans WHERE spans.trace = traces.id AND ";
const TOOLS: &str =
    "EXISTS (SELECT 1 FROM spans WHERE spans.trace = traces.id AND spans.kind = 'tool' AND ";

/// A piece of a pattern in which nothing is special.
fn glob(piece: &str) -> String {
    let mut text = String::with_capacity(piece.len());
    for c in piece.chars() {
        match c {
            '*' | '?' | '[' => text.extend(['[', c, ']']),
            c => text.push(c),
        }
    }
    text
}
