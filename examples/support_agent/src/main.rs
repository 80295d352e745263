//! `cargo run -p support_agent`, then `cargo run -- show last`.

use scripted_model::Model;
use support_agent::{Ticket, answer, script};

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the answer is for the person who runs this"
)]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let model = Model::from_env_or(script()).await?;
    println!("{}", answer(&model, &Ticket::sample()).await?);
    Ok(())
}
