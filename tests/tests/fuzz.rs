//! The fuzz targets on a stable toolchain: over their seeds, and over as many mutations of these as
//! `ROLLOUT_FUZZ_RUNS` says, or a few. A failure prints the number of the mutation; `fuzz/README.md` says more.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use rollout_tests::fuzz::{Mutator, TARGETS, seeds};

#[track_caller]
fn run(name: &str, few: u64) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    for seed in seeds(name) {
        target(&seed);
    }
    let runs = std::env::var("ROLLOUT_FUZZ_RUNS").ok();
    let runs = runs.map_or(few, |runs| runs.parse().unwrap());
    for number in 0..runs {
        let input = Mutator::new(seeds(name), number).next_input();
        let result = catch_unwind(AssertUnwindSafe(|| target(&input)));
        if result.is_err() {
            let head = input[..input.len().min(2000)].escape_ascii().to_string();
            panic!("{name}, mutation {number}: {head}");
        }
    }
}

#[test]
fn ingest() {
    run("ingest", 1000);
}

#[test]
fn otlp() {
    run("otlp", 500);
}

#[test]
fn spool() {
    run("spool", 40);
}

#[test]
fn configuration() {
    run("configuration", 1000);
}

#[test]
fn propagation() {
    run("propagation", 1500);
}

#[test]
fn capture() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let on_purpose = panic
            .payload_as_str()
            .is_some_and(|words| words.ends_with("on purpose"));
        if !on_purpose {
            say(panic);
        }
    }));
    run("capture", 1500);
}

#[test]
fn sse() {
    run("sse", 300);
}

#[test]
fn filter() {
    run("filter", 3000);
}
