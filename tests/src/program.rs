//! Programs that a test runs.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::wait_until;

/// A program in a folder of its own, with no setting of ours in its environment. It is killed when dropped.
pub struct Program {
    child: Child,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// With what.
    pub status: ExitStatus,
    /// What it said on stderr.
    pub stderr: String,
}

/// A command for a program of this package.
pub fn command(path: &str, dir: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ROLLOUT_") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).env("ROLLOUT_DIR", dir);
    command
}

/// Runs a command to its end; an error says in words how it failed.
pub fn succeed(command: &mut Command) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {said}"))
}

impl Program {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Self { child }
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let status = wait_until("the program's end", || {
            self.child.try_wait().expect("a child of ours")
        });
        let mut stderr = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).expect("text");
        }
        Ended { status, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
