//! How fast traces get into ClickHouse, beside a bare insert of the same rows: `cargo run --release -p rollout-tests --bin
//! clickhouse_rate`, and behind `--` how many traces, of twenty spans each.
//!
//! The exporter is given batches as the worker gives them to it. What is inserted bare is what the tables then hold, in
//! the server's own binary format and in blocks of as many rows as a batch has, one after the other: reading events,
//! making rows and the inserts into the other tables are what the exporter does beside.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::time::{Duration, Instant};

use rollout::{Batch, ClickHouseExporter, Exporter as _, Usage};
use rollout_tests::clickhouse::ClickHouse;
use rollout_tests::events::{builder, flushed, in_memory};
use serde_json::Value;

/// Traces whose events are made at once, before the clock runs.
const GROUP: u64 = 500;

/// Events of a batch.
const BATCH: usize = 4096;

/// The events of some traces, each of a root, nine model calls and ten tools.
fn events(traces: u64) -> Vec<Value> {
    let (client, memory) = in_memory(|builder| builder);
    let text = "The quick brown fox said: jump over the lazy dog. ".repeat(5);
    for number in 0..traces {
        let trace = client.trace("rollout").session_id(format!("s-{number}"));
        trace.tag("bench").in_scope(|trace| {
            trace.span("task").name("root").in_scope(|root| {
                for step in 0..9_u64 {
                    root.llm("call")
                        .model("gpt-4.1")
                        .input(&text)
                        .in_scope(|call| {
                            call.set_usage(Usage {
                                input_tokens: Some(100 + step),
                                output_tokens: Some(20),
                                ..Usage::default()
                            });
                            call.record_output(&text);
                        });
                    root.tool("look_up").arguments(step).in_scope(|_| {});
                }
                root.tool("look_up").arguments(&text).in_scope(|_| {});
            });
        });
    }
    flushed(&client, &memory)
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn main() {
    let traces: u64 = std::env::args()
        .nth(1)
        .map_or(5_000, |count| count.parse().unwrap());
    let server = ClickHouse::start().unwrap();
    let database = server.database();
    let config = builder()
        .clickhouse_url(server.url())
        .clickhouse_database(&database.name)
        .config()
        .unwrap();
    let mut exporter = ClickHouseExporter::new(&config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (mut took, mut sent, mut made) = (Duration::ZERO, 0, 0);
    while made < traces {
        let group = GROUP.min(traces - made);
        let events = events(group);
        made += group;
        for some in events.chunks(BATCH) {
            let lines = some.iter().map(|event| format!("{event}\n"));
            let lines = lines.collect::<Vec<_>>().concat();
            let batch = Batch::from_lines(lines.as_bytes());
            let begun = Instant::now();
            runtime.block_on(exporter.export(&batch)).unwrap();
            took += begun.elapsed();
            sent += some.len() as u64;
        }
    }
    let spans = database.count("SELECT count() FROM spans FINAL");
    println!(
        "exporter: {sent} events, {spans} spans of {made} traces in {took:.1?}: {:.0} events/s, {:.0} spans/s",
        per_second(sent, took),
        per_second(spans, took)
    );

    // The rows as they were inserted, which merges have not touched.
    database.run("CREATE TABLE bare AS spans ENGINE = MergeTree PARTITION BY day ORDER BY (trace_id, span_id)");
    let columns = "* EXCEPT (status, attributes)";
    let rows = database.count("SELECT count() FROM spans");
    let block = rows.div_ceil((sent as usize).div_ceil(BATCH) as u64);
    let query = format!("SELECT {columns} FROM spans ORDER BY trace_id, span_id");
    let took = database.insert_bare("bare", &query, rows, block);
    println!(
        "bare insert: {rows} rows of `spans` in {took:.1?}, {block} at a time: {:.0} rows/s",
        per_second(rows, took)
    );
    let timed = |what: &str, sql: &str| {
        let begun = Instant::now();
        database.run(sql);
        println!("{what}: {:.1?}", begun.elapsed());
    };
    let trace = database.run("SELECT trace_id FROM traces LIMIT 1");
    timed(
        "the newest 50 traces",
        "SELECT trace_id, name, status, started_at, span_count, error_count, total_tokens FROM traces FINAL \
         WHERE day >= today() - 1 ORDER BY started_at DESC LIMIT 50",
    );
    timed(
        "one trace",
        &format!(
            "SELECT span_id, name, input, output, status FROM spans FINAL WHERE trace_id = '{}' ORDER BY started_at",
            trace.trim()
        ),
    );
    timed(
        "one session",
        "SELECT trace_id, name FROM traces FINAL WHERE session_id = 's-7'",
    );
    timed(
        "tokens of all",
        "SELECT sum(input_tokens), sum(output_tokens), sum(span_count) FROM traces FINAL",
    );
}
