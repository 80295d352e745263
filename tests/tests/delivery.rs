//! From the program to the server, over HTTP and through the spool.

use std::time::Duration;

use futures::executor::block_on;
use futures::stream::{BoxStream, Stream, StreamExt};
use rollout::{Client, ExporterKind, agent, tool};
use rollout_tests::server::TestServer;
use rollout_tests::wait_until;

const LONG: Duration = Duration::from_mins(30);

/// One trace of three spans: an agent, a task and a tool that fails.
fn run(client: &Client) {
    client.trace("support").in_scope(|trace| {
        let task = trace.span("task").name("resolve").start();
        task.tool("refund")
            .in_scope(|_| Err::<(), _>("too much"))
            .ok();
        task.end();
    });
}

const TREE: &str = "task resolve ok\n  tool refund error\n";

#[tool]
fn look_up(order: u32) -> u32 {
    order + 1
}

#[agent]
fn answer(order: u32) -> u32 {
    look_up(order)
}

#[agent]
fn stream_answer(order: u32) -> impl Stream<Item = u32> {
    futures::stream::iter([look_up(order)])
}

#[agent]
async fn stream_answer_later(order: u32) -> BoxStream<'static, u32> {
    futures::stream::iter([look_up(order)]).boxed()
}

#[agent]
fn iterate_answer(order: u32) -> impl Iterator<Item = u32> {
    std::iter::once(look_up(order))
}

#[test]
fn an_agents_end_brings_its_trace_to_the_server() {
    let server = TestServer::start();
    let dir = tempfile::tempdir().unwrap();
    // Batches that nobody asks for would leave in half an hour.
    let guard = rollout::builder()
        .dir(dir.path())
        .endpoint(server.url(""))
        .flush_interval(LONG)
        .init()
        .unwrap();
    let tree_of = |name: &str| {
        let id = wait_until("the trace has ended", || {
            let page = server.get_json("/api/v1/traces");
            let trace = page["traces"].get(0)?;
            (trace["name"] == name && trace["status"] == "ok")
                .then(|| trace["trace_id"].as_str().unwrap().to_owned())
        });
        server.tree(&id)
    };
    assert_eq!(answer(1), 2);
    assert_eq!(tree_of("answer"), "agent answer ok\n  tool look_up ok\n");
    assert_eq!(block_on(stream_answer(1).count()), 1);
    assert_eq!(
        tree_of("stream_answer"),
        "agent stream_answer ok\n  tool look_up ok\n"
    );
    block_on(async { assert_eq!(stream_answer_later(1).await.count().await, 1) });
    assert_eq!(
        tree_of("stream_answer_later"),
        "agent stream_answer_later ok\n  tool look_up ok\n"
    );
    assert_eq!(iterate_answer(1).count(), 1);
    assert_eq!(
        tree_of("iterate_answer"),
        "agent iterate_answer ok\n  tool look_up ok\n"
    );
    drop(guard);
}

#[test]
fn an_open_span_is_seen_running() {
    let server = TestServer::start();
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(server.url(""))
        .build()
        .unwrap();
    let trace = client.trace("support").start();
    let span = trace.span("task").name("resolve").start();
    assert!(client.blocking_flush(LONG).unwrap().is_complete());
    let id = server.trace_ids().remove(0);
    assert_eq!(server.tree(&id), "task resolve running\n");
    span.end();
    trace.end();
    assert!(client.blocking_flush(LONG).unwrap().is_complete());
    assert_eq!(server.tree(&id), "task resolve ok\n");
}

#[test]
fn what_reaches_the_server_by_two_ways_is_there_once() {
    let server = TestServer::start();
    // The server reads the spool that it is sent over HTTP too.
    let client = Client::builder()
        .dir(server.dir())
        .endpoint(server.url(""))
        .exporters([ExporterKind::Local, ExporterKind::Http])
        .build()
        .unwrap();
    for _ in 0..50 {
        run(&client);
    }
    assert!(client.blocking_shutdown(LONG).unwrap().is_complete());
    let ids = server.trace_ids();
    assert_eq!(ids.len(), 50);
    for id in &ids {
        assert_eq!(server.tree(id), TREE);
    }
}

#[test]
fn a_server_that_comes_later_gets_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let down = {
        let gone = TestServer::start();
        gone.url("")
    };
    for _ in 0..3 {
        let client = Client::builder()
            .dir(dir.path())
            .endpoint(down.as_str())
            .build()
            .unwrap();
        run(&client);
        let report = client.blocking_shutdown(Duration::from_millis(1)).unwrap();
        assert_eq!((report.delivered, report.lost), (0, 0));
        // Each process takes over from the last one, and leaves it to the next.
        assert_eq!(report.spooled, 6);
    }
    let server = TestServer::start();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(server.url(""))
        .build()
        .unwrap();
    run(&client);
    assert!(client.blocking_shutdown(LONG).unwrap().is_complete());
    let ids = server.trace_ids();
    assert_eq!(ids.len(), 4);
    for id in &ids {
        assert_eq!(server.tree(id), TREE);
    }
    let stats = client.stats();
    assert_eq!(stats.exporters["http"].adopted, 18);
    assert_eq!(stats.exporters["http"].delivered, 24);
}

#[test]
fn check_reaches_the_server() {
    let server = TestServer::start();
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder()
        .dir(dir.path())
        .endpoint(server.url(""))
        .build()
        .unwrap();
    let result = client.blocking_check();
    assert!(result.ok, "{result:?}");
    let keyed = TestServer::start_in(dir.path(), &["ingest:the-right-key"]);
    let wrong = Client::builder()
        .dir(dir.path())
        .endpoint(keyed.url(""))
        .api_key("another-key")
        .build()
        .unwrap()
        .blocking_check();
    assert!(!wrong.ok);
    assert!(
        wrong.message.contains("ROLLOUT_API_KEY"),
        "{}",
        wrong.message
    );
}
