//! `rollout serve`.

use std::{error::Error, io, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;

use crate::{
    http::ApiKey,
    serve::{ServeOptions, serve},
    store::{Retention, StorePlace},
};

/// Take events in, show traces.
///
/// Reads what programs on this machine write below the directory, as they write it, and what
/// others send over HTTP. Stops on Ctrl-C when all it has taken is stored.
#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 picks one that is free. Addresses that other machines can reach
    /// need a key.
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:4747",
        env = "ROLLOUT_SERVE_ADDR"
    )]
    addr: String,
    /// Where the store and the spool are.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".rollout",
        env = "ROLLOUT_DIR"
    )]
    dir: PathBuf,
    /// Where the store is: sqlite:PATH, or clickhouse://USER:PASSWORD@HOST:PORT/DATABASE, which any number of servers
    /// may share (https:// for TLS; ?cluster=NAME, ?ttl_days=N). Else a file in the directory. A password may be in
    /// CLICKHOUSE_PASSWORD instead.
    #[arg(
        long,
        value_name = "STORE",
        env = "ROLLOUT_STORE",
        hide_env_values = true
    )]
    store: Option<StorePlace>,
    /// A key that callers must have: KEY for everything, ingest=KEY to send only, read=KEY to
    /// read only. May be given several times; in the environment, apart by commas.
    #[arg(
        long = "api-key",
        value_name = "KEY",
        env = "ROLLOUT_SERVE_API_KEY",
        hide_env_values = true,
        value_delimiter = ','
    )]
    api_keys: Vec<ApiKey>,
    /// Remove traces that began more than so many days ago, but for those that run.
    #[arg(long, value_name = "DAYS", env = "ROLLOUT_SERVE_KEEP_DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,
    /// Remove the oldest traces, but for those that run, when the store takes more than so many MiB.
    #[arg(long, value_name = "MIB", env = "ROLLOUT_SERVE_KEEP_MIB", value_parser = clap::value_parser!(u32).range(1..))]
    keep_mib: Option<u32>,
    /// Prices of models that go before those of prices.toml in the directory, and before our own. The form is that of
    /// docs/cost.md.
    #[arg(long, value_name = "FILE", env = "ROLLOUT_SERVE_PRICES")]
    prices: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(64)
            .build()?;
        runtime.block_on(async {
            let server = serve(ServeOptions {
                addr: self.addr,
                dir: self.dir,
                store: super::local::place(self.store),
                keys: self.api_keys,
                prices: self.prices,
                retention: Retention {
                    max_age: self.keep_days.map(|days| Duration::from_hours(24) * days),
                    max_bytes: self.keep_mib.map(|mib| u64::from(mib) << 20),
                },
            })
            .await?;
            // Not `println!`: whoever started us may have closed our output.
            writeln!(io::stdout(), "listening on http://{}", server.addr())?;
            asked_to_stop().await?;
            server.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM.
pub(super) async fn asked_to_stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
