//! Runs a crate's own tests.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::build::{Build, Test};

/// Runs each of `tests` and says by name which of them passed.
pub(crate) fn run(folder: &Path, tests: &[Test]) -> anyhow::Result<BTreeSet<String>> {
    let mut passed = BTreeSet::new();
    for test in tests {
        let mut command = Command::new(&test.executable);
        command
            .current_dir(folder)
            .env("CARGO_MANIFEST_DIR", folder);
        let (output, succeeded) = output(&mut command)?;
        let before = passed.len();
        passed.extend(names(&output).map(|name| format!("{}: {name}", test.target)));
        // A program that is no collection of tests is one.
        if passed.len() == before && succeeded && !output.contains("running 0 tests") {
            passed.insert(test.target.clone());
        }
    }
    Ok(passed)
}

/// Runs the examples in the documentation.
pub(crate) fn documentation(build: &Build<'_>, folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let (output, _) = output(
        build
            .cargo(folder, "test")
            .args(["--doc", "--no-fail-fast"]),
    )?;
    Ok(names(&output).map(|name| format!("doc: {name}")).collect())
}

/// What the command prints, and whether it succeeds. What it says to the terminal is of no interest.
fn output(command: &mut Command) -> anyhow::Result<(String, bool)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let mut bytes = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut bytes)?;
    }
    let succeeded = child.wait()?.success();
    Ok((String::from_utf8_lossy(&bytes).into_owned(), succeeded))
}

/// `test NAME ... ok`
fn names(output: &str) -> impl Iterator<Item = &str> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"))
}
