//! Programs and servers that are killed at random moments; `cargo run -p rollout-tests --bin crash-loop` does it
//! a thousand times.

#![cfg(unix)]

use std::process::Command;

#[test]
fn what_was_accepted_outlives_whoever_accepted_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_crash-loop"))
        .args(["--runs", "25"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaints}");
}
