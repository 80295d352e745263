//! `rollout check`: would events arrive?

use std::io::Write;

use clap::Args;
use rollout::Config;
use serde_json::json;

use super::Failure;

/// Send a diagnostic trace as a program with this environment would, and tell what became of it
///
/// The configuration comes from `ROLLOUT_*` in the environment and from `rollout.toml`, as for
/// every program that calls `rollout::init()` here. With an address, the trace goes to the ingest
/// API; without one, to the spool, where it is read back. Ends with 0 if all of it was taken.
#[derive(Debug, Clone, Args)]
pub(super) struct Check {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let client = rollout::builder()
            .build()
            .map_err(|error| Failure::told(error.to_string()))?;
        settings(say, client.config())?;
        let result = client.blocking_check();
        // The diagnostic events have passed the queue by: nothing is left to deliver.
        drop(client);
        if self.json {
            let found = json!({
                "ok": result.ok,
                "accepted": result.accepted,
                "rejected": result.rejected,
                "errors": result.errors,
                "message": result.message,
            });
            serde_json::to_writer_pretty(&mut *out, &found)?;
            writeln!(out)?;
        } else if result.ok {
            writeln!(out, "ok: {}", result.message)?;
        }
        if result.ok {
            return Ok(());
        }
        Err(Failure::told(result.message))
    }
}

/// What decides where events go.
fn settings(say: &mut dyn Write, config: &Config) -> Result<(), Failure> {
    writeln!(say, "address: {}", config.base_url().unwrap_or("none"))?;
    let key = if config.api_key().is_some() {
        "set"
    } else {
        "none"
    };
    writeln!(say, "key:     {key}")?;
    writeln!(say, "spool:   {}", config.dir().display())?;
    Ok(())
}
