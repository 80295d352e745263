//! What a grader says.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::capture::to_json;

/// A grader's score of a rollout, recorded by [`Rollout::score`](super::Rollout::score) or [`score`](super::score()).
///
/// ```
/// use rollout_core::run::Score;
///
/// let score = Score::new(0.7)
///     .grader("unit_tests")
///     .component("compiles", 1.0)
///     .component("tests_passed", 0.4)
///     .passed(false)
///     .explanation("3 of 8 tests pass");
/// assert_eq!(score.value(), 0.7);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a score counts for nothing until it is recorded"]
pub struct Score {
    value: f64,
    grader: Option<String>,
    passed: Option<bool>,
    components: Vec<(String, f64)>,
    explanation: Option<String>,
    attributes: Vec<(String, Value)>,
}

impl Score {
    /// A score. One that is not finite is recorded as none.
    pub fn new(value: f64) -> Self {
        Self {
            value,
            grader: None,
            passed: None,
            components: Vec::new(),
            explanation: None,
            attributes: Vec::new(),
        }
    }

    /// Whose score it is; else the rollout's own grader's. Of several scores of one grader, the last one counts.
    pub fn grader(mut self, name: impl Into<String>) -> Self {
        self.grader = Some(name.into());
        self
    }

    /// One of the rewards that it is made of.
    pub fn component(mut self, name: impl Into<String>, value: f64) -> Self {
        self.components.push((name.into(), value));
        self
    }

    /// Whether that is enough.
    pub fn passed(mut self, passed: bool) -> Self {
        self.passed = Some(passed);
        self
    }

    /// Why.
    pub fn explanation(mut self, text: impl Into<String>) -> Self {
        self.explanation = Some(text.into());
        self
    }

    /// One attribute. A value that cannot be serialized leaves a marker in its place.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.attributes.push((key.into(), to_json(&value)));
        self
    }

    /// The score itself.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Whose it is, unless somebody has said so before.
    pub(super) fn of(mut self, grader: Option<&str>) -> Self {
        if self.grader.is_none() {
            self.grader = grader.map(str::to_owned);
        }
        self
    }

    /// The members of its `eval.result`.
    pub(super) fn members(&self) -> Value {
        let mut attributes: Map<String, Value> = self.attributes.iter().cloned().collect();
        if !self.components.is_empty() {
            let components: Map<String, Value> = self
                .components
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            attributes.insert("rollout.score.components".into(), components.into());
        }
        if let Some(explanation) = &self.explanation {
            attributes.insert("rollout.score.explanation".into(), json!(explanation));
        }
        json!({
            "name": self.grader.as_deref().unwrap_or("grader"),
            "outcome": { "eval_score": self.value, "success": self.passed },
            "attributes": attributes,
        })
    }
}
