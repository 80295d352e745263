//! Reinforcement learning, as far as tracing sees it: an environment, a policy and a grader.
//!
//! A training run has steps; in each step the policy tries every datapoint several times, all rollouts at once. Some
//! run out of turns, some have a tool that breaks, some cannot be graded, one cannot even be set up: each ends with the
//! status that says so. [`train`] is the harness, `play` the agent; neither knows who reads the traces.

mod environment;
mod grader;
mod policy;

use futures::future::try_join_all;
use rollout::Message;
use rollout::agent;
use rollout::run::{self, Phase, RunMeta, Status, trace_run};

pub use crate::environment::{Abacus, Broken, Move, Puzzle};
use crate::policy::Policy;

/// Steps of the run.
pub const STEPS: u64 = 3;
/// Rollouts of each datapoint in a step.
pub const SAMPLES: u64 = 8;
/// Turns after which a rollout is cut off.
const MOST_TURNS: usize = 16;

/// What the policy is trained on.
pub fn puzzles() -> Vec<Puzzle> {
    let puzzle = |number: u32, start, target, breaks_after| Puzzle {
        id: format!("abacus/{number}"),
        start,
        target,
        breaks_after,
    };
    vec![
        puzzle(1, 1, 8, None),
        puzzle(2, 1, 10, None),
        puzzle(3, 2, 24, None),
        puzzle(4, 3, 25, None),
        puzzle(5, 1, 63, None),
        puzzle(6, 5, 40, None),
        puzzle(7, 1, 100, None),
        puzzle(8, 7, 112, None),
        // Its tool breaks.
        puzzle(9, 1, 64, Some(2)),
        // Nobody can grade it.
        puzzle(10, 1, 1024, None),
        // It cannot be set up.
        puzzle(11, 9, 3, None),
        puzzle(12, 2, 34, None),
    ]
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The step.
    pub step: u64,
    /// The mean reward of the rollouts that have one.
    pub mean_reward: f64,
    /// How many have one.
    pub scored: usize,
    /// How many there are.
    pub rollouts: usize,
}

/// Trains, and tells step by step how well the policy does.
pub async fn train(run_id: &str) -> anyhow::Result<Vec<StepReport>> {
    let mut reports = Vec::new();
    for step in 0..STEPS {
        let mut rollouts = Vec::new();
        for puzzle in puzzles() {
            let meta = RunMeta::new(&puzzle.id, Phase::Train)
                .run_id(run_id)
                .step_number(step)
                .env_name("abacus")
                .grader_name("abacus_grader");
            // The samples of one datapoint are a group: what the policy learns from is how they compare.
            for (meta, sample) in meta.samples(SAMPLES).zip(0..) {
                let policy = Policy::of_step(step, sample + 100 * step);
                let meta = meta.model_name(policy.name());
                rollouts.push(rollout::spawn(attempt(meta, puzzle.clone(), policy)));
            }
        }
        let rewards = try_join_all(rollouts).await?;
        let rewards = rewards.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let scored: Vec<f64> = rewards.iter().flatten().copied().collect();
        reports.push(StepReport {
            step,
            mean_reward: scored.iter().sum::<f64>() / scored.len().max(1) as f64,
            scored: scored.len(),
            rollouts: rewards.len(),
        });
    }
    Ok(reports)
}

/// One rollout: sets the environment up, lets the policy play, grades the outcome. `None` where there is no reward.
async fn attempt(meta: RunMeta, puzzle: Puzzle, mut policy: Policy) -> anyhow::Result<Option<f64>> {
    let scope = trace_run(meta)?.input(&puzzle);
    let reward = scope
        .in_scope_async(async |rollout| {
            let abacus = match Abacus::new(puzzle) {
                Ok(abacus) => abacus,
                Err(why) => {
                    rollout.set_status(Status::EnvSetupError, &*why);
                    return None;
                }
            };
            rollout.add_meta(&serde_json::json!({ "target": abacus.puzzle().target }));
            // A rollout whose tool has broken is worth nothing to anybody.
            let moves = play(&abacus, &mut policy).await.ok()?;
            let graded = rollout.grade("abacus_grader", |_| grader::grade(&abacus, moves));
            let reward = graded.ok()?.value();
            rollout.record_output(&reward);
            Some(reward)
        })
        .await;
    Ok(reward)
}

/// The agent: asks the policy for moves until the number is there. In production it is called as it is, and is a trace
/// by itself; in a rollout, it is a part of that.
#[agent(flush = false, skip(abacus, policy))]
async fn play(abacus: &Abacus, policy: &mut Policy) -> anyhow::Result<usize> {
    let target = abacus.puzzle().target;
    run::log(Message::system("Reach the target with the abacus."));
    run::log(Message::user(format!(
        "From {} to {target}, please.",
        abacus.value()
    )));
    for turn in 0..MOST_TURNS {
        let chosen = policy.choose(abacus.value(), target).await?;
        run::log(Message::assistant(format!("{chosen:?}")));
        let value = abacus
            .apply(chosen)
            .inspect_err(|broken| run::set_status(Status::ToolError, &*broken.to_string()))?;
        run::log(Message::tool(format!("call_{turn}"), value.to_string()));
        if value >= target {
            return Ok(turn + 1);
        }
    }
    run::set_status(Status::Truncated, "out of turns");
    run::add_tags(["truncated"]);
    Ok(MOST_TURNS)
}
