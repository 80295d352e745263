//! Train, eval and production rollouts.
//!
//! A rollout is one attempt of an agent at one datapoint: a trace whose root span says what it is of, how it ended and
//! what it was worth. Rollouts belong to a run; in training and evaluation, to a step of it.
//!
//! ```
//! use rollout_core::event::Message;
//! use rollout_core::run::{self, Phase, RunConfig, RunMeta, Score, trace_run};
//!
//! # async fn policy(_: &str) -> Result<String, std::io::Error> { Ok("42".into()) }
//! # async fn one() -> Result<(), Box<dyn std::error::Error>> {
//! run::configure(RunConfig::new().run_id("math-eval-3").phase(Phase::Eval))?;
//! let meta = RunMeta::new("gsm8k/117", Phase::Eval).step_number(3).grader_name("exact");
//! trace_run(meta)?
//!     .in_scope_async(async |rollout| {
//!         rollout.log(Message::user("What is six times seven?"));
//!         let answer = policy("What is six times seven?").await?;
//!         rollout.log(Message::assistant(&answer));
//!         rollout.score(Score::new(f64::from(answer == "42")));
//!         Ok::<_, std::io::Error>(())
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! # Annotated functions
//!
//! Inside of the scope, all annotated functions are spans of the rollout, `#[agent]` and `#[trace]` included, which open
//! a trace of their own elsewhere: an agent is written once, and is a trace by itself in production and a part of the
//! rollout in a harness. They, and whatever they call, speak of the rollout by the functions of this module:
//!
//! ```ignore
//! #[rollout::tool]
//! async fn run_tests(patch: &Patch) -> Result<Report, Sandbox> { /* … */ }
//!
//! #[rollout::agent]
//! async fn fix_bug(policy: &Policy, bug: &Bug) -> anyhow::Result<Patch> {
//!     run::log(Message::user(&bug.report));
//!     for _ in 0..MOST_TURNS {
//!         let answer = policy.answer().await?;
//!         run::log(Message::assistant(&answer.text));
//!         match run_tests(&answer.patch).await {
//!             Ok(report) if report.passed => return Ok(answer.patch),
//!             Ok(report) => run::log(Message::tool(&answer.call_id, &report.text)),
//!             Err(broken) => {
//!                 run::set_status(Status::ToolError, &*broken.to_string());
//!                 return Err(broken.into());
//!             }
//!         }
//!     }
//!     run::set_status(Status::Truncated, "out of turns");
//!     anyhow::bail!("not fixed in {MOST_TURNS} turns")
//! }
//!
//! let rollout = trace_run(RunMeta::new(&bug.id, Phase::Train).step_number(step))?;
//! let patch = rollout.in_scope_async(async |_| fix_bug(&policy, &bug).await).await;
//! ```
//!
//! The example `rl_environment` is a whole one: an environment, a policy and a grader.
//!
//! # What is recorded
//!
//! The trace starts and ends as others do, with `links.run_id` and, among its attributes, `rollout.run.phase`,
//! `rollout.run.datapoint_id`, `rollout.run.step_number` and so on. Its end is its summary: `status` is one of
//! [`Status`], `duration_ms` and `error` are what they always are, and `rollout.run.turns`, `rollout.run.messages` and
//! `rollout.run.usage` (tokens and cost of all model calls in it, as far as this process has made them) stand beside
//! what it is of. Messages carry `rollout.turn_index` and `rollout.intra_index`; scores are events of the type
//! `eval.result`.

mod config;
mod live;
mod meta;
mod phase;
mod said;
mod scope;
mod score;
mod status;
mod turn;

pub(crate) use self::config::agree;
pub use self::{
    config::{RunConfig, configure},
    meta::RunMeta,
    phase::{ParsePhaseError, Phase},
    said::{
        add_meta, add_tags, increment_intra, increment_turn, log, score, set_error,
        set_intra_index, set_status, set_turn_index,
    },
    scope::{Rollout, RolloutBuilder, trace_run},
    score::Score,
    status::{ParseStatusError, Status},
};
