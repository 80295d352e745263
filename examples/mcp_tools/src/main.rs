//! `cargo run -p mcp_tools`, then `cargo run -- ls` and `cargo run -- show TRACE`.

use mcp_tools::{QUESTION, connect, plan, script};
use scripted_model::Model;

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the plan is for the person who runs this"
)]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let model = Model::from_env_or(script()).await?;
    let server = connect().await?;
    println!("{}", plan(&model, &server, QUESTION).await?);
    Ok(())
}
