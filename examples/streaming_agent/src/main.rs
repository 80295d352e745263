//! `cargo run -p streaming_agent`, then `cargo run -- show last`.

use std::{
    io::{Write as _, stdout},
    pin::pin,
};

use futures::TryStreamExt as _;
use scripted_model::Model;
use streaming_agent::{release_notes, script};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let model = Model::from_env_or(script()).await?;
    let mut notes = pin!(release_notes(&model, "acme/ledger", "2.0.0"));
    while let Some(words) = notes.try_next().await? {
        write!(stdout(), "{words}")?;
        stdout().flush()?;
    }
    writeln!(stdout())?;
    Ok(())
}
