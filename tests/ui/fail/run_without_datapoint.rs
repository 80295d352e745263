use rollout::run::{Phase, RunMeta};

fn main() {
    let _ = rollout::run::trace_run(RunMeta::new(Phase::Eval));
}
