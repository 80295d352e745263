//! Functions of every kind, made up, once bare and once annotated: both must do the same.
//!
//! `ROLLOUT_PAIRS=2000 ROLLOUT_PAIRS_SEED=7 cargo test -p rollout-ui-tests --test pairs` tries others.

#![expect(clippy::expect_used, reason = "that is how a test fails")]

mod case;
mod program;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::case::Case;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

#[test]
fn annotated_functions_do_what_bare_ones_do() {
    let count = number("ROLLOUT_PAIRS", 250);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("ROLLOUT_PAIRS_SEED", 0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let cases: Vec<Case> = (0..count)
        .map(|_| {
            let tree = Case::any()
                .new_tree(&mut runner)
                .expect("nothing is refused");
            tree.current()
        })
        .collect();
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/pairs.rs");
    std::fs::write(path, program::of(&cases)).expect("the program is written");
    trybuild::TestCases::new().pass(path);
}
