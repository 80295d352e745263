//! Two conversations, message by message.

use serde::Serialize;
use similar::{Algorithm, DiffOp};

use super::{
    align::Change,
    canonical, fingerprint,
    text::{Side, TextDiff},
};
use crate::{
    query::MessageRow,
    value::{Chat, Part, Turn as Said},
};

/// Messages of each conversation that are compared at most, from the first that differs.
const COMPARED: usize = 2_000;

/// A message of one conversation or of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// What became of it.
    pub change: Change,
    /// Who speaks.
    pub role: String,
    /// How many messages in a row are the same, of which this stands for all; 1 for any other.
    pub messages: usize,
    /// What differs; of one that only one conversation has, all of it.
    pub diff: TextDiff,
}

/// A message as it is compared.
struct Told {
    role: String,
    text: String,
    mark: u64,
}

impl Told {
    fn new(role: String, text: String) -> Self {
        let mark = fingerprint::of(&(&role, &text));
        Self { role, text, mark }
    }

    fn turn(said: Said) -> Self {
        Self::new(said.role, words(said.parts))
    }

    fn chat(chat: Chat) -> Vec<Self> {
        let rest = chat.rest;
        let mut told: Vec<_> = chat.turns.into_iter().map(Self::turn).collect();
        if !rest.is_empty() {
            let members: Vec<_> = rest
                .iter()
                .map(|(name, value)| format!("{}:{value}", serde_json::json!(name)))
                .collect();
            let object = canonical::json(&format!("{{{}}}", members.join(",")));
            told.push(Self::new("beside the messages".to_owned(), object));
        }
        told
    }

    fn row(row: &MessageRow) -> Self {
        let role = row.role.clone().unwrap_or_else(|| "message".to_owned());
        Self::new(role, words(super::step::content(row)))
    }
}

/// What a message says, in lines.
fn words(parts: Vec<Part>) -> String {
    let words = parts.into_iter().map(|part| match part {
        Part::Text(text) if text.starts_with(['{', '[']) && is_json(&text) => {
            canonical::json(&text)
        }
        Part::Text(text) => text,
        Part::Reasoning(text) => format!("(reasoning) {text}"),
        Part::Call {
            name, arguments, ..
        } if is_json(&arguments) => {
            format!("{name}({})", canonical::json(&arguments))
        }
        Part::Call {
            name, arguments, ..
        } => format!("{name}({arguments})"),
        Part::Other(json) => canonical::json(&json),
    });
    words.collect::<Vec<_>>().join("\n")
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Compares two captured conversations; `None` where one of the values is none, or where they differ in nothing that a
/// conversation shows.
pub(super) fn of(a: &str, b: &str) -> Option<Vec<Turn>> {
    let turns = between(&Told::chat(Chat::read(a)?), &Told::chat(Chat::read(b)?));
    turns
        .iter()
        .any(|turn| turn.change != Change::Unchanged)
        .then_some(turns)
}

/// The messages of a captured conversation that only one of two has; `None` where the value is none.
pub(super) fn only(side: Side, text: &str) -> Option<Vec<Turn>> {
    let told = Told::chat(Chat::read(text)?);
    let turns = told.iter().take(COMPARED).map(|told| Turn {
        change: if side == Side::A {
            Change::Removed
        } else {
            Change::Added
        },
        role: told.role.clone(),
        messages: 1,
        diff: TextDiff::only(side, &told.text),
    });
    Some(turns.collect())
}

/// Compares what was said in two traces.
pub(super) fn messages(a: &[MessageRow], b: &[MessageRow]) -> Vec<Turn> {
    let told = |rows: &[MessageRow]| rows.iter().map(Told::row).collect::<Vec<_>>();
    between(&told(a), &told(b))
}

fn between(a: &[Told], b: &[Told]) -> Vec<Turn> {
    let alike = a
        .iter()
        .zip(b)
        .take_while(|(a, b)| a.mark == b.mark)
        .count();
    let mut turns = Vec::new();
    same(&mut turns, &a[..alike]);
    let (a, b) = (&a[alike..], &b[alike..]);
    let (a, b) = (&a[..a.len().min(COMPARED)], &b[..b.len().min(COMPARED)]);
    let marks = |told: &[Told]| told.iter().map(|told| told.mark).collect::<Vec<_>>();
    for op in similar::capture_diff_slices(Algorithm::Patience, &marks(a), &marks(b)) {
        let (left, right) = (&a[op.old_range()], &b[op.new_range()]);
        match op {
            DiffOp::Equal { .. } => same(&mut turns, left),
            _ => replaced(&mut turns, left, right),
        }
    }
    turns
}

fn same(turns: &mut Vec<Turn>, told: &[Told]) {
    if let Some(first) = told.first() {
        turns.push(Turn {
            change: Change::Unchanged,
            role: first.role.clone(),
            messages: told.len(),
            diff: TextDiff::default(),
        });
    }
}

/// In their order: those of one role are of each other.
fn replaced(turns: &mut Vec<Turn>, a: &[Told], b: &[Told]) {
    let one = |change, told: &Told, diff| Turn {
        change,
        role: told.role.clone(),
        messages: 1,
        diff,
    };
    let removed = |told: &Told| one(Change::Removed, told, TextDiff::only(Side::A, &told.text));
    let mut rest = a.iter();
    for right in b {
        let mut ahead = rest.clone();
        if let Some(at) = ahead.position(|left| left.role == right.role) {
            turns.extend(rest.by_ref().take(at).map(removed));
            rest.next();
            let left = &a[a.len() - rest.len() - 1];
            turns.push(one(
                Change::Changed,
                right,
                TextDiff::of(&left.text, &right.text),
            ));
        } else {
            turns.push(one(
                Change::Added,
                right,
                TextDiff::only(Side::B, &right.text),
            ));
        }
    }
    turns.extend(rest.map(removed));
}
