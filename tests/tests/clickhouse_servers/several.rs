//! Several servers on one database.

use rollout_server::open_store_at;
use rollout_server::store::{Origin, Retention};
use rollout_tests::clickhouse::ClickHouse;
use rollout_tests::server::TestServer;
use rollout_tests::wait_until;
use serde_json::{Value, json};

use super::{on, place};

fn start(trace: &str, name: &str) -> Value {
    json!({
        "event_id": format!("{trace}_start"), "event_type": "trace.start", "trace_id": trace, "name": name,
        "occurred_at": "2026-01-02T03:00:00Z", "started_at": "2026-01-02T03:00:00Z",
    })
}

fn end(trace: &str) -> Value {
    json!({
        "event_id": format!("{trace}_end"), "event_type": "trace.end", "trace_id": trace, "status": "ok",
        "occurred_at": "2026-01-02T03:00:09Z", "ended_at": "2026-01-02T03:00:09Z",
    })
}

fn span(trace: &str, number: u32) -> Value {
    json!({
        "event_id": format!("{trace}_{number}"), "event_type": "span.end", "trace_id": trace,
        "span_id": format!("{number:016x}"), "name": format!("step {number}"), "span_type": "llm", "status": "ok",
        "duration_ms": 1.0, "occurred_at": format!("2026-01-02T03:00:{number:02}Z"),
        "usage": { "input_tokens": 10, "output_tokens": 1 },
    })
}

fn everything(server: &TestServer) -> Value {
    json!([
        server.get_json("/api/v1/traces?limit=500"),
        server.get_json("/api/v1/traces/t"),
        server.spans("t"),
        server.get_json("/api/v1/chart"),
    ])
}

#[test]
fn a_trace_that_comes_in_parts_is_whole_on_each() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let (_one_dir, one) = on(&database);
    let (_other_dir, other) = on(&database);
    one.take(&[start("t", "split")]);
    // Folded by each of them with what it knew: nobody puts less on top of more.
    for number in 0..10 {
        let server = if number % 2 == 0 { &one } else { &other };
        server.take(&[span("t", number)]);
        let spans = server.get_json("/api/v1/traces")["traces"][0]["span_count"].clone();
        assert_eq!(spans, number + 1);
    }
    other.take(&[end("t")]);
    // The one that has taken something in lists it at once; the others do so when it has.
    let (of_other, of_one) = (everything(&other), everything(&one));
    assert_eq!(of_one, of_other);
    assert_eq!(of_one[0]["traces"][0]["status"], "ok");
    assert_eq!(of_one[0]["traces"][0]["usage"]["input_tokens"], 100);
    assert_eq!(of_one[2].as_array().unwrap().len(), 10);
}

#[test]
fn many_threads_on_many_servers_lose_nothing() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let servers: Vec<_> = (0..3).map(|_| on(&database)).collect();
    std::thread::scope(|scope| {
        for (nth, (_, server)) in servers.iter().enumerate() {
            scope.spawn(move || {
                for number in 0..20 {
                    if number % 3 == nth as u32 {
                        server.take(&[start(&format!("t{number}"), "shared")]);
                    }
                    server.take(&[span(&format!("t{number}"), nth as u32)]);
                }
            });
        }
    });
    for (_, server) in &servers {
        // What another one has inserted it folds by itself.
        wait_until("all is listed", || {
            let page = server.get_json("/api/v1/traces?limit=500&filter=spans%3D3%20name%3Ashared");
            (page["traces"].as_array().unwrap().len() == 20).then_some(())
        });
    }
}

#[test]
fn servers_that_begin_at_once_make_the_tables_once() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    for _ in 0..3 {
        let name = format!("test_{:016x}", fastrand::u64(..));
        let stores: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let dir = tempfile::tempdir().unwrap();
                        open_store_at(&place(engine, &name), dir.path()).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(stores[0].spool_positions().unwrap(), []);
        drop(stores);
        let seen = engine.run(&format!(
            "SELECT groupArray(version) FROM {name}.rollout_store_migrations FINAL"
        ));
        assert_eq!(seen.trim(), "[1]");
        engine.run(&format!("DROP DATABASE {name}"));
    }
}

#[test]
fn tables_of_a_later_version_are_left_alone() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    drop(on(&database));
    database.run("INSERT INTO rollout_store_migrations (version) VALUES (999)");
    let dir = tempfile::tempdir().unwrap();
    let refused = open_store_at(&place(engine, &database.name), dir.path()).err();
    let refused = refused.unwrap().to_string();
    assert!(
        refused.contains("version 999") && refused.contains("newer program"),
        "{refused}"
    );
}

/// Feedback that knows only the caller's id, at one server, and its trace at another.
#[test]
fn feedback_finds_its_trace_wherever_it_came_in() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let (_one_dir, one) = on(&database);
    let (_other_dir, other) = on(&database);
    let feedback = |id: &str, external: &str| {
        json!({
            "event_id": id, "event_type": "feedback", "external_trace_id": external, "name": "thumbs",
            "occurred_at": "2026-01-02T04:00:00Z", "attributes": { "value": "up" },
        })
    };
    one.take(&[feedback("f1", "mine")]);
    let mut begun = start("t", "judged");
    begun["external_trace_id"] = json!("mine");
    other.take(&[begun, end("t")]);
    other.get_json("/api/v1/traces");
    one.take(&[feedback("f2", "mine")]);
    for server in [&one, &other] {
        for id in ["t", "mine"] {
            let trace = server.get_json(&format!("/api/v1/traces/{id}"));
            assert_eq!(
                (
                    &trace["trace_id"],
                    trace["feedback"].as_array().unwrap().len()
                ),
                (&json!("t"), 2),
                "{id}"
            );
        }
        assert_eq!(server.trace_ids(), ["t"]);
    }
}

/// The last server of several that see a batch dies before it could fold anything of it.
#[test]
fn what_a_dead_server_has_left_is_folded_by_another() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let (_dir, server) = on(&database);
    server.take(&[start("t", "left behind"), span("t", 1)]);
    server.get_json("/api/v1/traces");
    server.stop();
    // As if the server had been killed right after its insert.
    let event = json!({
        "event_id": "late", "event_type": "span.end", "trace_id": "t", "span_id": "x", "name": "late", "status": "error",
        "occurred_at": "2026-01-02T03:00:30Z", "schema_version": "1.0",
    });
    for trace in ["t", "other"] {
        let event = event.to_string().replace("\"t\"", &format!("\"{trace}\""));
        let now = "toUnixTimestamp64Nano(now64(9))";
        database.run(&format!(
            "INSERT INTO rollout_events (day, trace, event_id, writer, arrived, event)
             SELECT today(), '{trace}', 'late', '', {now}, '{event}'"
        ));
    }
    let (_dir, next) = on(&database);
    wait_until("both are folded", || {
        let page = next.get_json("/api/v1/traces?filter=span%3Alate");
        (page["traces"].as_array().unwrap().len() == 2).then_some(())
    });
}

/// A server that is killed between the insert and its answer: who has sent it sends it again.
#[test]
fn what_is_sent_again_is_there_once() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<Value> = std::iter::once(start("t", "again"))
        .chain((0..50).map(|number| span("t", number)))
        .collect();
    {
        let (_dir, server) = on(&database);
        server.take(&events);
    }
    let (_dir, server) = on(&database);
    server.take(&events);
    server.take(&events[..20]);
    let listed = server.get_json("/api/v1/traces");
    assert_eq!(listed["traces"][0]["span_count"], 50);
    assert_eq!(listed["traces"][0]["usage"]["input_tokens"], 500);
    assert_eq!(server.spans("t").len(), 50);
    assert_eq!(
        database.count("SELECT count() FROM rollout_events FINAL"),
        51
    );
    drop(dir);
}

#[test]
fn a_run_has_one_phase_whichever_server_is_asked() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let (_one_dir, one) = on(&database);
    let (_other_dir, other) = on(&database);
    let put = |server: &TestServer, phase: &str| {
        let body = format!(r#"{{"phase":"{phase}"}}"#);
        server.put("/v1/runs/r", &body, &[]).status
    };
    assert_eq!(one.put("/v1/runs/r/steps/1", "{}", &[]).status, 404);
    assert_eq!(
        (
            put(&one, "train"),
            put(&other, "eval"),
            put(&other, "train")
        ),
        (204, 409, 204)
    );
    assert_eq!(other.put("/v1/runs/r/steps/1", "{}", &[]).status, 204);
    assert_eq!(one.get_json("/api/v1/runs/r")["step_count"], 1);
}

#[test]
fn what_takes_too_much_goes() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let dir = tempfile::tempdir().unwrap();
    let store = open_store_at(&place(engine, &database.name), dir.path()).unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    for number in 0..60 {
        let noise: String = (0..60_000).map(|_| rng.alphanumeric()).collect();
        let mut event = start(&format!("t{number:02}"), "large");
        event["occurred_at"] = json!(format!("2026-01-02T03:{number:02}:00Z"));
        event["started_at"] = event["occurred_at"].clone();
        event["raw"] = json!({ "input": noise });
        let ended = end(&format!("t{number:02}"));
        let events = [event, ended].map(|event| serde_json::from_value(event).unwrap());
        store
            .append(events.into(), Origin::Request(None))
            .wait()
            .unwrap();
    }
    let bounded = |max_bytes| Retention {
        max_bytes: Some(max_bytes),
        ..Retention::default()
    };
    assert_eq!(store.sweep(bounded(u64::MAX)).wait().unwrap(), 0);
    let most = store.size() / 2;
    assert!(most > 1_000_000, "{most}");
    while store.sweep(bounded(most)).wait().unwrap() > 0 {}
    assert!(store.size() <= most, "{} bytes of {most}", store.size());
    let left = store
        .traces(&rollout_server::query::TraceQuery::default())
        .unwrap()
        .traces;
    let left: Vec<_> = left.into_iter().map(|trace| trace.trace_id).collect();
    assert!(left.len() > 10 && left.len() < 40, "{left:?}");
    let newest: Vec<_> = (0..60)
        .rev()
        .map(|number| format!("t{number:02}"))
        .take(left.len())
        .collect();
    assert_eq!(left, newest);
}

#[test]
fn the_database_says_how_long_rows_stay() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let dir = tempfile::tempdir().unwrap();
    for days in [30, 7] {
        let address = format!(
            "clickhouse://{}/{}?ttl_days={days}",
            engine.address(),
            database.name
        );
        drop(open_store_at(&address.parse().unwrap(), dir.path()).unwrap());
        for table in ["rollout_events", "rollout_traces", "rollout_texts"] {
            let made = database.run(&format!("SHOW CREATE TABLE {table}"));
            assert!(made.contains(&format!("toIntervalDay({days})")), "{made}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = "clickhouse://me:hush@127.0.0.1:1/db".parse().unwrap();
    let refused = open_store_at(&nobody, dir.path())
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("127.0.0.1:1") && !refused.contains("hush"),
        "{refused}"
    );
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let address = format!("clickhouse://rollout:wrong-one@{}/x", engine.address());
    let refused = open_store_at(&address.parse().unwrap(), dir.path())
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("Authentication") && !refused.contains("wrong-one"),
        "{refused}"
    );
    let address = format!("clickhouse://{}/x?cluster=nowhere", engine.address());
    let refused = open_store_at(&address.parse().unwrap(), dir.path())
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("nowhere"), "{refused}");
}
