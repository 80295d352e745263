//! What a trace is a rollout of, as far as its events have come.

use std::borrow::Cow;

use rollout_core::event::{Event, EventType};
use serde_json::Value;

use super::attributes::read;
use super::state::set;

/// Start of the names of attributes that say what a trace is a rollout of.
pub(super) const RUN: &str = "rollout.run.";
/// Where the place of a message rides.
pub(crate) const TURN_INDEX: &str = "rollout.turn_index";
pub(crate) const INTRA_INDEX: &str = "rollout.intra_index";

/// What one event says of a rollout.
#[derive(Default)]
pub(crate) struct RunPatch<'a> {
    pub(super) run_id: Option<&'a str>,
    pub(super) phase: Option<Cow<'a, str>>,
    pub(super) step_number: Option<i64>,
    pub(super) datapoint_id: Option<Cow<'a, str>>,
    pub(super) env_name: Option<Cow<'a, str>>,
    pub(super) model_name: Option<Cow<'a, str>>,
    pub(super) grader_name: Option<Cow<'a, str>>,
    pub(super) group_id: Option<Cow<'a, str>>,
    pub(super) sample_index: Option<i64>,
    /// It takes several requests, each with a start and an end.
    pub(super) continued: bool,
    /// The turn of a message.
    pub(super) turn: Option<i64>,
}

impl<'a> RunPatch<'a> {
    /// Takes an attribute, if it says something of a rollout.
    pub(super) fn take(patch: &mut Option<Self>, name: &str, value: &'a str) -> bool {
        if name == TURN_INDEX {
            let turn = read(value).filter(|turn| *turn >= 0);
            patch.get_or_insert_default().turn = turn;
            // The message keeps it, too.
            return false;
        }
        let Some(name) = name.strip_prefix(RUN) else {
            return false;
        };
        let mut said = Self::default();
        let known = patch.as_mut().unwrap_or(&mut said).fact(name, value);
        if known {
            patch.get_or_insert(said);
        }
        known
    }

    fn fact(&mut self, name: &str, value: &'a str) -> bool {
        let text = match name {
            "phase" => &mut self.phase,
            "datapoint_id" => &mut self.datapoint_id,
            "env_name" => &mut self.env_name,
            "model_name" => &mut self.model_name,
            "grader_name" => &mut self.grader_name,
            "group_id" => &mut self.group_id,
            "step_number" => {
                self.step_number = read(value);
                return self.step_number.is_some();
            }
            "sample_index" => {
                self.sample_index = read(value);
                return self.sample_index.is_some();
            }
            // Of the run, not of its rollout; and what is counted here, over all processes.
            "of_phase" | "turns" | "messages" => return true,
            "continued" => {
                self.continued = read(value).unwrap_or(false);
                return true;
            }
            _ => return false,
        };
        *text = read(value);
        text.is_some()
    }
}

/// What is known of a rollout.
#[derive(Default)]
pub(crate) struct RunState<'a> {
    pub(crate) run_id: Option<Cow<'a, str>>,
    pub(crate) phase: Option<Cow<'a, str>>,
    pub(crate) step_number: Option<i64>,
    pub(crate) datapoint_id: Option<Cow<'a, str>>,
    pub(crate) env_name: Option<Cow<'a, str>>,
    pub(crate) model_name: Option<Cow<'a, str>>,
    pub(crate) grader_name: Option<Cow<'a, str>>,
    pub(crate) group_id: Option<Cow<'a, str>>,
    pub(crate) sample_index: Option<i64>,
    pub(crate) turns: i64,
    pub(crate) messages: i64,
    /// When its last request began.
    pub(crate) resumed_at: Option<i64>,
    pub(crate) facts_at: i64,
}

impl RunState<'_> {
    /// The attributes that say it, but for what is counted, and the run, which an event names elsewhere.
    pub(super) fn facts(&self) -> impl Iterator<Item = (String, Value)> {
        let texts = [
            ("phase", &self.phase),
            ("datapoint_id", &self.datapoint_id),
            ("env_name", &self.env_name),
            ("model_name", &self.model_name),
            ("grader_name", &self.grader_name),
            ("group_id", &self.group_id),
        ];
        let numbers = [
            ("step_number", self.step_number),
            ("sample_index", self.sample_index),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, Value::from(text.as_deref()?))));
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name, Value::from(number?))));
        texts
            .chain(numbers)
            .map(|(name, value)| (format!("{RUN}{name}"), value))
    }
}

impl<'a> RunState<'a> {
    pub(super) fn apply(&mut self, at: i64, patch: RunPatch<'a>) {
        if let Some(turn) = patch.turn {
            self.messages += 1;
            self.turns = self.turns.max(turn.saturating_add(1));
            return;
        }
        let newest = at >= self.facts_at;
        let run_id = patch.run_id.map(Cow::Borrowed);
        set(&mut self.run_id, run_id, newest);
        set(&mut self.phase, patch.phase, newest);
        set(&mut self.step_number, patch.step_number, newest);
        set(&mut self.datapoint_id, patch.datapoint_id, newest);
        set(&mut self.env_name, patch.env_name, newest);
        set(&mut self.model_name, patch.model_name, newest);
        set(&mut self.grader_name, patch.grader_name, newest);
        set(&mut self.group_id, patch.group_id, newest);
        set(&mut self.sample_index, patch.sample_index, newest);
        self.facts_at = self.facts_at.max(at);
    }
}

/// A grader's score.
pub(crate) struct Score<'a> {
    pub(crate) grader: &'a str,
    pub(crate) value: f64,
    pub(crate) passed: Option<bool>,
}

impl<'a> Score<'a> {
    /// The score that an event tells of.
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        if event.event_type != EventType::EvalResult {
            return None;
        }
        Some(Self {
            grader: event.name.as_deref().unwrap_or("grader"),
            value: event.outcome.eval_score.filter(|score| score.is_finite())?,
            passed: event.outcome.success,
        })
    }
}
