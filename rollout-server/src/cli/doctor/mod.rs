//! `rollout doctor`: what is wrong with how programs record here.

mod backend;
mod disk;

use std::io::Write;

use clap::Args;
use rollout::{Config, SpoolKind};
use serde::Serialize;

use super::Failure;

/// Look for what keeps programs from recording here, and say what to do about it
///
/// Looks at the configuration, as every program that calls `rollout::init()` here reads it, the directory and its disk,
/// the clock, the store, and every place that traces are sent to, which is sent a diagnostic trace. Ends with 0 if
/// nothing is wrong; warnings are not.
#[derive(Debug, Clone, Args)]
pub(super) struct Doctor {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    subject: String,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Finding {
    fn ok(subject: &str, found: impl Into<String>) -> Self {
        Self {
            subject: subject.to_owned(),
            state: State::Ok,
            found: found.into(),
            advice: None,
        }
    }

    fn warning(subject: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            advice: Some(advice.into()),
            ..Self::ok(subject, found)
        }
    }

    fn problem(subject: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            state: State::Problem,
            ..Self::warning(subject, found, advice)
        }
    }
}

impl Doctor {
    /// Runs the command.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let findings = examine();
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &findings)?;
            writeln!(out)?;
        } else {
            for finding in &findings {
                let mark = match finding.state {
                    State::Ok => "✓",
                    State::Warning => "!",
                    State::Problem => "✕",
                };
                writeln!(out, "{mark} {}: {}", finding.subject, finding.found)?;
                if let Some(advice) = &finding.advice {
                    writeln!(out, "  → {advice}")?;
                }
            }
        }
        let problems = findings
            .iter()
            .filter(|finding| finding.state == State::Problem);
        match problems.count() {
            0 => Ok(()),
            1 => Err(Failure::told("one problem was found")),
            many => Err(Failure::told(format!("{many} problems were found"))),
        }
    }
}

fn examine() -> Vec<Finding> {
    let config = match rollout::builder().config() {
        Ok(config) => config,
        Err(error) => {
            return vec![Finding::problem(
                "configuration",
                error.to_string(),
                "nothing is recorded until that is put right; the rest was not looked at",
            )];
        }
    };
    let mut findings = vec![configuration(&config)];
    if config.spool() == SpoolKind::Disk {
        findings.extend(disk::examine(&config));
    }
    if config.enabled() {
        findings.extend(backend::examine(&config));
    }
    findings
}

fn configuration(config: &Config) -> Finding {
    const SUBJECT: &str = "configuration";
    if !config.enabled() {
        return Finding::warning(
            SUBJECT,
            "recording is switched off",
            "set ROLLOUT_ENABLED=true and leave ROLLOUT_DISABLED unset",
        );
    }
    let names: Vec<_> = config
        .exporters()
        .iter()
        .map(|kind| kind.as_str())
        .collect();
    let names = match names.join(", ") {
        none if none.is_empty() => "nobody".to_owned(),
        names => names,
    };
    if config.sample_rate() <= 0.0 {
        return Finding::warning(
            SUBJECT,
            format!("traces go to {names}, and none is recorded"),
            "set ROLLOUT_SAMPLE_RATE to more than 0",
        );
    }
    let share = if config.sample_rate() < 1.0 {
        format!(", {} of 100 traces", config.sample_rate() * 100.0)
    } else {
        String::new()
    };
    Finding::ok(SUBJECT, format!("traces go to {names}{share}"))
}
