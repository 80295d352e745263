//! `cargo run -p rl_environment`, then `cargo run -- runs` and `cargo run -- run RUN`.

use rl_environment::train;
use rollout::run::{self, Phase, RunConfig};

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the report is for the person who runs this"
)]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let run_id = format!("abacus-{:08x}", fastrand::u32(..));
    run::configure(RunConfig::new().run_id(&run_id).phase(Phase::Train))?;
    for report in train(&run_id).await? {
        println!(
            "step {}: mean reward {:.3} over {} of {} rollouts",
            report.step, report.mean_reward, report.scored, report.rollouts
        );
    }
    println!("run {run_id}");
    Ok(())
}
