//! `rollout demo`: the whole way, from annotated functions to the viewer, in one process.

mod agents;
mod api;
mod compare;

use std::{io::Write, path::Path};

use clap::Args;
use rollout::{ExporterKind, InitGuard};

use self::{
    agents::Ran,
    api::{Api, Whole},
};
use super::{Failure, serve::asked_to_stop};
use crate::{
    serve::{ServeOptions, serve},
    terminal::{self, TraceTree},
};

/// Run the sample agents, show their traces, and serve the viewer until Ctrl-C
///
/// Needs no account, no other server and no directory: everything is in this process and in a
/// temporary directory that goes with it. The agents talk to a model that answers by a script, or,
/// with `OPENAI_API_KEY` or `OPENAI_BASE_URL` in the environment, to that API.
#[derive(Debug, Clone, Args)]
pub(super) struct Demo {
    /// Where the viewer listens; port 0 picks one that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    addr: String,
    /// Do not stay: compare what the query API says with what ran, and end with 0 if they agree
    #[arg(long)]
    once: bool,
    /// Print the traces with their spans in the query API's JSON, and nothing else
    #[arg(long)]
    json: bool,
}

impl Demo {
    /// Runs the command. `width` is that of the terminal; `say` takes what is no data.
    pub(super) fn run(
        &self,
        out: &mut dyn Write,
        say: &mut dyn Write,
        width: usize,
    ) -> Result<(), Failure> {
        // Goes with its files when this returns, also on Ctrl-C.
        let dir = tempfile::Builder::new()
            .prefix("rollout-demo-")
            .tempdir()
            .map_err(|error| Failure::told(format!("cannot make a directory: {error}")))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::told(format!("cannot start a thread: {error}")))?;
        runtime.block_on(async {
            let server = serve(ServeOptions {
                addr: self.addr.clone(),
                dir: dir.path().join("server"),
                store: crate::store::StorePlace::Dir,
                keys: Vec::new(),
                retention: crate::store::Retention::default(),
                prices: None,
            })
            .await
            .map_err(|error| Failure::told(error.to_string()))?;
            let address = format!("http://{}", server.addr());
            let ended = tokio::select! {
                ended = self.show(&address, dir.path(), out, say, width) => ended,
                asked = asked_to_stop() => match asked {
                    Ok(()) if self.once => Err(Failure::told("stopped before it was done")),
                    asked => Ok(asked?),
                },
            };
            server.stop().await;
            ended
        })
    }

    async fn show(
        &self,
        address: &str,
        dir: &Path,
        out: &mut dyn Write,
        say: &mut dyn Write,
        width: usize,
    ) -> Result<(), Failure> {
        let client = client(address, &dir.join("client"))?;
        let ran = agents::run().await?;
        deliver(&client).await?;
        let traces = Api::new(address)?.traces().await?;
        let differences = compare::differences(&ran, &traces)?;

        if self.json {
            serde_json::to_writer_pretty(&mut *out, &traces)?;
            writeln!(out)?;
        } else {
            print(out, &traces, width)?;
        }
        out.flush()?;
        for agent in &ran.agents {
            if let Err(error) = &agent.outcome {
                writeln!(say, "{} failed: {error}", agent.name)?;
            }
        }
        if self.once {
            return verdict(say, &ran, &traces, &differences);
        }
        let line = format!("viewer: {address}   (Ctrl-C stops it)");
        if self.json {
            writeln!(say, "{line}")?;
        } else {
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        std::future::pending().await
    }
}

/// A client that sends to the demo's own server, whatever else the environment says.
fn client(address: &str, dir: &Path) -> Result<InitGuard, Failure> {
    let client = rollout::builder()
        .enabled(true)
        .sample_rate(1.0)
        .capture_input(true)
        .capture_output(true)
        .exporters([ExporterKind::Http])
        .endpoint(address)
        .dir(dir)
        .init()
        .map_err(|error| Failure::told(error.to_string()))?;
    if client.is_enabled() {
        return Ok(client);
    }
    Err(Failure::told(
        "rollout is switched off: unset ROLLOUT_DISABLED and take `disabled` out of rollout.toml",
    ))
}

/// Waits until the server has everything.
async fn deliver(client: &InitGuard) -> Result<(), Failure> {
    let report = client
        .flush()
        .await
        .map_err(|error| Failure::told(error.to_string()))?;
    if report.is_complete() {
        return Ok(());
    }
    Err(Failure::told(format!(
        "of what the agents did, {} events arrived, {} are on their way and {} are lost",
        report.delivered, report.spooled, report.lost
    )))
}

fn print(out: &mut dyn Write, traces: &[Whole], width: usize) -> Result<(), Failure> {
    for whole in traces {
        let tree = TraceTree {
            trace: &whole.trace,
            spans: &whole.spans,
            total: whole.spans.len() as u64,
        };
        terminal::write_tree(out, tree, width)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Says whether what was read back is what ran.
fn verdict(
    say: &mut dyn Write,
    ran: &Ran,
    traces: &[Whole],
    differences: &[String],
) -> Result<(), Failure> {
    for difference in differences {
        writeln!(say, "{difference}")?;
    }
    if !differences.is_empty() {
        return Err(Failure::told("what was read back is not what ran"));
    }
    if ran.agents.iter().any(|agent| agent.outcome.is_err()) {
        return Err(Failure::told("an agent failed"));
    }
    let spans: usize = traces.iter().map(|whole| whole.spans.len()).sum();
    let traces = traces.len();
    writeln!(
        say,
        "{traces} traces with {spans} spans read back: as they ran"
    )?;
    Ok(())
}
