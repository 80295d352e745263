//! `rollout drain`: what waits in the spool is sent now.

use std::{io::Write, time::Duration};

use clap::Args;
use rollout::{ExporterKind, ExporterStats};

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
        let client = rollout::builder()
            .exporters([ExporterKind::Http])
            .build()
            .map_err(|error| Failure::told(error.to_string()))?;
        let config = client.config();
        let address = config.base_url().unwrap_or("nowhere");
        writeln!(say, "from {} to {address}", config.dir().display())?;
        let report = client
            .blocking_shutdown(Duration::from_secs(self.timeout))
            .map_err(|error| Failure::told(error.to_string()))?;
        let stats = client.stats();
        let http = stats.exporters.get("http");
        let count = |of: fn(&ExporterStats) -> u64| http.map_or(0, of);
        writeln!(out, "{} events sent", count(|http| http.adopted))?;
        let rejected = count(|http| http.rejected);
        if rejected > 0 {
            writeln!(out, "{rejected} events refused")?;
        }
        if let Some((name, reason)) = report.stopped.into_iter().next() {
            return Err(Failure::told(format!(
                "exporter {name} has stopped: {reason}"
            )));
        }
        if report.timed_out {
            let why = http.and_then(|http| http.last_error.clone());
            let why = why.map_or_else(String::new, |error| format!(": {error}"));
            return Err(Failure::told(format!(
                "not everything could be sent within {} s{why}; the rest stays in the spool",
                self.timeout
            )));
        }
        if let Some(error) = http.and_then(|http| http.last_error.as_ref()) {
            return Err(Failure::told(format!("{error}; it stays there")));
        }
        Ok(())
    }
}
