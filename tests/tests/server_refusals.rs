//! What the server does not take, and how it says so.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use rollout_server::{ServeOptions, ingest, serve};
use rollout_tests::{
    server::TestServer,
    wire::{batch, gzip},
};
use serde_json::{Value, json};

fn event(id: &str) -> Value {
    json!({ "event_id": id, "event_type": "trace.start", "trace_id": "trace_1", "name": "run" })
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn one_bad_event_does_not_spoil_the_others() {
    let server = TestServer::start();
    let mut events: Vec<Value> = (0..9).map(|n| event(&format!("evt_{n}"))).collect();
    events[1]["event_type"] = json!("trace.begin");
    events[2]["nonsense"] = json!(1);
    events[3]["name"] = json!("é".repeat(301));
    events[4]["name"] = json!("é".repeat(300));
    events[5]["trace_id"] = Value::Null;
    events[6]["sequence"] = json!(0);
    events[7]["occurred_at"] = json!("yesterday");
    // A lone surrogate in a text, and a value that nests deeper than readers dare.
    let body = String::from_utf8(batch(&events)).unwrap();
    let body = body.replacen(r#""name":"run""#, r#""name":"\ud800""#, 1);
    let deep = format!(
        r#""raw":{{"input":{}{}}},"name":"run""#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let body = body.replacen(
        r#""name":"run","trace_id":"trace_1"}]"#,
        &format!(r#"{deep},"trace_id":"trace_1"}}]"#),
        1,
    );
    let answer = server.post(body.as_bytes(), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"]),
        (&json!(2), &json!(7)),
        "{answer}"
    );
    assert_eq!(answer["retryable"], false);
    let errors: Vec<(u64, &str)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            assert_eq!(error.as_object().unwrap().len(), 3, "{error}");
            (
                error["index"].as_u64().unwrap(),
                error["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            (0, "invalid_event"),
            (1, "invalid_event"),
            (2, "invalid_event"),
            (3, "too_long"),
            (5, "missing_trace_id"),
            (6, "out_of_range"),
            (7, "invalid_event"),
        ]
    );
    let metrics = server.get("/metrics").body;
    for line in [
        "rollout_ingested_events_total{outcome=\"accepted\"} 2",
        "rollout_ingested_events_total{outcome=\"rejected\"} 7",
        "rollout_rejected_events_total{reason=\"too_long\"} 1",
        "rollout_rejected_events_total{reason=\"missing_trace_id\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
    // What nests so deep is given back as it came.
    let trace = server.get("/api/v1/traces/trace_1");
    assert!(
        trace
            .body
            .contains(&format!("{}{}", "[".repeat(5000), "]".repeat(5000)))
    );
}

#[test]
fn bodies_that_are_no_batch() {
    let server = TestServer::start();
    let code = |body: &[u8]| {
        let answer = server.post(body, &[]);
        (answer.status, answer.error_code())
    };
    assert_eq!(code(b"{\"events\": [}"), (400, "invalid_json".to_owned()));
    assert_eq!(code(b""), (400, "invalid_json".to_owned()));
    assert_eq!(code(b"\xff\xfe"), (400, "invalid_json".to_owned()));
    assert_eq!(code(b"[]"), (422, "invalid_batch".to_owned()));
    assert_eq!(code(&batch(&[])), (422, "invalid_batch".to_owned()));
    let many: Vec<Value> = (0..1001).map(|n| event(&format!("evt_{n}"))).collect();
    assert_eq!(code(&batch(&many)), (422, "invalid_batch".to_owned()));
    let extra = String::from_utf8(batch(&[event("evt_1")]))
        .unwrap()
        .replacen('{', r#"{"more":1,"#, 1);
    assert_eq!(code(extra.as_bytes()), (422, "invalid_batch".to_owned()));
    assert!(server.trace_ids().is_empty());
}

#[test]
fn encodings() {
    let server = TestServer::start();
    let body = batch(&[event("evt_1")]);
    let zstd = zstd::encode_all(&*body, 0).unwrap();
    assert_eq!(
        server
            .post(&zstd, &[header("Content-Encoding", "zstd")])
            .json()["accepted"],
        1
    );
    assert_eq!(
        server
            .post(&gzip(&body), &[header("Content-Encoding", "GZIP")])
            .json()["accepted"],
        1
    );
    assert_eq!(
        server
            .post(&body, &[header("Content-Encoding", "identity")])
            .json()["accepted"],
        1
    );
    let answer = server.post(&body, &[header("Content-Encoding", "br")]);
    assert_eq!(
        (answer.status, answer.error_code()),
        (415, "unknown_encoding".to_owned())
    );
    let answer = server.post(&body, &[header("Content-Encoding", "gzip")]);
    assert_eq!(
        (answer.status, answer.error_code()),
        (400, "invalid_encoding".to_owned())
    );
}

#[test]
fn bodies_that_are_too_long() {
    let server = TestServer::start();
    let large = server.post(&vec![b' '; 100 << 20], &[]);
    assert_eq!(
        (large.status, large.error_code()),
        (413, "too_large".to_owned())
    );
    let gzip_bomb = gzip(&vec![b' '; 300 << 20]);
    assert!(gzip_bomb.len() < 1 << 20);
    let bomb = server.post(&gzip_bomb, &[header("Content-Encoding", "gzip")]);
    assert_eq!(
        (bomb.status, bomb.error_code()),
        (413, "too_large".to_owned())
    );
    let zstd_bomb = zstd::encode_all(&*vec![b' '; 300 << 20], 0).unwrap();
    let bomb = server.post(&zstd_bomb, &[header("Content-Encoding", "zstd")]);
    assert_eq!(
        (bomb.status, bomb.error_code()),
        (413, "too_large".to_owned())
    );
    // As long as a body may be.
    let mut body = batch(&[event("evt_1")]);
    body.resize(ingest::MAX_BODY, b' ');
    assert_eq!(server.post(&body, &[]).json()["accepted"], 1);
}

#[test]
fn keys_and_what_they_allow() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &["both", "ingest=sender", "read=reader"]);
    let bearer = |key: &str| header("Authorization", &format!("Bearer {key}"));
    let body = batch(&[event("evt_1")]);
    let sent = |key: &str| server.post(&body, &[bearer(key)]).status;
    let read = |key: &str| {
        let (name, value) = bearer(key);
        server.get_with("/api/v1/traces", &[(&name, &value)]).status
    };
    assert_eq!((sent("both"), read("both")), (200, 200));
    assert_eq!((sent("sender"), read("sender")), (200, 401));
    assert_eq!((sent("reader"), read("reader")), (401, 200));
    assert_eq!((sent("bot"), read("")), (401, 401));
    let refused = server.post(&body, &[]);
    assert_eq!(
        (refused.status, refused.error_code()),
        (401, "unauthorized".to_owned())
    );
    for path in [
        "/metrics",
        "/",
        "/traces/trace_1",
        "/live",
        "/api/v1/traces/trace_1/spans",
    ] {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_browser_logs_in_with_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &["read=secret"]);
    let form = server.get_with("/traces/t?x=%22&y=1", &[("Accept", "text/html")]);
    assert_eq!(form.status, 401);
    assert!(
        form.body.contains("method=\"post\" action=\"/login\""),
        "{form:?}"
    );
    assert!(
        form.body.contains(r#"value="/traces/t?x=%22&#38;y=1""#),
        "{form:?}"
    );
    let log_in = |body: &str| {
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(&server, &request)
    };
    let wrong = log_in("key=guess&next=/");
    assert!(
        wrong.starts_with("HTTP/1.1 401") && !wrong.contains("set-cookie"),
        "{wrong}"
    );
    let right = log_in("key=secret&next=//evil.example/");
    assert!(
        right.starts_with("HTTP/1.1 303") && right.contains("location: /\r\n"),
        "{right}"
    );
    let cookie = right
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let session = cookie.split(';').next().unwrap();
    assert_eq!(
        server
            .get_with("/api/v1/traces", &[("Cookie", session)])
            .status,
        200
    );
    // A session reads; it does not send.
    let sent = server.post(&batch(&[event("evt_1")]), &[header("Cookie", session)]);
    assert_eq!(sent.status, 401);
}

#[test]
fn other_machines_need_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let options = ServeOptions {
        addr: "0.0.0.0:0".to_owned(),
        dir: dir.path().to_owned(),
        keys: Vec::new(),
        store: rollout_server::store::StorePlace::Dir,
        retention: rollout_server::store::Retention::default(),
        prices: None,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(serve(options)).err().unwrap();
    assert!(refused.to_string().contains("--api-key"), "{refused}");
}

/// Sends a request as it stands, and reads the answer to its end.
fn raw(server: &TestServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn foreign_pages_get_nothing() {
    let server = TestServer::start();
    let get = |host: &str| {
        let request =
            format!("GET /api/v1/traces HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        raw(&server, &request)[9..12].to_owned()
    };
    for host in [
        "localhost",
        "127.0.0.1:4747",
        "[::1]:80",
        "LOCALHOST:1",
        "rollout.localhost",
    ] {
        assert_eq!(get(host), "200", "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]",
        "localhost.evil.example:80",
        "",
    ] {
        assert_eq!(get(host), "403", "{host}");
    }
    let body = String::from_utf8(batch(&[event("evt_1")])).unwrap();
    let post = |headers: &str| {
        let request = format!(
            "POST /v1/events:batch HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(&server, &request)[9..12].to_owned()
    };
    assert_eq!(post(""), "200");
    assert_eq!(
        post("Origin: http://localhost:1\r\nSec-Fetch-Site: same-origin\r\n"),
        "200"
    );
    for headers in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost:2\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        assert_eq!(post(headers), "403", "{headers}");
    }
}

#[test]
fn every_answer_is_hardened() {
    let server = TestServer::start();
    for path in [
        "/",
        "/api/v1/traces",
        "/api/v1/none",
        "/nothing",
        "/healthz",
    ] {
        let answer = server.get(path);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert!(
            answer.headers.get("access-control-allow-origin").is_none(),
            "{path}"
        );
    }
}

#[test]
fn there_is_one_way_in() {
    let server = TestServer::start();
    for path in [
        "/v1/events",
        "/v1/events%3Abatch",
        "/events:batch",
        "/api/v1/events:batch",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        assert!(raw(&server, &request).starts_with("HTTP/1.1 404"), "{path}");
    }
    let answer = server.get("/v1/events:batch");
    assert_eq!(
        (answer.status, answer.error_code()),
        (405, "method_not_allowed".to_owned())
    );
}

#[test]
fn queries_that_make_no_sense() {
    let server = TestServer::start();
    let code = |path: &str| {
        let answer = server.get(path);
        (answer.status, answer.error_code())
    };
    let unknown = server.get("/api/v1/traces?filter=colour:red");
    assert_eq!(unknown.status, 400);
    assert!(
        unknown.body.contains("status, name, user, session"),
        "{unknown:?}"
    );
    for (path, expected) in [
        ("/api/v1/traces?filter=status:", "invalid_filter"),
        ("/api/v1/traces?filter=%22open", "invalid_filter"),
        ("/api/v1/traces?limit=0", "invalid_limit"),
        ("/api/v1/traces?limit=501", "invalid_limit"),
        ("/api/v1/traces?limit=many", "invalid_query"),
        ("/api/v1/traces?fliter=x", "invalid_query"),
        ("/api/v1/traces?cursor=x", "invalid_cursor"),
    ] {
        assert_eq!(code(path), (400, expected.to_owned()), "{path}");
    }
    for path in [
        "/api/v1/traces/none",
        "/api/v1/traces/none/spans",
        "/api/v1/traces/none/spans/none",
        "/api/none",
    ] {
        assert_eq!(code(path), (404, "not_found".to_owned()), "{path}");
    }
}
