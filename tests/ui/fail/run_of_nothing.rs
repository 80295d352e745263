use rollout::run::RunMeta;

fn main() {
    let _ = rollout::run::trace_run(RunMeta::default());
}
