//! Conditions as SQL, for the traces whose facts lack something.

use std::fmt::Write as _;

use rusqlite::types::Value;

use crate::query::{Key, Pattern};

/// Conditions on a row of `traces`, and the values that they name.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// What the key looks at is one of these.
    pub(super) fn is(key: &Key, any_of: &[Pattern]) -> Self {
        let mut conditions = Self::default();
        conditions.push(key, any_of);
        conditions
    }

    fn push(&mut self, key: &Key, any_of: &[Pattern]) {
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
            "EXISTS (SELECT 1 FROM trace_payloads, json_each(body) AS entry
                WHERE trace_payloads.id = 8 * traces.id + {what} AND entry.key = ? AND "
        );
        self.values.push(Value::Text(name.to_owned()));
        let text = "iif(entry.type = 'text', entry.value, body -> entry.fullkey)";
        self.any(text, any_of);
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
