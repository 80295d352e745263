//! `cargo run -p anthropic_client`, then `cargo run -- show last`. It needs no account: the model answers by a script.

use anthropic_client::{ask, ask_through_a_library, script};
use scripted_model::Model;

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the answer is for the person who runs this"
)]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let model = Model::scripted(script()).await?;
    let question = "Why does it rain in Bergen?";
    println!("{}", ask(&model, question).await?);
    println!("{}", ask_through_a_library(&model, question).await?);
    Ok(())
}
