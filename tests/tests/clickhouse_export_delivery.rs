//! How traces get into ClickHouse: once, whatever happens on the way; and into tables that are there when they come.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;

use rollout::{Batch, Builder, ClickHouseExporter, Client, ExportError, Exporter as _, Receipt};
use rollout_tests::clickhouse::{ClickHouse, Database, PASSWORD, USER, WRITER};
use rollout_tests::events::{builder, flushed, in_memory, spooled, text};
use rollout_tests::program::{Program, command};
use rollout_tests::proxy::{Fault, Proxy};
use rollout_tests::{DEADLINE, wait_until};
use serde_json::Value;

fn configured(database: &Database<'_>, url: &str) -> Builder {
    builder()
        .clickhouse_url(url)
        .clickhouse_database(&database.name)
        .clickhouse_user(USER, PASSWORD)
}

#[track_caller]
fn flush(client: &Client) {
    let report = client.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?}");
}

/// The events of a trace with so many tasks, each with an attribute that begins one way and ends another.
fn events(tasks: u64) -> Vec<Value> {
    let (client, memory) = in_memory(|builder| builder);
    client.trace("trace").in_scope(|trace| {
        for number in 0..tasks {
            let span = trace.span("task").name("work").attribute("state", "new");
            let span = span.start();
            span.attribute("state", &number);
            span.end();
        }
    });
    flushed(&client, &memory)
}

fn batch(events: &[Value]) -> Batch {
    let lines = events.iter().map(|event| format!("{event}\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    Batch::from_lines(lines.as_bytes())
}

/// What an exporter with these settings makes of batches, one after the other.
fn exported(builder: &Builder, batches: &[Batch]) -> Result<Receipt, ExportError> {
    let mut exporter = ClickHouseExporter::new(&builder.config().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut receipt = Receipt::all();
    for batch in batches {
        receipt = runtime.block_on(exporter.export(batch))?;
    }
    Ok(receipt)
}

const TABLES: [&str; 7] = [
    "entity_metadata",
    "events",
    "messages",
    "rollout_migrations",
    "spans",
    "tags",
    "traces",
];

#[test]
fn several_programs_make_the_tables_at_once() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    // Not even the database is there.
    server.run(&format!("DROP DATABASE {}", database.name));
    let trace = batch(&events(1));
    thread::scope(|scope| {
        let racing: Vec<_> = (0..6)
            .map(|_| {
                let settings = configured(&database, &server.url());
                let trace = &trace;
                scope.spawn(move || exported(&settings, std::slice::from_ref(trace)).unwrap())
            })
            .collect();
        for one in racing {
            assert_eq!(one.join().unwrap(), Receipt::all());
        }
    });
    let tables = database.run("SHOW TABLES");
    assert_eq!(tables.lines().collect::<Vec<_>>(), TABLES);
    assert_eq!(database.count("SELECT count() FROM spans FINAL"), 1);
    assert_eq!(
        database.run("SELECT version FROM rollout_migrations FINAL"),
        "1\n"
    );
}

#[test]
fn a_table_that_was_dropped_is_made_again() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let client = configured(&database, &server.url())
        .dir(tempfile::tempdir().unwrap().path())
        .build()
        .unwrap();
    client.trace("first").in_scope(|_| {});
    flush(&client);
    database.run("DROP TABLE traces SYNC");
    client.trace("second").in_scope(|_| {});
    flush(&client);
    assert_eq!(database.run("SELECT name FROM traces FINAL"), "second\n");
}

#[test]
fn who_may_only_insert_needs_no_more_once_the_tables_are_there() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let settings = configured(&database, &server.url());
    let writer = configured(&database, &server.url()).clickhouse_user(WRITER, PASSWORD);
    let error = exported(&writer, &[batch(&events(1))]).unwrap_err();
    assert!(matches!(error, ExportError::Stop { .. }), "{error:?}");
    assert!(error.reason().contains("what that user may do"), "{error}");
    exported(&settings, &[batch(&events(1))]).unwrap();
    exported(&writer, &[batch(&events(1))]).unwrap();
    assert_eq!(database.count("SELECT count() FROM traces FINAL"), 2);
}

#[test]
fn tables_of_somebody_else_stop_the_exporter() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    database.run("CREATE TABLE spans (id UInt64) ENGINE = MergeTree ORDER BY id");
    let error = exported(&configured(&database, &server.url()), &[batch(&events(1))]).unwrap_err();
    assert!(matches!(error, ExportError::Stop { .. }), "{error:?}");
    assert!(error.reason().contains("CLICKHOUSE_DATABASE"), "{error}");
}

#[test]
fn a_cluster_that_is_none_stops_the_exporter() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let settings = configured(&database, &server.url()).clickhouse_cluster("nowhere");
    let error = exported(&settings, &[batch(&events(1))]).unwrap_err();
    assert!(matches!(error, ExportError::Stop { .. }), "{error:?}");
    assert!(error.reason().contains("CLICKHOUSE_CLUSTER"), "{error}");
}

#[test]
fn a_wrong_password_stops_the_exporter_with_one_warning() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let client = builder()
        .dir(dir.path())
        .clickhouse_url(server.url())
        .clickhouse_user(USER, "not-the-password")
        .build()
        .unwrap();
    for _ in 0..3 {
        client.trace("trace").in_scope(|_| {});
        let report = client.blocking_flush(DEADLINE).unwrap();
        assert!(!report.is_complete(), "{report:?}");
    }
    let stats = client.stats();
    assert_eq!(stats.warnings, 1, "{stats:?}");
    let exporter = &stats.exporters["clickhouse"];
    let said = exporter.stopped.clone().unwrap_or_default();
    assert!(said.contains("CLICKHOUSE_PASSWORD"), "{stats:?}");
    assert!(!said.contains("not-the-password"), "{said}");
    // Nothing is lost: it waits for the next start.
    assert_eq!((exporter.delivered, stats.events_lost()), (0, 0));
    assert_eq!(spooled(dir.path()).len() as u64, stats.spooled);
}

#[test]
fn days_are_kept_as_long_as_is_asked_for() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let settings = |days: Option<usize>| {
        let settings = configured(&database, &server.url());
        match days {
            Some(days) => settings.clickhouse_ttl_days(days),
            None => settings,
        }
    };
    let kept = || {
        let sql = "SELECT arraySort(groupUniqArray(extract(engine_full, 'TTL [^)]*[)]'))), count() FROM system.tables \
                   WHERE database = currentDatabase() AND name != 'rollout_migrations' FORMAT TSV";
        database.run(sql).trim().replace('\t', " ")
    };
    exported(&settings(None), &[batch(&events(1))]).unwrap();
    assert_eq!(kept(), "[''] 6");
    exported(&settings(Some(30)), &[batch(&events(1))]).unwrap();
    assert_eq!(kept(), "['TTL day + toIntervalDay(30)'] 6");
    exported(&settings(None), &[batch(&events(1))]).unwrap();
    assert_eq!(kept(), "['TTL day + toIntervalDay(30)'] 6");
    exported(&settings(Some(3)), &[batch(&events(1))]).unwrap();
    assert_eq!(kept(), "['TTL day + toIntervalDay(3)'] 6");
    // What began longer ago goes, and nothing else.
    let mut old = events(2);
    for event in &mut old {
        for time in ["occurred_at", "started_at", "ended_at"] {
            if event[time].is_string() {
                event[time] = "2020-02-29T12:00:00.000000Z".into();
            }
        }
    }
    exported(&settings(Some(3)), &[batch(&old)]).unwrap();
    for table in ["traces", "spans"] {
        database.run(&format!("OPTIMIZE TABLE {table} FINAL"));
    }
    assert_eq!(database.count("SELECT count() FROM traces FINAL"), 4);
    assert_eq!(database.count("SELECT count() FROM spans FINAL"), 4);
}

#[test]
fn a_batch_cut_anywhere_and_sent_again_says_the_same() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let events = events(40);
    let read = |database: &Database<'_>| {
        let traces = "SELECT * EXCEPT (attributes_said, spans_begun, spans_ended, message_ids), status, span_count, \
                      open_count, arraySort(attributes_said), arraySort(spans_begun), arraySort(spans_ended) FROM traces FINAL";
        let spans =
            "SELECT * EXCEPT attributes_said, attributes, status FROM spans FINAL ORDER BY span_id";
        (database.run(traces), database.run(spans))
    };
    let whole = server.database();
    exported(&configured(&whole, &server.url()), &[batch(&events)]).unwrap();
    let expected = read(&whole);
    assert!(expected.1.contains("'state':'39'"), "{}", expected.1);
    for round in 0..4 {
        let cut = server.database();
        let mut random = fastrand::Rng::with_seed(round);
        let mut batches = Vec::new();
        let mut at = 0;
        while at < events.len() {
            let end = (at + random.usize(1..40)).min(events.len());
            batches.push(batch(&events[at..end]));
            // A process that died before it knew: the next one begins where that began, or before, and goes on.
            at = if random.bool() {
                end
            } else {
                at.saturating_sub(random.usize(0..5)).max(1)
            };
            if batches.len() > 12 {
                batches.push(batch(&events[at..]));
                break;
            }
        }
        exported(&configured(&cut, &server.url()), &batches).unwrap();
        assert_eq!(read(&cut), expected, "round {round}");
    }
}

#[test]
fn a_big_batch_arrives_whole() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let (client, memory) = in_memory(|builder| builder.max_value_bytes(4 << 20));
    let long = "long \u{1f98a} ".repeat(100_000);
    client.trace("big").in_scope(|trace| {
        trace.span("task").input(&long).start().end();
        for _ in 0..5_000 {
            trace.span("task").name("small").start().end();
        }
    });
    let events = flushed(&client, &memory);
    let receipt = exported(&configured(&database, &server.url()), &[batch(&events)]).unwrap();
    assert_eq!(receipt, Receipt::all());
    assert_eq!(
        database.count("SELECT span_count FROM traces FINAL"),
        database.count("SELECT count() FROM spans FINAL")
    );
    assert_eq!(database.count("SELECT count() FROM spans FINAL"), 5_001);
    assert_eq!(
        database.count("SELECT max(lengthUTF8(input)) FROM spans FINAL"),
        long.chars().count() as u64 + 2
    );
}

#[test]
fn what_cannot_be_read_is_refused_and_the_rest_is_not() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let mut events = events(1);
    events.insert(
        1,
        serde_json::json!({ "event_id": "e", "event_type": "nothing known" }),
    );
    let receipt = exported(&configured(&database, &server.url()), &[batch(&events)]).unwrap();
    let refused: Vec<_> = receipt
        .rejected
        .iter()
        .map(|r| (r.index, &*r.code))
        .collect();
    assert_eq!(refused, [(1, "unreadable")]);
    assert_eq!(database.count("SELECT count() FROM spans FINAL"), 1);
}

#[test]
fn a_server_that_is_down_gets_everything_when_it_is_back() {
    let Some(server) = ClickHouse::start() else {
        return;
    };
    let database = server.database();
    let proxy = Proxy::start(server.address());
    let dir = tempfile::tempdir().unwrap();
    let client = configured(&database, &proxy.url())
        .dir(dir.path())
        .build()
        .unwrap();
    client.trace("before").in_scope(|_| {});
    flush(&client);
    server.stop();
    for _ in 0..20 {
        client.trace("meanwhile").in_scope(|_| {});
    }
    wait_until("an attempt in vain", || {
        let _ = client.blocking_flush(std::time::Duration::ZERO);
        (client.stats().exporters["clickhouse"].retries > 0).then_some(())
    });
    server.resume();
    proxy.lead_to(server.address());
    proxy.inject(Fault::None);
    flush(&client);
    assert_eq!(database.count("SELECT count() FROM traces FINAL"), 21);
    assert_eq!(client.stats().events_lost(), 0);
}

/// A program that is killed when its rows are in, and it does not know; and the next one in its folder.
#[cfg(unix)]
#[test]
fn killed_between_an_insert_and_its_answer_nothing_is_lost_and_nothing_twice() {
    let Some(server) = ClickHouse::shared() else {
        return;
    };
    let database = server.database();
    let proxy = Proxy::start(server.address());
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(env!("CARGO_BIN_EXE_marathon"), dir.path());
    command
        .env("CLICKHOUSE_URL", proxy.url())
        .env("CLICKHOUSE_DATABASE", &database.name)
        .env("CLICKHOUSE_USER", USER)
        .env("CLICKHOUSE_PASSWORD", PASSWORD)
        .env("ROLLOUT_EXPORTERS", "local,clickhouse")
        .env("ROLLOUT_FLUSH_INTERVAL", "0.02")
        .stdout(Stdio::piped());
    let mut program = Program::start(&mut command);
    let output = program.child().stdout.take().unwrap();
    let drained = thread::spawn(move || BufReader::new(output).lines().count());
    let spans = "SELECT count() FROM spans FINAL";
    let exists = || database.run("SHOW TABLES").contains("tags");
    wait_until("some spans", || {
        (exists() && database.count(spans) > 100).then_some(())
    });
    proxy.inject(Fault::ResetAnswer);
    let known = database.count(spans);
    wait_until("rows whose answer is lost", || {
        (database.count(spans) > known && proxy.hits() > 0).then_some(())
    });
    program.child().kill().unwrap();
    program.end();
    drained.join().unwrap();
    proxy.inject(Fault::None);

    let next = configured(&database, &proxy.url())
        .dir(dir.path())
        .exporters([
            rollout::ExporterKind::Local,
            rollout::ExporterKind::ClickHouse,
        ])
        .build()
        .unwrap();
    let report = next.blocking_shutdown(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?}");

    let events = spooled(dir.path());
    let ids = |kinds: [&str; 2]| -> BTreeSet<String> {
        let of = |event: &&Value| kinds.contains(&text(event, "/event_type"));
        let ids = events.iter().filter(of);
        ids.map(|event| text(event, "/span_id").to_owned())
            .collect()
    };
    let stored = |condition: &str| -> BTreeSet<String> {
        let sql = format!("SELECT span_id FROM spans FINAL WHERE {condition}");
        let text = database.run(&sql);
        let listed: Vec<_> = text.lines().map(str::to_owned).collect();
        let ids: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(ids.len(), listed.len(), "a span is there twice");
        ids
    };
    assert_eq!(
        stored("started_at IS NOT NULL"),
        ids(["span.start", "tool.call"])
    );
    assert_eq!(
        stored("ended_at IS NOT NULL"),
        ids(["span.end", "tool.result"])
    );
    assert!(stored("1").len() > 200);
    // What it had open will never end, and that is said.
    assert_eq!(
        database.run("SELECT name, status FROM traces FINAL"),
        "marathon\tinterrupted\n"
    );
    let open = database
        .run("SELECT name FROM spans FINAL WHERE status = 'interrupted' ORDER BY started_at");
    assert_eq!(open.lines().next(), Some("marathon"));
    let sums = database.row("SELECT span_count, open_count FROM traces FINAL");
    assert_eq!(sums["span_count"], stored("1").len());
    assert_eq!(sums["open_count"], open.lines().count());
}
