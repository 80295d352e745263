//! Which run a process belongs to. That is one thing for the whole process, so this is one test, with children that
//! have an environment of their own.

#![expect(clippy::unwrap_used, reason = "that is how a test fails")]

use std::process::Command;

use rollout::run::{self, Phase, RunConfig, RunMeta, trace_run};

fn run_of(meta: RunMeta) -> Option<String> {
    let rollout = trace_run(meta).unwrap().start();
    rollout.run_id().map(str::to_owned)
}

#[test]
fn what_is_configured_holds_for_all_that_comes() {
    assert_eq!(run_of(RunMeta::new("d", Phase::Eval)), None);
    let config = RunConfig::new().run_id("eval-1").phase(Phase::Eval);
    run::configure(config.clone()).unwrap();
    // Once more is fine.
    run::configure(config).unwrap();
    assert_eq!(
        run_of(RunMeta::new("d", Phase::Eval)).as_deref(),
        Some("eval-1")
    );
    // A rollout's own word goes before.
    let other = RunMeta::new("d", Phase::Train).run_id("train-2");
    assert_eq!(run_of(other).as_deref(), Some("train-2"));
    // What is not said again stays.
    run::configure(RunConfig::new().project("shop")).unwrap();
    assert_eq!(
        run_of(RunMeta::new("d", Phase::Eval)).as_deref(),
        Some("eval-1")
    );
    // In prod, the run is the project's: refused, and all stays as it was.
    let refused = run::configure(RunConfig::new().phase(Phase::Prod)).unwrap_err();
    assert_eq!(refused.value(), Some("eval-1"));
    assert!(trace_run(RunMeta::new("d", Phase::Prod)).is_err());
    assert_eq!(
        run_of(RunMeta::new("d", Phase::Eval)).as_deref(),
        Some("eval-1")
    );
    run::configure(RunConfig::new().run_id("shop").phase(Phase::Prod)).unwrap();
    assert_eq!(
        run_of(RunMeta::new("d", Phase::Prod)).as_deref(),
        Some("shop")
    );
}

#[test]
#[ignore = "run by the other test in a process of its own"]
fn child_of_the_environment() {
    let memory = rollout::MemoryExporter::new();
    let client = rollout::builder()
        .spool(rollout::SpoolKind::Memory)
        .exporter(Box::new(memory))
        .init();
    match client {
        Ok(client) => {
            let rollout = client.trace_run(RunMeta::new("d", Phase::Prod));
            let run = rollout.map(|rollout| rollout.start().run_id().map(str::to_owned));
            println!("CHILD {:?} {run:?}", client.config().phase());
        }
        Err(error) => println!("CHILD {error}"),
    }
}

fn child(variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "child_of_the_environment",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| {
        let at = line.find("CHILD ")?;
        Some(line[at + 6..].to_owned())
    });
    line.unwrap_or_else(|| text.clone())
}

#[test]
fn the_environment_names_a_run() {
    let prod = [
        ("ROLLOUT_PROJECT", "shop"),
        ("ROLLOUT_RUN_ID", "shop"),
        ("ROLLOUT_PHASE", "prod"),
    ];
    assert_eq!(child(&prod), "Some(Prod) Ok(Some(\"shop\"))");
    let foreign = [
        ("ROLLOUT_PROJECT", "shop"),
        ("ROLLOUT_RUN_ID", "eval-7"),
        ("ROLLOUT_PHASE", "prod"),
    ];
    assert!(child(&foreign).contains("\"shop\""), "{}", child(&foreign));
    let unknown = child(&[("ROLLOUT_PHASE", "production")]);
    assert!(unknown.contains("train, eval or prod"), "{unknown}");
}
