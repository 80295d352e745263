//! `rollout drain`: what waits in the spool is sent now.

use std::{io::Write, time::Duration};

use clap::Args;
use rollout::{Config, ConfigError, ExporterKind, ExporterStats};

use super::Failure;

/// Send what programs of this directory have recorded and could not deliver
///
/// The configuration comes from `ROLLOUT_*` in the environment and from `rollout.toml`, as for every program that
/// calls `rollout::init()` here. What a program that still runs has in its spool is its own to send. Ends with 0 if
/// nothing is left.
#[derive(Debug, Clone, Args)]
pub(super) struct Drain {
    /// How long to try, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

impl Drain {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let told = |error: ConfigError| Failure::told(error.to_string());
        let config = rollout::builder().config().map_err(told)?;
        let mut kinds = config.exporters().to_vec();
        kinds.retain(|kind| !matches!(kind, ExporterKind::Local | ExporterKind::Console));
        if kinds.is_empty() {
            kinds.push(ExporterKind::Http);
        }
        let client = rollout::builder()
            .exporters(kinds.iter().copied())
            .debug(false)
            .build()
            .map_err(told)?;
        let to: Vec<String> = kinds.iter().map(|kind| address(&config, *kind)).collect();
        writeln!(say, "from {} to {}", config.dir().display(), to.join(", "))?;
        let report = client
            .blocking_shutdown(Duration::from_secs(self.timeout))
            .map_err(|error| Failure::told(error.to_string()))?;
        let stats = client.stats();
        let count = |of: fn(&ExporterStats) -> u64| stats.exporters.values().map(of).sum::<u64>();
        writeln!(out, "{} events sent", count(|exporter| exporter.adopted))?;
        let rejected = count(|exporter| exporter.rejected);
        if rejected > 0 {
            writeln!(out, "{rejected} events refused")?;
        }
        let last_error = || {
            let mut exporters = stats.exporters.values();
            exporters.find_map(|exporter| exporter.last_error.clone())
        };
        if let Some((name, reason)) = report.stopped.into_iter().next() {
            return Err(Failure::told(format!(
                "exporter {name} has stopped: {reason}"
            )));
        }
        if report.timed_out {
            let why = last_error().map_or_else(String::new, |error| format!(": {error}"));
            return Err(Failure::told(format!(
                "not everything could be sent within {} s{why}; the rest stays in the spool",
                self.timeout
            )));
        }
        if let Some(error) = last_error() {
            return Err(Failure::told(format!("{error}; it stays there")));
        }
        Ok(())
    }
}

/// Where an exporter sends to.
fn address(config: &Config, kind: ExporterKind) -> String {
    match kind {
        ExporterKind::Otlp => config.otlp_endpoint(),
        ExporterKind::Langfuse => config.langfuse_host().to_owned(),
        ExporterKind::TraceRoot => config.traceroot_host().to_owned(),
        _ => config.base_url().unwrap_or("nowhere").to_owned(),
    }
}
