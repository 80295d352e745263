//! The shapes of runs, their steps and datapoints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollout_core::event::Usage;
use serde::{Deserialize, Serialize};

/// What a trace is a rollout of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutFacts {
    /// The run that it belongs to.
    pub run_id: Option<String>,
    /// `train`, `eval` or `prod`.
    pub phase: Option<String>,
    /// The step of its run.
    pub step_number: Option<i64>,
    /// The id of its input.
    pub datapoint_id: Option<String>,
    /// The environment.
    pub env_name: Option<String>,
    /// The model that acts.
    pub model_name: Option<String>,
    /// Who scores it.
    pub grader_name: Option<String>,
    /// What it is one sample of.
    pub group_id: Option<String>,
    /// Which sample of that it is, from 0.
    pub sample_index: Option<i64>,
    /// Turns that have a message.
    pub turns: u64,
    /// Messages with a turn.
    pub messages: u64,
}

/// A grader's last score of one trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Whose it is.
    pub grader: String,
    /// The score.
    pub value: f64,
    /// Whether that is enough.
    pub passed: Option<bool>,
}

/// A grader's scores of several rollouts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreStats {
    /// Whose they are.
    pub grader: String,
    /// Rollouts that it has scored.
    pub count: u64,
    /// The mean of its scores.
    pub mean: f64,
    /// Their spread: the standard deviation over all of them, 0 for one.
    pub stddev: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

/// What several rollouts come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutTally {
    /// How many there are.
    pub rollouts: u64,
    /// How many of each status.
    pub statuses: BTreeMap<String, u64>,
    /// Their scores, grader by grader.
    pub scores: Vec<ScoreStats>,
    /// The sum over their model calls.
    pub usage: Usage,
    /// The sum of what they cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// When the first one began.
    pub started_at: Option<Timestamp>,
    /// When the last one ended.
    pub ended_at: Option<Timestamp>,
}

/// One page of the list of runs, those that began last first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<RunSummary>,
    /// Asks for the page after this one; absent on the last.
    pub next_cursor: Option<String>,
}

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub run_id: String,
    /// What it is registered for, else what all its rollouts are for: `train`, `eval` or `prod`.
    pub phase: Option<String>,
    /// The project that it was registered for.
    pub project: Option<String>,
    /// When it was registered; of a run that only its rollouts name, `null`.
    pub registered_at: Option<Timestamp>,
    /// Its steps, registered or named by a rollout.
    pub step_count: u64,
    /// Datapoints that it has a rollout of.
    pub datapoint_count: u64,
    /// What its rollouts come to.
    #[serde(flatten)]
    pub tally: RolloutTally,
}

/// A run with its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The row of the list.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Its steps in order; rollouts that name none come first, as one of their own.
    pub steps: Vec<StepSummary>,
}

/// A step of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// Its number; of rollouts that name none, `null`.
    pub step_number: Option<i64>,
    /// When it was registered.
    pub registered_at: Option<Timestamp>,
    /// Datapoints that it has a rollout of.
    pub datapoint_count: u64,
    /// What its rollouts come to.
    #[serde(flatten)]
    pub tally: RolloutTally,
}

/// Some of the datapoints that a run, or a step of it, has rollouts of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatapointPage {
    /// How many there are.
    pub total: u64,
    /// Those asked for, by their ids.
    pub datapoints: Vec<DatapointSummary>,
}

/// A datapoint in a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatapointSummary {
    /// Its id.
    pub datapoint_id: String,
    /// When it was registered.
    pub registered_at: Option<Timestamp>,
    /// The environment that it was registered for.
    pub env_name: Option<String>,
    /// What its rollouts in this run, or step, come to.
    #[serde(flatten)]
    pub tally: RolloutTally,
}

/// Which datapoints of a run are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatapointQuery {
    /// The run.
    pub run_id: String,
    /// Only of this step.
    pub step_number: Option<i64>,
    /// How many are passed over.
    pub offset: u64,
    /// How many at most, from 1 to [`MAX_DATAPOINTS`](super::MAX_DATAPOINTS).
    pub limit: u64,
}
