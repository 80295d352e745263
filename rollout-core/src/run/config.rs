//! Which run a process belongs to.

use std::sync::{PoisonError, RwLock};

use super::{Phase, RunMeta};
use crate::client::client;
use crate::config::Config;
use crate::error::ConfigError;

/// Which run the rollouts of this process belong to, as far as they do not say so themselves. What is not set here
/// comes from the client's configuration: the builder, `ROLLOUT_RUN_ID`, `ROLLOUT_PHASE` and `ROLLOUT_PROJECT`, or
/// `rollout.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "it says something only to `configure`"]
pub struct RunConfig {
    run_id: Option<String>,
    phase: Option<Phase>,
    project: Option<String>,
}

impl RunConfig {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The run: unique per run in `train` and `eval`, the project's name in `prod`.
    pub fn run_id(mut self, id: impl Into<String>) -> Self {
        self.run_id = Some(id.into());
        self
    }

    /// What the run is for. Its rollouts say it once more, each for itself: a training run may evaluate in between.
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// The project's name, which is the run id in `prod`; else that of the service, else that of the agent.
    pub fn project(mut self, name: impl Into<String>) -> Self {
        self.project = Some(name.into());
        self
    }

    /// What is said later goes before what was said earlier.
    fn and(self, later: Self) -> Self {
        Self {
            run_id: later.run_id.or(self.run_id),
            phase: later.phase.or(self.phase),
            project: later.project.or(self.project),
        }
    }

    fn of(config: &Config) -> Self {
        Self {
            run_id: config.run_id().map(str::to_owned),
            phase: config.phase(),
            project: config.project().map(str::to_owned),
        }
    }
}

static CONFIGURED: RwLock<RunConfig> = RwLock::new(RunConfig {
    run_id: None,
    phase: None,
    project: None,
});

/// Says which run the rollouts of this process belong to, before or after the client starts. Saying it again is fine:
/// what is set then goes before what was set earlier, the rest stays.
///
/// Fails, and changes nothing, where a run in `prod` would bear another name than its project.
///
/// ```
/// use rollout_core::run::{self, Phase, RunConfig};
///
/// run::configure(RunConfig::new().run_id("math-eval-2026-11-27").phase(Phase::Eval))?;
/// # Ok::<_, rollout_core::ConfigError>(())
/// ```
pub fn configure(config: RunConfig) -> Result<(), ConfigError> {
    let known = client().map(|client| RunConfig::of(client.config()));
    let mut configured = CONFIGURED.write().unwrap_or_else(PoisonError::into_inner);
    let merged = configured.clone().and(config);
    let whole = known.unwrap_or_default().and(merged.clone());
    if whole.phase == Some(Phase::Prod)
        && let (Some(run), Some(project)) = (&whole.run_id, &whole.project)
    {
        agree("RunConfig: run_id", run, Some(project))?;
    }
    *configured = merged;
    Ok(())
}

/// The run that a rollout belongs to, if it belongs to one, and what that is for, where it is for something else.
pub(super) type Run = (Option<String>, Option<Phase>);

pub(super) fn run_of(meta: &RunMeta, config: &Config) -> Result<Run, ConfigError> {
    let configured = CONFIGURED
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let config = RunConfig::of(config).and(configured);
    let (setting, named) = match &meta.run_id {
        Some(id) => ("RunMeta: run_id", Some(id.clone())),
        None => ("run_id", config.run_id.clone()),
    };
    let run_id = config.run_id;
    if meta.phase != Phase::Prod {
        let configured = named.is_some() && named == run_id;
        let other = config
            .phase
            .filter(|phase| *phase != meta.phase && *phase != Phase::Prod);
        return Ok((named, other.filter(|_| configured)));
    }
    let Some(run) = named else {
        return Ok((config.project, None));
    };
    agree(setting, &run, config.project.as_deref())?;
    Ok((Some(run), None))
}

/// In `prod`, there is one run, and it is called as the project is.
pub(crate) fn agree(setting: &str, run: &str, project: Option<&str>) -> Result<(), ConfigError> {
    match project {
        Some(project) if project == run => Ok(()),
        Some(project) => Err(ConfigError::new(
            setting,
            Some(run),
            format!("in `prod`, the run is called as the project is, and that is {project:?}"),
        )),
        None => Err(ConfigError::new(
            setting,
            Some(run),
            "in `prod`, the run is called as the project is: set ROLLOUT_PROJECT",
        )),
    }
}
