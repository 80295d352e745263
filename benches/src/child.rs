//! Processes of their own, for what sets something global or takes memory that is measured.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contender::{Kind, Mode, Sink};
use crate::part;

/// What a process is started for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Task {
    /// See [`part::caller`].
    Caller(Kind, Mode),
    /// See [`part::allocations`].
    Allocations(Kind),
    /// See [`part::series`]: trees of different sizes.
    Sizes(Kind),
    /// See [`part::series`]: threads.
    Threads(Kind),
    /// See [`part::through`]: a million spans a second.
    Paced(Sink),
    /// See [`part::through`]: as fast as it goes, to an exporter.
    FlatOut(Kind, Sink),
    /// See [`part::through`]: as fast as it goes, to the spool on disk.
    Spool,
    /// See [`part::through`]: to this server.
    Serve(PathBuf),
}

impl Task {
    /// Does it, in this process: to be called once.
    pub fn perform(&self) -> Value {
        match self {
            Self::Caller(kind, mode) => value(&part::caller::measure(*kind, *mode)),
            Self::Allocations(_) => panic!("is for the program `allocations`"),
            Self::Sizes(kind) => value(&part::series::sizes(*kind)),
            Self::Threads(kind) => value(&part::series::threads(*kind)),
            Self::Paced(sink) => value(&part::through::paced(*sink)),
            Self::FlatOut(kind, sink) => value(&part::through::flat_out(*kind, *sink)),
            Self::Spool => value(&part::through::spool()),
            Self::Serve(server) => value(&part::through::serve(server)),
        }
    }

    /// Does it in a process of its own.
    pub fn run<T: DeserializeOwned>(&self) -> T {
        self.run_by(Command::new(std::env::current_exe().unwrap()).arg("child"))
    }

    /// Does it by a command that takes the task as its argument.
    pub fn run_by<T: DeserializeOwned>(&self, command: &mut Command) -> T {
        // What the machine's owner has set is about other programs.
        for (name, _) in std::env::vars() {
            if ["ROLLOUT_", "OTEL_", "LOGFIRE_", "RUST_LOG"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        let output = command
            .arg(serde_json::to_string(self).unwrap())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{self:?}: {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn value<T: Serialize>(found: &T) -> Value {
    serde_json::to_value(found).unwrap()
}
