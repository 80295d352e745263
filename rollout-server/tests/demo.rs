//! `rollout demo` as a person who has just cloned the repository runs it.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
};

use rollout_tests::wait_until;
use scripted_model::{Model, Reply, Script};
use serde_json::Value;
use tempfile::TempDir;

/// A demo in an empty directory, with nothing set that it reads, and where it can be seen what it
/// leaves behind.
struct Demo {
    dir: TempDir,
}

impl Demo {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("here")).expect("a folder");
        fs::create_dir(dir.path().join("tmp")).expect("a folder");
        Self { dir }
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollout"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("ROLLOUT_") || text.starts_with("OPENAI_") {
                command.env_remove(name);
            }
        }
        command
            .arg("demo")
            .args(options)
            .current_dir(self.dir.path().join("here"))
            .env("TMPDIR", self.dir.path().join("tmp"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, options: &[&str]) -> Output {
        self.command(options).output().expect("it runs")
    }

    #[track_caller]
    fn assert_nothing_is_left(&self) {
        for folder in ["here", "tmp"] {
            let left: Vec<_> = fs::read_dir(self.dir.path().join(folder))
                .expect("the folder is there")
                .collect();
            assert!(left.is_empty(), "left in {folder}: {left:?}");
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

#[test]
fn once_prints_the_trees_of_what_ran_and_leaves_nothing() {
    let demo = Demo::new();
    let output = demo.run(&["--once"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let trees = text(&output.stdout);
    for words in [
        "agent support_agent",
        "retrieval search_help_center",
        "tool refund_shipping  error",
        "support_agent::shop::RefundError: the refund for order 1042 was declined",
        "↳ the card expired in May 2026",
        "312 → 17 tokens",
        "agent release_notes",
        "agent research_team",
        "tool search_archive  cancelled",
        "called by research_team",
    ] {
        assert!(trees.contains(words), "{words}: {trees}");
    }
    assert!(!trees.contains("ada@example.com"), "{trees}");
    demo.assert_nothing_is_left();
}

#[test]
fn json_is_the_query_apis_and_nothing_else() {
    let output = Demo::new().run(&["--once", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let traces: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<_> = traces.iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "support_agent",
            "release_notes",
            "research_team",
            "reviewer"
        ]
    );
    for trace in &traces {
        assert_eq!(trace["status"], "ok");
        assert!(trace["usage"]["input_tokens"].as_u64() > Some(0), "{trace}");
        let spans = trace["spans"].as_array().expect("a list");
        assert_eq!(trace["span_count"], spans.len());
        let ids: BTreeSet<_> = spans.iter().filter_map(|s| s["span_id"].as_str()).collect();
        for span in spans {
            let parent = span["parent_span_id"].as_str();
            assert_eq!(parent.is_none(), span["depth"] == 0, "{span}");
            assert!(parent.is_none_or(|parent| ids.contains(parent)), "{span}");
            assert!(span["code"]["line"].as_u64() > Some(0), "{span}");
        }
    }
    let kinds: BTreeSet<_> = traces
        .iter()
        .filter_map(|trace| trace["spans"].as_array())
        .flatten()
        .filter_map(|span| span["type"].as_str())
        .collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["agent", "llm", "retrieval", "task", "tool"]
    );
}

#[test]
#[cfg(unix)]
fn it_stays_until_it_is_told_to_stop() {
    let demo = Demo::new();
    let mut child = demo
        .command(&[])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdout = child.stdout.take().expect("it is piped");
    let line = BufReader::new(stdout)
        .lines()
        .map(|line| line.expect("it is text"))
        .find(|line| line.starts_with("viewer: "))
        .expect("it says where the viewer is");
    let address = line.split_whitespace().nth(1).expect("an address");

    let get = |path: &str| {
        let mut answer = ureq::get(format!("{address}{path}")).call().expect(path);
        answer.body_mut().read_to_string().expect("it is text")
    };
    assert!(get("/").contains("support_agent"));
    let page: Value = serde_json::from_str(&get("/api/v1/traces")).expect("JSON");
    assert_eq!(page["traces"].as_array().map(Vec::len), Some(4));

    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("it runs").success());
    let status = wait_until("the demo's end", || child.try_wait().expect("our child"));
    assert!(status.success());
    demo.assert_nothing_is_left();
}

#[test]
fn the_environment_names_another_model() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let words = "I would rather talk about the weather.";
    let script = Script::new().when("", Reply::text(words).tokens(3, 4));
    let model = runtime
        .block_on(Model::scripted(script))
        .expect("it starts");
    let output = Demo::new()
        .command(&["--once", "--json"])
        .env("OPENAI_BASE_URL", model.base_url())
        .env("OPENAI_API_KEY", "scripted")
        .env("OPENAI_MODEL", "weather-1")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let traces: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(traces[0]["output"], words);
    let spans = traces[0]["spans"].as_array().expect("a list");
    assert!(spans.iter().any(|span| span["model"] == "weather-1"));
    // What looks like a key is nowhere.
    assert!(!text(&output.stdout).contains("Bearer"));
}

#[test]
fn a_model_that_does_not_answer_is_a_failure_that_the_traces_show() {
    let output = Demo::new()
        .command(&["--once", "--json"])
        // Nobody listens on the discard port.
        .env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("support_agent failed: the model did not answer"),
        "{said}"
    );
    let traces: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(traces[0]["status"], "error");
    assert_eq!(traces[0]["error"]["message"], "the model did not answer");
    assert!(traces[0]["error"]["chain"][0].is_string());
}

#[test]
fn it_says_what_is_in_its_way() {
    let output = Demo::new()
        .command(&["--once"])
        .env("ROLLOUT_DISABLED", "true")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("ROLLOUT_DISABLED"));
}

#[test]
fn check_tells_where_events_go() {
    let demo = Demo::new();
    let check = |address: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollout"));
        command
            .args(["check", "--json"])
            .current_dir(demo.dir.path().join("here"))
            .env_remove("ROLLOUT_ENDPOINT")
            .env_remove("ROLLOUT_BASE_URL")
            .env("ROLLOUT_DIR", demo.dir.path().join("here"));
        if let Some(address) = address {
            command.env("ROLLOUT_ENDPOINT", address);
        }
        let output = command.output().expect("it runs");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(output.status.success(), found["ok"] == true);
        found
    };
    let spool = check(None);
    assert_eq!(
        (&spool["ok"], &spool["accepted"]),
        (&true.into(), &3.into())
    );

    let server = rollout_tests::server::TestServer::start();
    let sent = check(Some(&server.url("")));
    assert_eq!((&sent["ok"], &sent["accepted"]), (&true.into(), &3.into()));
    assert_eq!(server.trace_ids().len(), 1);

    let down = check(Some("http://127.0.0.1:9"));
    assert_eq!(down["ok"], false);
}
