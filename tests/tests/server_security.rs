//! Who gets nothing from the server, on any route, and who cannot keep others from being served.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rollout_tests::server::TestServer;
use rollout_tests::wire::batch;
use rollout_tests::{wait_until, workspace};
use serde_json::{Value, json};

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Ingest,
    Read,
    Nothing,
}

/// Every route, as the server declares it, and as it can be called.
const ROUTES: &[(&str, &str, &str, Asks)] = &[
    ("/v1/events:batch", "POST", "/v1/events:batch", Asks::Ingest),
    ("/v1/writers:gone", "POST", "/v1/writers:gone", Asks::Ingest),
    ("/v1/runs/{run_id}", "PUT", "/v1/runs/r", Asks::Ingest),
    (
        "/v1/runs/{run_id}/steps/{number}",
        "PUT",
        "/v1/runs/r/steps/1",
        Asks::Ingest,
    ),
    (
        "/v1/datapoints/{datapoint_id}",
        "PUT",
        "/v1/datapoints/d",
        Asks::Ingest,
    ),
    ("/v1/traces", "POST", "/v1/traces", Asks::Ingest),
    (
        "/api/public/otel/v1/traces",
        "POST",
        "/api/public/otel/v1/traces",
        Asks::Ingest,
    ),
    (
        "/api/v1/public/traces",
        "POST",
        "/api/v1/public/traces",
        Asks::Ingest,
    ),
    ("/api/v1/traces", "GET", "/api/v1/traces", Asks::Read),
    (
        "/api/v1/traces/{trace_id}",
        "GET",
        "/api/v1/traces/t",
        Asks::Read,
    ),
    (
        "/api/v1/traces/{trace_id}/spans",
        "GET",
        "/api/v1/traces/t/spans",
        Asks::Read,
    ),
    (
        "/api/v1/traces/{trace_id}/spans/{span_id}",
        "GET",
        "/api/v1/traces/t/spans/s",
        Asks::Read,
    ),
    (
        "/api/v1/traces/{trace_id}/search",
        "GET",
        "/api/v1/traces/t/search?text=x",
        Asks::Read,
    ),
    (
        "/api/v1/traces/{trace_id}/export",
        "GET",
        "/api/v1/traces/t/export?format=ndjson",
        Asks::Read,
    ),
    (
        "/api/v1/traces/{trace_id}/spans/{span_id}/curl",
        "GET",
        "/api/v1/traces/t/spans/s/curl",
        Asks::Read,
    ),
    ("/api/v1/runs", "GET", "/api/v1/runs", Asks::Read),
    ("/api/v1/runs/{run_id}", "GET", "/api/v1/runs/r", Asks::Read),
    (
        "/api/v1/runs/{run_id}/datapoints",
        "GET",
        "/api/v1/runs/r/datapoints",
        Asks::Read,
    ),
    ("/runs", "GET", "/runs", Asks::Read),
    ("/runs/{run_id}", "GET", "/runs/r", Asks::Read),
    (
        "/runs/{run_id}/datapoints",
        "GET",
        "/runs/r/datapoints",
        Asks::Read,
    ),
    ("/api/v1/chart", "GET", "/api/v1/chart", Asks::Read),
    ("/api/v1/users", "GET", "/api/v1/users", Asks::Read),
    ("/api/v1/sessions", "GET", "/api/v1/sessions", Asks::Read),
    (
        "/api/v1/conversations",
        "GET",
        "/api/v1/conversations",
        Asks::Read,
    ),
    ("/api/v1/complete", "GET", "/api/v1/complete", Asks::Read),
    (
        "/api/v1/compare",
        "GET",
        "/api/v1/compare?a=t&b=u",
        Asks::Read,
    ),
    ("/sessions", "GET", "/sessions", Asks::Read),
    ("/sessions/{id}", "GET", "/sessions/s", Asks::Read),
    ("/conversations", "GET", "/conversations", Asks::Read),
    ("/conversations/{id}", "GET", "/conversations/c", Asks::Read),
    ("/users", "GET", "/users", Asks::Read),
    ("/users/{id}", "GET", "/users/u", Asks::Read),
    (
        "/compare/diff",
        "GET",
        "/compare/diff?a=t&b=u&row=0",
        Asks::Read,
    ),
    ("/compare", "GET", "/compare?a=t&b=u", Asks::Read),
    ("/metrics", "GET", "/metrics", Asks::Read),
    ("/", "GET", "/", Asks::Read),
    ("/traces", "GET", "/traces", Asks::Read),
    ("/traces/{trace_id}", "GET", "/traces/t", Asks::Read),
    (
        "/traces/{trace_id}/detail",
        "GET",
        "/traces/t/detail",
        Asks::Read,
    ),
    (
        "/traces/{trace_id}/outline",
        "GET",
        "/traces/t/outline",
        Asks::Read,
    ),
    (
        "/traces/{trace_id}/value",
        "GET",
        "/traces/t/value?part=input&as=text",
        Asks::Read,
    ),
    (
        "/traces/{trace_id}/image",
        "GET",
        "/traces/t/image?part=input&n=0",
        Asks::Read,
    ),
    ("/live", "GET", "/live", Asks::Read),
    // Styles are no secret.
    (
        "/assets/{}/{{file}}",
        "GET",
        "/assets/x/viewer.css",
        Asks::Nothing,
    ),
    ("/healthz", "GET", "/healthz", Asks::Nothing),
    ("/readyz", "GET", "/readyz", Asks::Nothing),
    ("/login", "POST", "/login", Asks::Nothing),
];

/// A route that is not in the list is tested by nobody.
#[test]
fn every_route_is_listed() {
    let mut declared = BTreeSet::new();
    for file in ["http/mod.rs", "http/pages/mod.rs"] {
        let path = workspace().join("rollout-server/src").join(file);
        let source = fs::read_to_string(path).unwrap();
        for rest in source.split(".route(").skip(1) {
            declared.insert(rest.split('"').nth(1).unwrap().to_owned());
        }
    }
    let listed = ROUTES.iter().map(|(route, ..)| (*route).to_owned());
    assert_eq!(declared, listed.collect());
}

/// Sends a request of a method, with headers, and gives the status of the answer.
fn status(server: &TestServer, method: &str, path: &str, headers: &str) -> u16 {
    let host = if headers.contains("Host:") {
        ""
    } else {
        "Host: localhost\r\n"
    };
    let body = if method == "POST" {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    let request =
        format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}{body}\r\n");
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[test]
fn every_route_asks_for_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &["ingest=sender", "read=reader"]);
    for (route, method, path, asks) in ROUTES {
        let with = |key: &str| status(&server, method, path, &format!("Authorization: {key}\r\n"));
        let (right, scope) = match asks {
            Asks::Ingest => ("Bearer sender", "Bearer reader"),
            Asks::Read => ("Bearer reader", "Bearer sender"),
            Asks::Nothing => {
                // The form of a login is incomplete here; a page of an older build is not there.
                let open = status(&server, method, path, "");
                assert!(![401, 403].contains(&open), "{route}: {open}");
                continue;
            }
        };
        assert_ne!(with(right), 401, "{route}");
        assert_eq!(
            status(&server, method, path, ""),
            401,
            "{route} without a key"
        );
        for wrong in [
            scope,
            "Bearer wrong",
            "Bearer ",
            "Bearer",
            "Basic c2VuZGVyOnJlYWRlcg==",
            "sender",
            "Bearer sender reader",
            "Bearer sender\u{e9}",
        ] {
            assert_eq!(with(wrong), 401, "{route} with {wrong}");
        }
        // Where a key is, it is not looked for.
        let query = format!("{path}?key=sender&api_key=reader&access_token=reader");
        assert_eq!(status(&server, method, &query, ""), 401, "{route}");
        let cookie = "Cookie: rollout_session=00000000000000000000000000000000\r\n";
        assert_eq!(status(&server, method, path, cookie), 401, "{route}");
    }
}

#[test]
fn every_route_wants_to_be_called_by_its_name() {
    let server = TestServer::start();
    for (route, method, path, _) in ROUTES {
        for host in [
            "evil.example",
            "evil.example:4747",
            "localhost.evil.example",
            "169.254.169.254",
            "",
        ] {
            let headers = format!("Host: {host}\r\n");
            assert_eq!(
                status(&server, method, path, &headers),
                403,
                "{route} at {host:?}"
            );
        }
        assert_ne!(
            status(&server, method, path, "Host: localhost:9\r\n"),
            403,
            "{route}"
        );
    }
}

#[test]
fn no_page_of_others_changes_anything() {
    let dir = tempfile::tempdir().unwrap();
    for keys in [&[][..], &["both"][..]] {
        let server = TestServer::start_in(dir.path(), keys);
        for (route, _, path, _) in ROUTES {
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                for from in [
                    "Origin: https://evil.example",
                    "Origin: null",
                    "Origin: http://localhost.evil.example",
                    "Sec-Fetch-Site: cross-site",
                    "Sec-Fetch-Site: same-site",
                ] {
                    let headers = format!("{from}\r\nAuthorization: Bearer both\r\n");
                    assert_eq!(
                        status(&server, method, path, &headers),
                        403,
                        "{method} {route}, {from}"
                    );
                }
            }
        }
        server.stop();
    }
}

#[test]
fn no_path_leads_out() {
    let server = TestServer::start();
    fs::write(server.dir().join("secret"), "a secret").unwrap();
    for path in [
        "/assets/../secret",
        "/assets/x/../../secret",
        "/assets/x/..%2f..%2fsecret",
        "/assets/x/%2e%2e%2f%2e%2e%2fsecret",
        "/assets/x/..%5c..%5csecret",
        "/assets/x/%2fetc%2fpasswd",
        "/assets/x//etc/passwd",
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/secret",
        "/rollout.db",
        "/api/v1/traces/..%2f..%2fsecret",
        "/api/v1/traces/t/spans/..%2f..%2f..%2fsecret",
        "/traces/..%2fsecret",
        "/traces/%00",
        "//evil.example/",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(
            !answer.contains("a secret") && !answer.contains("root:"),
            "{path}"
        );
    }
}

/// Requests that say their length in two ways, or break off heads: none is taken for two.
#[test]
fn requests_that_hide_others() {
    let server = TestServer::start();
    for head in [
        "POST /v1/events:batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n",
        "POST /v1/events:batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST /v1/events:batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\nb\0c\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        let hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream
            .write_all(format!("{head}{hidden}").as_bytes())
            .unwrap();
        // The server may have closed already.
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.matches("HTTP/1.1 ").count() < 2, "{head}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{head}: {answer}");
    }
}

fn event(id: &str, user: &str) -> Value {
    json!({
        "event_id": id, "event_type": "trace.start", "trace_id": id, "name": "run",
        "context": { "user_id": user },
    })
}

#[test]
fn a_filter_is_no_sql() {
    let server = TestServer::start();
    let hostile = [
        "x' OR '1'='1",
        "x\" OR 1=1 --",
        "'; DROP TABLE traces; --",
        "x') UNION SELECT * FROM writers --",
        "%",
        "_",
        "\\",
        "\0",
        "x*",
    ];
    let mut events = vec![event("harmless", "somebody")];
    for (number, text) in hostile.iter().enumerate() {
        events.push(event(&format!("trace_{number}"), text));
    }
    server.take(&events);
    let encode = |text: &str| {
        let mut encoded = String::new();
        for byte in text.bytes() {
            write!(encoded, "%{byte:02x}").unwrap();
        }
        encoded
    };
    let listed = |filter: &str| -> Vec<String> {
        let answer = server.get(&format!(
            "/api/v1/traces?limit=500&filter={}",
            encode(filter)
        ));
        assert_eq!(answer.status, 200, "{filter}: {answer:?}");
        let page = answer.json();
        let traces = page["traces"].as_array().unwrap().iter();
        traces
            .map(|trace| trace["trace_id"].as_str().unwrap().to_owned())
            .collect()
    };
    for (number, text) in hostile.iter().enumerate() {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let found = listed(&format!("user:\"{quoted}\""));
        let expected = format!("trace_{number}");
        assert!(found.is_empty() || found == [expected], "{text}: {found:?}");
        for key in ["status", "name", "type", "session", "tag", "model", "agent"] {
            assert!(
                listed(&format!("{key}:\"{quoted}\"")).is_empty(),
                "{key}: {text}"
            );
        }
        // Words of a name: none has these.
        assert!(listed(&format!("\"{quoted}\"")).is_empty(), "{text}");
    }
    assert_eq!(listed("").len(), events.len());
    for path in ["/api/v1/traces?cursor=", "/api/v1/traces/", "/traces/"] {
        for text in hostile {
            let answer = server.get(&format!("{path}{}", encode(text)));
            assert!(
                (400..500).contains(&answer.status),
                "{path}{text}: {answer:?}"
            );
        }
    }
    assert_eq!(listed("").len(), events.len(), "all are still there");
}

/// Small when it comes, and too large when it is decoded, many at once: refused, and the server goes on.
#[test]
fn bombs() {
    let server = TestServer::start();
    let bomb = rollout_tests::wire::gzip(&vec![b' '; 64 << 20]);
    let encoding = [("Content-Encoding".to_owned(), "gzip".to_owned())];
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let answer = server.post(&bomb, &encoding);
                assert!([413, 503].contains(&answer.status), "{answer:?}");
            });
        }
    });
    server.take(&[event("after", "somebody")]);
    // One that unfolds into another one is no batch.
    let nested = rollout_tests::wire::gzip(&bomb);
    assert_eq!(server.post(&nested, &encoding).status, 400);
}

/// A body that stops coming is given up, and says so.
#[test]
fn a_sender_that_stalls() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream
        .write_all(b"POST /v1/events:batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"events\":")
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
}

/// Ten thousand connections that never finish their heads, or as many as the system gives: others are served.
#[test]
fn connections_that_never_ask() {
    const CONNECTIONS: usize = 10_000;
    let server = TestServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let addr = server.addr();
    let made = Arc::new(AtomicUsize::new(0));
    let refused = Arc::new(AtomicUsize::new(0));
    let slow: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (made, refused) = (Arc::clone(&made), Arc::clone(&refused));
            runtime.spawn(async move {
                use tokio::io::AsyncWriteExt as _;
                let Ok(mut stream) = tokio::net::TcpStream::connect(addr).await else {
                    // The system has no more of them.
                    refused.fetch_add(1, Ordering::Relaxed);
                    return None;
                };
                made.fetch_add(1, Ordering::Relaxed);
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
                    .await
                    .ok()?;
                std::future::pending::<Option<()>>().await
            })
        })
        .collect();
    // More than the server takes at once; the rest wait in the system's queue, or outside of it.
    wait_until("the server is full", || {
        let full = made.load(Ordering::Relaxed) > 4500;
        (full || refused.load(Ordering::Relaxed) > 0).then_some(())
    });
    wait_until("an event is taken", || {
        let mut stream = TcpStream::connect(addr).ok()?;
        let body = batch(&[event("through", "somebody")]);
        let head = format!(
            "POST /v1/events:batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.contains("\"accepted\":1").then_some(())
    });
    for task in slow {
        task.abort();
    }
    drop(runtime);
    assert_eq!(server.trace_ids(), ["through"]);
}

/// Readers that never read hold up no event.
#[test]
fn readers_that_never_read() {
    let server = TestServer::start();
    let long = "x".repeat(4 << 20);
    server.take(&[json!({
        "event_id": "e1", "event_type": "span.end", "trace_id": "long", "span_id": "s", "raw": { "output": long },
    })]);
    let readers: Vec<_> = (0..64)
        .map(|number| {
            let path = match number % 3 {
                0 => "/api/v1/traces/long/spans/s",
                1 => "/live",
                _ => "/traces/long",
            };
            let mut stream = TcpStream::connect(server.addr()).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(request.repeat(8).as_bytes()).unwrap();
            stream
        })
        .collect();
    for number in 0..50 {
        server.take(&[event(&format!("trace_{number}"), "somebody")]);
    }
    assert_eq!(server.trace_ids().len(), 51);
    drop(readers);
}
