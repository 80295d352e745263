//! What rollouts come to, summed up row by row.

use std::collections::{BTreeMap, BTreeSet};

use rollout_core::event::Usage;

use super::list::time;
use crate::{
    fold::Tally,
    query::{RolloutTally, ScoreStats},
};

/// A sum in the making.
#[derive(Default)]
pub(in crate::store) struct Sums {
    pub(in crate::store) rollouts: u64,
    statuses: BTreeMap<String, u64>,
    used: Tally,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    scores: BTreeMap<String, Moments>,
    datapoints: BTreeSet<String>,
}

/// Count, mean and spread, by Welford's method: no sum of squares that cancels out.
#[derive(Debug, Clone, Copy)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let from_mean = value - self.mean;
        self.mean += from_mean / self.count as f64;
        self.squares += from_mean * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

/// What is summed up of one rollout.
pub(in crate::store) struct Rollout {
    pub(in crate::store) status: String,
    pub(in crate::store) usage: Usage,
    pub(in crate::store) started_at: i64,
    pub(in crate::store) ended_at: Option<i64>,
    pub(in crate::store) datapoint_id: Option<String>,
}

impl Sums {
    pub(in crate::store) fn add(&mut self, rollout: &Rollout) {
        self.rollouts += 1;
        *self.statuses.entry(rollout.status.clone()).or_default() += 1;
        let used = Tally {
            usage: rollout.usage.clone(),
            ..Tally::default()
        };
        self.used.replace(&Tally::default(), &used);
        let started = rollout.started_at;
        self.started_at = Some(self.started_at.map_or(started, |first| first.min(started)));
        self.ended_at = self.ended_at.max(rollout.ended_at);
        if let Some(datapoint) = &rollout.datapoint_id
            && !self.datapoints.contains(datapoint)
        {
            self.datapoints.insert(datapoint.clone());
        }
    }

    pub(in crate::store) fn score(&mut self, grader: &str, value: f64) {
        if let Some(moments) = self.scores.get_mut(grader) {
            return moments.add(value);
        }
        let first = Moments {
            count: 1,
            mean: value,
            squares: 0.0,
            min: value,
            max: value,
        };
        self.scores.insert(grader.to_owned(), first);
    }

    pub(in crate::store) fn datapoint_count(&self) -> u64 {
        self.datapoints.len() as u64
    }

    pub(in crate::store) fn tally(self) -> RolloutTally {
        let scores = self.scores.into_iter().map(|(grader, moments)| ScoreStats {
            grader,
            count: moments.count,
            mean: moments.mean,
            stddev: (moments.squares / moments.count as f64).sqrt(),
            min: moments.min,
            max: moments.max,
        });
        RolloutTally {
            rollouts: self.rollouts,
            statuses: self.statuses,
            scores: scores.collect(),
            cost_usd: self.used.usage.cost_usd,
            usage: self.used.usage,
            started_at: time(self.started_at),
            ended_at: time(self.ended_at),
        }
    }
}
