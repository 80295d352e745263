//! `rollout serve` as a process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use ureq::Agent;

/// Builds a program of this workspace, optimised, and tells where it is.
pub fn build(arguments: &[&str]) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--message-format=json"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?} does not build");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| Some(message["executable"].as_str()?.into()));
    programs.next_back().expect("an executable")
}

/// Builds the program `rollout`.
pub fn build_server() -> PathBuf {
    build(&["-p", "rollout-server", "--bin", "rollout"])
}

/// A server that runs until this is dropped.
pub struct Server {
    process: Child,
    address: String,
    agent: Agent,
    ready_after: Duration,
}

impl Server {
    /// Starts it over a folder, on a free port, and waits until it is ready.
    pub fn start(program: &Path, dir: &Path) -> Self {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_mins(1)))
            .build()
            .into();
        let began = Instant::now();
        let mut process = Command::new(program)
            .args(["serve", "--addr", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("listening on ").unwrap();
        let mut server = Self {
            process,
            address: address.to_owned(),
            agent,
            ready_after: Duration::ZERO,
        };
        assert_eq!(server.get("/readyz"), "ready\n");
        server.ready_after = began.elapsed();
        server
    }

    /// From the start of the process to its first answer that it is ready.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn id(&self) -> String {
        self.process.id().to_string()
    }

    /// Asks for a path.
    pub fn get(&self, path: &str) -> String {
        let mut response = self.agent.get(format!("{}{path}", self.address)).call();
        let body = response.as_mut().unwrap().body_mut();
        body.with_config().limit(u64::MAX).read_to_string().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.process.id().cast_signed();
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}
