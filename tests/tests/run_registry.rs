//! The run registry: what it takes, and how programs tell it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use rollout::run::{Phase, RunMeta};
use rollout::{Client, SpoolKind};
use rollout_tests::DEADLINE;
use rollout_tests::events::builder;
use rollout_tests::server::TestServer;
use serde_json::{Value, json};

#[test]
fn what_is_registered_is_there_before_its_rollouts() {
    let server = TestServer::start();
    for _ in 0..2 {
        // Once more changes nothing.
        let run = server.put(
            "/v1/runs/r%2F1",
            r#"{"phase":"eval","project":"shop"}"#,
            &[],
        );
        assert_eq!((run.status, run.body.as_str()), (204, ""));
        assert_eq!(server.put("/v1/runs/r%2F1/steps/3", "{}", &[]).status, 204);
        assert_eq!(server.put("/v1/runs/r%2F1/steps/0", "", &[]).status, 204);
        let datapoint = server.put("/v1/datapoints/d", r#"{"env_name":"maze"}"#, &[]);
        assert_eq!(datapoint.status, 204);
        assert_eq!(server.put("/v1/datapoints/d", "", &[]).status, 204);
    }
    let runs = server.get_json("/api/v1/runs");
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    let run = server.get_json("/api/v1/runs/r%2F1");
    assert_eq!(run["phase"], "eval");
    assert_eq!(run["project"], "shop");
    assert!(run["registered_at"].is_string());
    assert_eq!(run["rollouts"], 0);
    let steps: Vec<_> = run["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            (
                step["step_number"].as_i64().unwrap(),
                step["registered_at"].is_string(),
            )
        })
        .collect();
    assert_eq!(steps, [(0, true), (3, true)]);
}

#[track_caller]
fn assert_refused(server: &TestServer, path: &str, body: &str, status: u16, code: &str, why: &str) {
    let answer = server.put(path, body, &[]);
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (status, code),
        "{answer:?}"
    );
    assert!(answer.body.contains(why), "{answer:?}");
}

#[test]
fn what_is_refused_is_told_why() {
    let server = TestServer::start();
    let invalid = "invalid_registration";
    let run = "/v1/runs/r";
    assert_refused(&server, run, "", 422, invalid, "phase");
    assert_refused(&server, run, "{}", 422, invalid, "missing field `phase`");
    assert_refused(
        &server,
        run,
        r#"{"phase":"production"}"#,
        422,
        invalid,
        "`train` and `eval`",
    );
    assert_refused(
        &server,
        run,
        r#"{"phase":"prod"}"#,
        422,
        invalid,
        "only its datapoints are",
    );
    assert_refused(
        &server,
        run,
        r#"{"phase":"eval","owner":"me"}"#,
        422,
        invalid,
        "unknown field `owner`",
    );
    assert_refused(&server, run, "{", 400, "invalid_json", "no JSON");
    let long = format!("/v1/runs/{}", "x".repeat(201));
    assert_refused(
        &server,
        &long,
        r#"{"phase":"eval"}"#,
        422,
        invalid,
        "201 characters",
    );
    assert_refused(
        &server,
        "/v1/runs/%20",
        r#"{"phase":"eval"}"#,
        422,
        invalid,
        "blank",
    );
    let step = "/v1/runs/r/steps/1";
    assert_refused(
        &server,
        step,
        "{}",
        404,
        "not_registered",
        "PUT it before its steps",
    );
    assert_eq!(server.put(run, r#"{"phase":"eval"}"#, &[]).status, 204);
    assert_refused(
        &server,
        run,
        r#"{"phase":"train"}"#,
        409,
        "conflict",
        "registered for `eval`",
    );
    for number in ["-1", "1.5", "one", "99999999999999999999"] {
        let step = format!("/v1/runs/r/steps/{number}");
        assert_refused(&server, &step, "{}", 422, invalid, number);
    }
    assert_refused(&server, step, r#"{"x":1}"#, 422, invalid, "unknown field");
    assert_refused(&server, "/v1/datapoints/d", "[]", 422, invalid, "");
    // Nothing of it has left anything behind.
    let run = server.get_json("/api/v1/runs/r");
    assert_eq!(
        (&run["phase"], &run["step_count"]),
        (&json!("eval"), &json!(0))
    );
}

#[test]
fn a_registry_asks_for_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &["ingest=sender", "read=reader"]);
    let put = |key: &str| {
        let key = format!("Bearer {key}");
        let headers = [("authorization", key.as_str())];
        server
            .put("/v1/runs/r", r#"{"phase":"eval"}"#, &headers)
            .status
    };
    assert_eq!(
        server.put("/v1/runs/r", r#"{"phase":"eval"}"#, &[]).status,
        401
    );
    assert_eq!(put("reader"), 401);
    assert_eq!(put("sender"), 204);
}

fn meta(phase: Phase, datapoint: &str) -> RunMeta {
    let meta = RunMeta::new(datapoint, phase).env_name("maze");
    match phase {
        Phase::Prod => meta,
        _ => meta.run_id("r 1/ü").step_number(2),
    }
}

fn record(client: &Client, phase: Phase, datapoint: &str) {
    let rollout = client.trace_run(meta(phase, datapoint)).unwrap();
    rollout.in_scope(|_| ());
}

fn steps(run: &Value) -> Vec<i64> {
    let steps = run["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["step_number"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_program_registers_what_its_rollouts_are_of() {
    let server = TestServer::start();
    let client = builder()
        .spool(SpoolKind::Memory)
        .exporters([])
        .registry_url(server.url(""))
        .project("shop")
        .phase(Phase::Train)
        .run_id("r 1/ü")
        .build()
        .unwrap();
    record(&client, Phase::Train, "d1");
    record(&client, Phase::Train, "d1");
    // A training run evaluates in between, and stays a training run.
    record(&client, Phase::Eval, "d2");
    let report = client.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete() && report.lost == 0, "{report:?}");
    // The events themselves have gone to nobody.
    assert!(server.trace_ids().is_empty());
    let run = server.get_json("/api/v1/runs/r%201%2F%C3%BC");
    assert_eq!(
        (&run["phase"], &run["project"]),
        (&json!("train"), &json!("shop"))
    );
    assert!(run["registered_at"].is_string());
    assert_eq!(steps(&run), [2]);
    client.blocking_shutdown(DEADLINE).unwrap();

    // In prod, there are datapoints alone.
    let client = builder()
        .spool(SpoolKind::Memory)
        .endpoint(server.url(""))
        .registry_url(server.url("/"))
        .project("shop")
        .build()
        .unwrap();
    record(&client, Phase::Prod, "request-1");
    assert!(client.blocking_flush(DEADLINE).unwrap().is_complete());
    assert_eq!(server.trace_ids().len(), 1);
    let run = server.get_json("/api/v1/runs/shop");
    assert_eq!(run["phase"], "prod");
    assert_eq!(run["registered_at"], Value::Null);
    let datapoints = server.get_json("/api/v1/runs/shop/datapoints");
    let datapoint = &datapoints["datapoints"][0];
    assert_eq!(datapoint["datapoint_id"], "request-1");
    assert_eq!(datapoint["env_name"], "maze");
    assert!(datapoint["registered_at"].is_string());
}

#[test]
fn what_the_registry_could_not_take_is_taken_by_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let of_server = tempfile::tempdir().unwrap();
    // A server that was there, and is not any more.
    let server = TestServer::start_in(of_server.path(), &[]);
    let away = server.url("");
    server.stop();
    let client = |address: String| {
        builder()
            .dir(dir.path())
            .exporters([])
            .registry_url(address)
            .project("shop")
            .build()
            .unwrap()
    };
    let first = client(away);
    record(&first, Phase::Eval, "d1");
    let report = first
        .blocking_shutdown(std::time::Duration::from_millis(50))
        .unwrap();
    assert!(report.spooled > 0 && report.lost == 0, "{report:?}");
    // The next process sends what this one could not.
    let server = TestServer::start_in(of_server.path(), &[]);
    let second = client(server.url(""));
    second.blocking_shutdown(DEADLINE).unwrap();
    let run = server.get_json("/api/v1/runs/r%201%2F%C3%BC");
    assert_eq!((&run["phase"], steps(&run)), (&json!("eval"), vec![2]));
}

#[test]
fn a_refused_registration_costs_nothing_else() {
    let server = TestServer::start();
    let taken = server.put("/v1/runs/r%201%2F%C3%BC", r#"{"phase":"eval"}"#, &[]);
    assert_eq!(taken.status, 204);
    let client = builder()
        .spool(SpoolKind::Memory)
        .endpoint(server.url(""))
        .registry_url(server.url(""))
        .build()
        .unwrap();
    record(&client, Phase::Train, "d1");
    let report = client.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete() && report.lost == 0, "{report:?}");
    assert_eq!(server.trace_ids().len(), 1);
    let run = server.get_json("/api/v1/runs/r%201%2F%C3%BC");
    assert_eq!(
        (&run["phase"], &run["rollouts"]),
        (&json!("eval"), &json!(1))
    );
    // A key that is wrong stops it, and says so.
    let dir = tempfile::tempdir().unwrap();
    let locked = TestServer::start_in(dir.path(), &["ingest=right"]);
    let client = builder()
        .spool(SpoolKind::Memory)
        .exporters([])
        .registry_url(locked.url(""))
        .registry_key("wrong")
        .build()
        .unwrap();
    record(&client, Phase::Train, "d1");
    let report = client.blocking_flush(DEADLINE).unwrap();
    let why = &report.stopped["registry"];
    assert!(
        why.contains("KESTREL_API_KEY") && !why.contains("wrong"),
        "{why}"
    );
}
