//! What a rollout is, as its caller says.

use serde_json::{Value, json};

use super::Phase;
use crate::error::ConfigError;
use crate::id::TraceId;

/// What a rollout is of: the datapoint and the phase always, the rest where it is known.
///
/// ```
/// use rollout_core::run::{Phase, RunMeta};
///
/// let meta = RunMeta::new("gsm8k/117", Phase::Train)
///     .run_id("grpo-7b-lr3e-6")
///     .step_number(12)
///     .env_name("calculator")
///     .model_name("policy-7b")
///     .grader_name("exact_match");
/// // Eight samples of the one datapoint, which make a group.
/// let group: Vec<RunMeta> = meta.samples(8).collect();
/// assert_eq!(group.len(), 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it says something only of a rollout: give it to `trace_run`"]
pub struct RunMeta {
    pub(super) datapoint_id: String,
    pub(super) phase: Phase,
    pub(super) run_id: Option<String>,
    pub(super) step_number: Option<u64>,
    pub(super) env_name: Option<String>,
    pub(super) model_name: Option<String>,
    pub(super) grader_name: Option<String>,
    pub(super) trace_id: Option<TraceId>,
    pub(super) name: Option<String>,
    pub(super) group_id: Option<String>,
    pub(super) sample_index: Option<u64>,
}

impl RunMeta {
    /// A rollout of this datapoint (the id of the input), for this.
    pub fn new(datapoint_id: impl Into<String>, phase: Phase) -> Self {
        Self {
            datapoint_id: datapoint_id.into(),
            phase,
            run_id: None,
            step_number: None,
            env_name: None,
            model_name: None,
            grader_name: None,
            trace_id: None,
            name: None,
            group_id: None,
            sample_index: None,
        }
    }

    /// The run that it belongs to, else the one that is configured. In `prod`, the project's name and nothing else.
    pub fn run_id(mut self, id: impl Into<String>) -> Self {
        self.run_id = Some(id.into());
        self
    }

    /// The step of its run. Not in `prod`.
    pub fn step_number(mut self, step: u64) -> Self {
        self.step_number = Some(step);
        self
    }

    /// The environment.
    pub fn env_name(mut self, name: impl Into<String>) -> Self {
        self.env_name = Some(name.into());
        self
    }

    /// The model that acts.
    pub fn model_name(mut self, name: impl Into<String>) -> Self {
        self.model_name = Some(name.into());
        self
    }

    /// Who scores it: the name of scores that name nobody.
    pub fn grader_name(mut self, name: impl Into<String>) -> Self {
        self.grader_name = Some(name.into());
        self
    }

    /// The trace that it is, where a rollout takes several requests: each opens a scope with the same id, in whatever
    /// process, and all are one rollout. Within a process, turns are counted on; in another one,
    /// [`set_turn_index`](super::Rollout::set_turn_index) says where they stand.
    pub fn trace_id(mut self, id: TraceId) -> Self {
        self.trace_id = Some(id);
        self
    }

    /// What the trace is called; else as the environment, else `rollout`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The group that it is one sample of: rollouts of one datapoint that are compared with each other.
    pub fn group_id(mut self, id: impl Into<String>) -> Self {
        self.group_id = Some(id.into());
        self
    }

    /// Which sample of its group it is, from 0.
    pub fn sample_index(mut self, index: u64) -> Self {
        self.sample_index = Some(index);
        self
    }

    /// So many samples of the datapoint, numbered from 0, in one group: one of its own where none is named.
    pub fn samples(self, count: u64) -> impl Iterator<Item = Self> {
        let group = self.group_id.clone();
        let group = group.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
        (0..count).map(move |index| self.clone().group_id(&group).sample_index(index))
    }

    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        if self.datapoint_id.trim().is_empty() {
            let problem = "a rollout is of a datapoint: give the id of the input";
            let setting = "RunMeta: datapoint_id";
            return Err(ConfigError::new(setting, Some(&self.datapoint_id), problem));
        }
        if self.phase == Phase::Prod && self.step_number.is_some() {
            let step = self.step_number.map(|step| step.to_string());
            let problem = "a rollout in `prod` belongs to no step";
            let setting = "RunMeta: step_number";
            return Err(ConfigError::new(setting, step.as_deref(), problem));
        }
        Ok(self)
    }

    /// What the trace is called.
    pub(super) fn title(&self) -> &str {
        let name = self.name.as_deref().or(self.env_name.as_deref());
        name.unwrap_or("rollout")
    }

    /// What the start and the end of its trace say in their attributes.
    pub(super) fn facts(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let facts = [
            ("rollout.run.phase", Some(json!(self.phase.as_str()))),
            ("rollout.run.datapoint_id", Some(json!(self.datapoint_id))),
            ("rollout.run.step_number", self.step_number.map(Value::from)),
            ("rollout.run.env_name", text(&self.env_name)),
            ("rollout.run.model_name", text(&self.model_name)),
            ("rollout.run.grader_name", text(&self.grader_name)),
            ("rollout.run.group_id", text(&self.group_id)),
            (
                "rollout.run.sample_index",
                self.sample_index.map(Value::from),
            ),
            (
                "rollout.run.continued",
                self.trace_id.map(|_| Value::Bool(true)),
            ),
        ];
        facts
            .into_iter()
            .filter_map(|(name, fact)| Some((name, fact?)))
            .collect()
    }
}
