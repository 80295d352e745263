//! One trace over three real processes: a client, an axum server, and a worker that is fed through a queue.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use rollout_server::{ingest::sync_once, open_store};
use rollout_tests::program::{Program, command};
use rollout_tests::server::TestServer;
use serde_json::Value;

fn part(
    dir: &std::path::Path,
    arguments: &[&str],
) -> (Program, BufReader<std::process::ChildStdout>) {
    let mut command = command(env!("CARGO_BIN_EXE_relay"), dir);
    command.args(arguments).stdout(Stdio::piped());
    command.env("ROLLOUT_SERVICE_NAME", arguments[0]);
    let mut program = Program::start(&mut command);
    let stdout = program.child().stdout.take().unwrap();
    (program, BufReader::new(stdout))
}

fn line(stdout: &mut BufReader<std::process::ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// The tree in one line a span: depth, type, name, status.
fn tree(spans: &[Value]) -> Vec<String> {
    let line = |span: &Value| {
        let depth = usize::try_from(span["depth"].as_u64().unwrap()).unwrap();
        let text = |key: &str| span[key].as_str().unwrap().to_owned();
        format!(
            "{}{} {} {}",
            "  ".repeat(depth),
            text("type"),
            text("name"),
            text("status")
        )
    };
    spans.iter().map(line).collect()
}

#[test]
fn a_trace_over_three_processes_is_one_tree() {
    let dir = tempfile::tempdir().unwrap();
    let (packer, mut said) = part(dir.path(), &["packer"]);
    let packer_at = line(&mut said);
    let (desk, mut said) = part(dir.path(), &["desk", &packer_at]);
    let desk_at = line(&mut said);
    let (shop, mut said) = part(dir.path(), &["shop", &desk_at]);
    assert_eq!(
        (line(&mut said), line(&mut said)),
        ("packed 0".into(), "packed 1".into())
    );
    let ended = shop.end();
    assert!(ended.status.success(), "{ended:?}");
    ureq::get(format!("http://{desk_at}/quit")).call().unwrap();
    TcpStream::connect(packer_at)
        .unwrap()
        .write_all(b"quit\n")
        .unwrap();
    for program in [desk, packer] {
        let ended = program.end();
        assert!(ended.status.success(), "{ended:?}");
    }

    let server = TestServer::start_in(dir.path(), &[]);
    let traces = rollout_tests::wait_until("all is read", || {
        let traces = server.get("/api/v1/traces").json()["traces"].clone();
        (traces[0]["span_count"] == 13).then_some(traces)
    });
    assert_eq!(traces.as_array().unwrap().len(), 1, "{traces:#}");
    assert_eq!(traces[0]["name"], "shop");
    assert_eq!(traces[0]["status"], "ok");
    let id = traces[0]["trace_id"].as_str().unwrap();
    let spans = server.get(&format!("/api/v1/traces/{id}/spans")).json();
    let spans = spans["spans"].as_array().unwrap();
    let one = [
        "  tool ask ok",
        "    server POST /orders/{number} ok",
        "      task check ok",
        "      task hand_on ok",
        "        agent pack ok",
        "          task wrap ok",
    ];
    let mut expected = vec!["agent shop ok"];
    expected.extend(one);
    expected.extend(one);
    assert_eq!(tree(spans), expected);
}

#[test]
fn a_trace_that_began_elsewhere_is_shown_by_its_first_span_here() {
    let dir = tempfile::tempdir().unwrap();
    let (packer, mut said) = part(dir.path(), &["packer"]);
    let packer_at = line(&mut said);
    // A caller that records nowhere that we know of.
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut queue = TcpStream::connect(&packer_at).unwrap();
    writeln!(queue, "7 {caller}").unwrap();
    let mut done = String::new();
    BufReader::new(queue).read_line(&mut done).unwrap();
    assert_eq!(done, "packed 7\n");
    TcpStream::connect(packer_at)
        .unwrap()
        .write_all(b"quit\n")
        .unwrap();
    assert!(packer.end().status.success());

    // Read after the process is gone: its part is complete, and so not interrupted.
    let store = open_store(dir.path()).unwrap();
    sync_once(dir.path(), &store).unwrap();
    drop(store);
    let server = TestServer::start_in(dir.path(), &[]);
    let trace = server
        .get("/api/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736")
        .json();
    assert_eq!(
        (&trace["name"], &trace["status"]),
        (&"pack".into(), &"ok".into()),
        "{trace:#}"
    );
    let spans = server
        .get("/api/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736/spans")
        .json();
    assert_eq!(
        tree(spans["spans"].as_array().unwrap()),
        ["agent pack ok", "  task wrap ok"]
    );
}
