//! `cargo run -p research_team`, then `cargo run -- ls` and `cargo run -- show TRACE`.

use research_team::{QUESTION, research, script};
use scripted_model::Model;

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the report is for the person who runs this"
)]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let model = Model::from_env_or(script()).await?;
    let report = research(&model, QUESTION).await?;
    println!("{}\nReview: {}", report.text, report.review);
    Ok(())
}
