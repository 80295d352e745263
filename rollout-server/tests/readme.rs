//! The README's program does what the README says.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rollout_tests::{server::TestServer, wait_until, workspace};
use serde_json::Value;

/// The README's blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("it is there");
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```").is_some_and(|tag| tag == language) {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

/// The only block of a language.
fn block(language: &str) -> String {
    let mut blocks = blocks(language);
    assert_eq!(blocks.len(), 1, "blocks of {language}");
    blocks.remove(0)
}

/// The program as a crate of its own, built.
struct Greengrocer {
    dir: tempfile::TempDir,
    binary: PathBuf,
}

impl Greengrocer {
    fn build() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let library = workspace().join("rollout");
        let manifest = block("toml").replace("../rollout/rollout", &library.to_string_lossy());
        fs::write(dir.path().join("Cargo.toml"), manifest).expect("it is written");
        fs::create_dir(dir.path().join("src")).expect("a folder");
        fs::write(dir.path().join("src/main.rs"), block("rust")).expect("it is written");
        // The versions that are here already: nothing is fetched.
        fs::copy(
            workspace().join("Cargo.lock"),
            dir.path().join("Cargo.lock"),
        )
        .expect("it is copied");
        // Built beside the workspace's own crates, in the same way, so as to share them.
        let debug = std::env::var("CARGO_PROFILE_DEV_DEBUG");
        let target = Path::new(env!("CARGO_BIN_EXE_rollout"))
            .ancestors()
            .nth(2)
            .expect("the target folder");
        let output = Command::new(env!("CARGO"))
            .args(["build", "--offline"])
            .current_dir(dir.path())
            .env("CARGO_TARGET_DIR", target)
            .env(
                "CARGO_PROFILE_DEV_DEBUG",
                debug.unwrap_or_else(|_| "line-tables-only".to_owned()),
            )
            .output()
            .expect("cargo runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("warning: unused"), "{said}");
        Self {
            binary: target.join("debug/greengrocer"),
            dir,
        }
    }

    /// A command in its directory, with nothing set that it reads.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ROLLOUT_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.dir.path());
        command
    }

    fn rollout(&self, words: &[&str]) -> String {
        text(
            self.command(env!("CARGO_BIN_EXE_rollout"))
                .args(words)
                .output(),
        )
    }
}

fn text(output: std::io::Result<Output>) -> String {
    let output = output.expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it is text")
}

/// The text without what is different each time: ids, moments and durations.
fn lasting(text: &str) -> String {
    let differs = |word: &str, next: Option<&&str>| {
        let id = word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit());
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        let moment = number && word.contains(['-', ':']);
        let duration = number && matches!(next, Some(&("µs" | "ms" | "s")));
        id || moment || duration || ["µs", "ms", "s"].contains(&word)
    };
    text.trim_end()
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let lasting = words.iter().enumerate();
            let lasting = lasting.filter(|(at, word)| !differs(word, words.get(at + 1)));
            let words: Vec<_> = lasting.map(|(_, word)| *word).collect();
            words.join(" ") + "\n"
        })
        .collect()
}

#[test]
fn the_program_is_shown_as_the_readme_shows_it_with_no_server_and_live() {
    let program = Greengrocer::build();
    assert_eq!(
        text(program.command(&program.binary).output()),
        "90 cents\n"
    );

    // With no server.
    let listed = program.rollout(&["ls"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains("greengrocer"), "{listed}");
    let shown = program.rollout(&["show", "last"]);
    assert_eq!(
        lasting(&shown).trim_end(),
        lasting(&block("text")).trim_end()
    );
    let whole: Value =
        serde_json::from_str(&program.rollout(&["show", "last", "--json"])).expect("JSON");
    let span = |at: usize| &whole["spans"][at];
    assert_eq!(span(1)["parent_span_id"], span(0)["span_id"]);
    assert_eq!(span(3)["parent_span_id"], span(1)["span_id"]);
    assert_eq!(span(3)["input"]["fruit"], "mango");
    assert_eq!(span(3)["error"]["message"], "invalid digit found in string");

    // With one.
    let server = TestServer::start();
    let ran = program
        .command(&program.binary)
        .env("ROLLOUT_ENDPOINT", server.url(""))
        .output();
    assert_eq!(text(ran), "90 cents\n");
    let ids = wait_until("the trace", || {
        Some(server.trace_ids()).filter(|ids| !ids.is_empty())
    });
    assert_eq!(
        server.tree(&ids[0]),
        "agent greengrocer ok\n  task add_up ok\n    tool price ok\n    tool price error\n    \
         tool price ok\n"
    );
    // What is delivered stays nowhere else.
    assert_eq!(program.rollout(&["ls"]).lines().count(), 2);
}

#[test]
fn every_file_that_is_linked_is_there() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("it is there");
    let targets = readme.split("](").skip(1);
    for target in targets.filter_map(|rest| rest.split(')').next()) {
        assert!(workspace().join(target).exists(), "{target}");
    }
}
