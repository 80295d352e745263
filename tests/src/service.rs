//! A server written in Python, on a port of its own choice.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use crate::{wait_at_most, wait_until};

/// How long it may take to start: what it imports is compiled, and its tables are made.
const START: Duration = Duration::from_mins(5);

/// What uvicorn says when it listens, before the address.
const LISTENS: &str = "Uvicorn running on ";
/// What it says before it does, before the number of its process.
const PROCESS: &str = "Started server process [";

/// The server. It is killed when dropped, and its folder goes.
pub struct Service {
    child: Child,
    url: String,
    agent: Agent,
    dir: TempDir,
}

impl Service {
    /// Starts a module of that Python in a folder of its own, with an environment that says nothing but what is given.
    pub fn start(
        python: &Path,
        module: &[&str],
        settings: impl FnOnce(&Path) -> Vec<(&'static str, String)>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new(python)
            .arg("-m")
            .args(module)
            .current_dir(dir.path())
            .env_clear()
            .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
            .env("HOME", dir.path())
            .env("PYTHONUTF8", "1")
            .env("PYTHONUNBUFFERED", "1")
            .envs(settings(dir.path()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let config = Agent::config_builder().http_status_as_error(false);
        let mut service = Self {
            child,
            url: String::new(),
            agent: config.build().into(),
            dir,
        };
        service.url = wait_at_most(START, "the server listens", || {
            let ended = service.child.try_wait().unwrap();
            assert_eq!(ended, None, "{}", service.log());
            service.said(LISTENS)
        });
        service
    }

    /// The address, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has said.
    fn log(&self) -> String {
        let log = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The word that follows those.
    fn said(&self, words: &str) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once(words)?;
        // Not before the line is whole.
        let (word, _) = rest.split_once('\n')?;
        let word = word.split([' ', ']']).next()?;
        Some(word.to_owned())
    }

    /// The process that answers: a command may have started another.
    pub fn process(&self) -> u32 {
        let own = self.said(PROCESS).and_then(|id| id.parse().ok());
        own.unwrap_or_else(|| self.child.id())
    }

    /// Where it keeps what it has.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until it answers a path with 200.
    pub fn is_ready(&self, path: &str) {
        wait_until("the server is ready", || {
            let answer = self.agent.get(self.at(path)).call().ok()?;
            (answer.status() == 200).then_some(())
        });
    }

    /// What it answers at a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.answer(path, self.agent.get(self.at(path)).call())
    }

    /// Sends a body of a type, and throws away what is answered; panics unless that is 200.
    #[track_caller]
    pub fn send(&self, path: &str, kind: &str, body: &[u8]) {
        let request = self.agent.post(self.at(path)).header("content-type", kind);
        let status = request.send(body).unwrap().status().as_u16();
        assert_eq!(status, 200, "{path}\n{}", self.log());
    }

    /// What it answers to JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.agent.post(self.at(path));
        let request = request.header("content-type", "application/json");
        self.answer(path, request.send(body.to_string().as_bytes()))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    #[track_caller]
    fn answer(
        &self,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Value {
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let status = answer.status().as_u16();
        assert_eq!(status, 200, "{path}: {text}\n{}", self.log());
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // MLflow's command runs its server in a process of its own, which ends the command's when it ends.
        #[cfg(unix)]
        if let Some(process) = self.said(PROCESS).and_then(|id| id.parse().ok()) {
            use nix::{
                sys::signal::{Signal, kill},
                unistd::Pid,
            };
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        #[cfg(windows)]
        if let Some(process) = self.said(PROCESS) {
            let kill = ["/F", "/T", "/PID", &process];
            let _ = Command::new("taskkill").args(kill).output();
        }
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
