//! The binary as a process: how it begins, and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use rollout_server::open_store;
use rollout_tests::clickhouse::ClickHouse;
use rollout_tests::proxy::{Fault, Proxy};
use rollout_tests::wait_until;
use serde_json::Value;

struct Serving {
    process: Child,
    /// `HOST:PORT`.
    addr: String,
}

impl Serving {
    fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    fn start_with(dir: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rollout"))
            .args(["serve", "--addr", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(arguments)
            .env_remove("ROLLOUT_SERVE_API_KEY")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line
            .trim_end()
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Self { process, addr }
    }

    /// A batch of one event.
    fn batch(number: u32) -> String {
        let event = format!(
            r#"{{"event_id":"evt_{number}","event_type":"span.end","trace_id":"t","span_id":"s{number}"}}"#
        );
        format!(
            r#"{{"schema_version":"1.0","source":"test","sdk":{{"name":"test","language":"rust"}},"batch_id":"b","sent_at":"2026-01-02T03:04:05Z","events":[{event}]}}"#
        )
    }

    /// What comes before it, with one more header.
    fn head(body: &str, header: &str) -> String {
        format!(
            "POST /v1/events:batch HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
    }

    /// Sends a batch of one event; the answer is to come.
    fn ask(&self, number: u32) -> TcpStream {
        let body = Self::batch(number);
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        let head = Self::head(&body, "Connection: close");
        write!(stream, "{head}{body}").unwrap();
        stream
    }

    /// Sends a batch of one event and gives the answer.
    fn send(&self, number: u32) -> String {
        let mut answer = String::new();
        self.ask(number).read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> Value {
        let mut answer = ureq::get(format!("http://{}{path}", self.addr))
            .call()
            .unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_was_accepted_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(dir.path());
    for number in 0..20 {
        assert!(serving.send(number).contains(r#"{"accepted":1,"#));
    }
    // SIGKILL where there is such a thing: nobody is asked.
    serving.process.kill().unwrap();
    serving.process.wait().unwrap();
    let spans = open_store(dir.path())
        .unwrap()
        .spans("t", 0, 100)
        .unwrap()
        .unwrap();
    assert_eq!(spans.total, 20);
    // And another one goes on with it.
    let mut serving = Serving::start(dir.path());
    assert!(serving.send(20).contains(r#"{"accepted":1,"#));
    serving.process.kill().unwrap();
    serving.process.wait().unwrap();
}

/// The row is in the database, whose answer is on its way, and nobody who could tell of it is left.
#[test]
fn killed_between_an_insert_and_its_answer_it_has_the_row_once() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let proxy = Proxy::start(engine.address());
    let dir = tempfile::tempdir().unwrap();
    let store = format!("{}/{}", proxy.url(), database.name);
    let mut serving = Serving::start_with(dir.path(), &["--store", &store]);
    assert!(serving.send(0).contains(r#"{"accepted":1,"#));

    proxy.inject(Fault::Withhold);
    let mut unanswered = serving.ask(1);
    wait_until("the row is in", || {
        let rows = "SELECT count() FROM rollout_events WHERE event_id = 'evt_1'";
        (database.count(rows) == 1).then_some(())
    });
    serving.process.kill().unwrap();
    serving.process.wait().unwrap();
    let mut answer = Vec::new();
    // Reset or closed, as the system likes.
    let _ = unanswered.read_to_end(&mut answer);
    assert_eq!(answer, b"", "{}", String::from_utf8_lossy(&answer));

    proxy.inject(Fault::None);
    let mut next = Serving::start_with(dir.path(), &["--store", &store]);
    // Who was not answered sends it again, and goes on.
    for number in [1, 2] {
        assert!(next.send(number).contains(r#"{"accepted":1,"#));
    }
    let trace = next.get("/api/v1/traces/t");
    assert_eq!(trace["span_count"], 3, "{trace}");
    let spans = next.get("/api/v1/traces/t/spans");
    assert_eq!(spans["spans"].as_array().unwrap().len(), 3, "{spans}");
    let rows = database.count("SELECT count() FROM rollout_events FINAL");
    assert_eq!(rows, 3);
    next.process.kill().unwrap();
    next.process.wait().unwrap();
}

#[test]
fn a_second_server_in_one_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Serving::start(dir.path());
    let second = || {
        Command::new(env!("CARGO_BIN_EXE_rollout"))
            .args(["serve", "--addr", "127.0.0.1:0", "--dir"])
            .arg(dir.path())
            .env_remove("ROLLOUT_SERVE_API_KEY")
            .output()
            .unwrap()
    };
    let refused = second();
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(
        words.contains("another server has") && words.contains("--dir DIR"),
        "{words}"
    );
    // The first one is none the worse for it, and its place is free as soon as it is gone.
    assert!(first.send(1).contains(r#"{"accepted":1,"#));
    first.process.kill().unwrap();
    first.process.wait().unwrap();
    let mut next = Serving::start(dir.path());
    assert!(next.send(2).contains(r#"{"accepted":1,"#));
    next.process.kill().unwrap();
    next.process.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_stops_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(dir.path());
    assert!(serving.send(1).contains(r#"{"accepted":1,"#));
    // An event stream is open, and would be for ever.
    let mut live = TcpStream::connect(&serving.addr).unwrap();
    live.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    live.read_exact(&mut [0; 16]).unwrap();
    // And a request is on its way.
    let body = Serving::batch(2);
    let (first, second) = body.split_at(10);
    let mut sender = TcpStream::connect(&serving.addr).unwrap();
    let head = Serving::head(&body, "Expect: 100-continue");
    sender.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    sender.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    sender.write_all(first.as_bytes()).unwrap();
    let id = serving.process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    // It takes no more of them, and answers the one it has begun with.
    while TcpStream::connect(&serving.addr).is_ok() {
        std::thread::yield_now();
    }
    sender.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    sender.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#"{"accepted":1,"#), "{answer}");
    assert!(serving.process.wait().unwrap().success());
    let spans = open_store(dir.path())
        .unwrap()
        .spans("t", 0, 100)
        .unwrap()
        .unwrap();
    assert_eq!(spans.total, 2);
}

#[test]
fn an_address_of_others_without_a_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_rollout"))
        .args(["serve", "--addr", "0.0.0.0:0", "--dir"])
        .arg(dir.path())
        .env_remove("ROLLOUT_SERVE_API_KEY")
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(refused.stdout.is_empty());
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("--api-key KEY"), "{words}");
}
