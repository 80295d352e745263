//! What model calls cost: reported, priced by a table, or not known; and priced anew.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use rollout_server::{
    STORE_FILE, ServeOptions, open_store,
    prices::{Call, Prices},
    query::{ChartQuery, CostSource, GroupBy, GroupQuery, TraceQuery},
    serve,
    store::Retention,
};
use rollout_tests::server::TestServer;
use rusqlite::Connection;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An event of a span in second `at` of a day in spring.
fn event(id: &str, kind: &str, span: &str, at: u32, more: Value) -> Value {
    let mut event = json!({
        "event_id": id, "event_type": kind, "trace_id": TRACE, "span_id": span, "span_type": "llm", "name": "chat",
        "occurred_at": format!("2026-04-20T10:00:{at:02}Z"),
    });
    let (Value::Object(fields), Value::Object(more)) = (&mut event, more) else {
        unreachable!("both are objects");
    };
    fields.extend(more);
    event
}

/// A call that has ended.
fn call(span: &str, at: u32, model: &str, provider: &str, usage: Value) -> Value {
    let more = json!({
        "model": { "model": model, "provider": provider }, "usage": usage, "status": "ok",
        "started_at": format!("2026-04-20T10:00:{at:02}Z"), "duration_ms": 10.0,
    });
    event(&format!("evt_{span}"), "span.end", span, at, more)
}

/// The start of the trace, for a user in a session, and its end.
fn around() -> [Value; 2] {
    [("trace.start", 0), ("trace.end", 59)].map(|(kind, at)| {
        json!({
            "event_id": format!("evt_{kind}"), "event_type": kind, "trace_id": TRACE, "name": "agent", "status": "ok",
            "occurred_at": format!("2026-04-20T10:00:{at:02}Z"), "context": { "user_id": "cus_1" },
        })
    })
}

#[track_caller]
fn assert_cost(of: &Value, usd: f64, source: &str) {
    let cost = of["cost_usd"].as_f64().unwrap_or(f64::NAN);
    assert!((cost - usd).abs() < 1e-12, "{cost} is not {usd}: {of}");
    assert_eq!(of["cost_source"], source, "{of}");
}

fn trace(server: &TestServer) -> Value {
    server.get_json(&format!("/api/v1/traces/{TRACE}"))
}

fn span(server: &TestServer, id: &str) -> Value {
    let spans = server.spans(TRACE);
    spans
        .into_iter()
        .find(|span| span["span_id"] == id)
        .unwrap()
}

fn rollout(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollout"))
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the prices of a directory say that a call of so many tokens costs.
fn cost(dir: &Path, model: &str, provider: Option<&str>, day: &str, usage: Value) -> Option<f64> {
    let at: jiff::Timestamp = format!("{day}T12:00:00Z").parse().unwrap();
    let call = Call {
        model,
        provider,
        at: i64::try_from(at.as_nanosecond()).ok(),
    };
    let usage = serde_json::from_value(usage).unwrap();
    Prices::of(dir, None).unwrap().cost(&call, &usage)
}

#[test]
fn our_table_has_the_prices_of_its_day() {
    let dir = tempfile::tempdir().unwrap();
    let million = |model: &str, provider: Option<&str>, day: &str| {
        let usage = json!({ "input_tokens": 1_000_000, "output_tokens": 1_000_000 });
        cost(dir.path(), model, provider, day, usage)
    };
    let day = "2026-04-20";
    assert_eq!(million("gpt-4.1", None, day), Some(10.0));
    assert_eq!(
        million("GPT-4.1-2025-04-14", Some("openai"), day),
        Some(10.0)
    );
    assert_eq!(million("gpt-4.1-mini", Some("openai.chat"), day), Some(2.0));
    // A name that a vendor stands before, and one that has a price as it is.
    assert_eq!(million("openai/gpt-4.1", None, day), Some(10.0));
    assert_eq!(
        million("openai/gpt-oss-120b", Some("groq"), day),
        Some(0.75)
    );
    // On the days that each price is for.
    assert_eq!(million("o3", Some("openai"), "2025-06-09"), Some(50.0));
    assert_eq!(million("o3", Some("openai"), "2025-06-10"), Some(10.0));
    // Nothing is guessed.
    assert_eq!(million("gpt-4.1", Some("azure"), day), None);
    assert_eq!(million("gpt-4o-audio-preview", Some("openai"), day), None);
    assert_eq!(million("gpt-99", Some("openai"), day), None);
}

#[test]
fn parts_of_the_tokens_have_prices_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("prices.toml"),
        "[[price]]
         model = 'm'
         input = 1.0
         cached = 0.1
         cache_write = 2.0
         output = 10.0
         reasoning = 20.0
         above = [{ tokens = 1000, input = 3.0, output = 30.0 }, { tokens = 5000, input = 4.0 }]

         [[price]]
         model = 'plain'
         input = 1.0
         output = 10.0

         [[price]]
         model = 'embeds'
         input = 1.0
        ",
    )
    .unwrap();
    let micro = |model: &str, usage: Value| {
        let usd = cost(dir.path(), model, None, "2026-01-01", usage)?;
        Some((usd * 1e9).round() / 1e3)
    };
    let usage = |input: u64, cached: u64, written: u64, output: u64, reasoning: u64| {
        json!({
            "input_tokens": input, "cached_tokens": cached, "cache_creation_tokens": written,
            "output_tokens": output, "reasoning_tokens": reasoning,
        })
    };
    // 700 of 1000 from the cache, 200 into it, 100 plain; 4 of 10 are reasoning.
    assert_eq!(
        micro("m", usage(1000, 700, 200, 10, 4)),
        Some(70.0 + 400.0 + 100.0 + 80.0 + 60.0)
    );
    // Above a size, the whole call costs more; what the tier does not say is as below.
    assert_eq!(
        micro("m", usage(1001, 1000, 0, 1, 0)),
        Some(100.0 + 3.0 + 30.0)
    );
    assert_eq!(micro("m", usage(6000, 0, 0, 1, 0)), Some(24_000.0 + 10.0));
    // Parts that have no price cost what the whole does.
    assert_eq!(micro("plain", usage(1000, 700, 200, 10, 4)), Some(1100.0));
    // Parts that are more than the whole are no more than it.
    assert_eq!(micro("m", usage(10, 100, 100, 0, 5)), Some(1.0));
    // What is not known is not taken for zero.
    assert_eq!(micro("plain", json!({ "input_tokens": 1000 })), None);
    assert_eq!(micro("plain", json!({ "total_tokens": 1000 })), None);
    assert_eq!(
        micro("embeds", json!({ "input_tokens": 1000 })),
        Some(1000.0)
    );
    assert_eq!(micro("embeds", usage(1000, 0, 0, 1, 0)), None);
}

#[test]
fn the_pattern_that_says_most_of_a_name_applies() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.toml");
    fs::write(
        &path,
        "price = [
            { model = 'house-*', input = 1.0 },
            { model = 'house-large*', input = 2.0 },
            { model = ['house-large-2', 'palace'], input = 3.0 },
            { model = 'house-large-2', provider = 'us', input = 4.0 },
            { model = 'house-large-2', provider = ['eu*', 'ch'], input = 5.0 },
            { model = 'gpt-4.1', input = 6.0 },
         ]",
    )
    .unwrap();
    let price = |model: &str, provider: Option<&str>| {
        cost(
            dir.path(),
            model,
            provider,
            "2026-01-01",
            json!({ "input_tokens": 1_000_000 }),
        )
    };
    assert_eq!(price("house-small", Some("us")), Some(1.0));
    assert_eq!(price("house-large-1", Some("us")), Some(2.0));
    assert_eq!(price("house-large-2", Some("asia")), Some(3.0));
    assert_eq!(price("house-large-2", Some("US")), Some(4.0));
    assert_eq!(price("house-large-2", Some("eu-west")), Some(5.0));
    assert_eq!(price("palace", None), Some(3.0));
    assert_eq!(price("my/palace", None), Some(3.0));
    // The user's own goes before ours, even where ours says more.
    assert_eq!(price("gpt-4.1", Some("openai")), Some(6.0));
    assert_eq!(price("gpt-4.1-2025-04-14", Some("openai")), None);
    // And a file that is named goes before both.
    let file = dir.path().join("mine.toml");
    fs::write(&file, "[[price]]\nmodel = 'gpt-*'\ninput = 7.0").unwrap();
    let prices = Prices::of(dir.path(), Some(&file)).unwrap();
    let call = Call {
        model: "gpt-4.1",
        provider: Some("openai"),
        at: None,
    };
    let found = prices.find(&call).unwrap();
    assert_eq!((found.rates.input, found.line), (Some(7.0), 1));
}

#[test]
fn a_table_that_is_wrong_says_where_and_what_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.toml");
    for (text, line, words) in [
        (
            "[[price]]\nmodel = 'm'\ninptu = 1.0",
            3,
            "expected one of `model`, `provider`",
        ),
        ("[[price]]\nmodel = 'm'", 2, "`input`, `output` or both"),
        ("\n[[price]]\ninput = 1.0", 2, "missing field `model`"),
        ("[[price]]\nmodel = 'm'\ninput = -1", 3, "0 or more"),
        ("[[price]]\nmodel = 'm'\ninput = nan", 3, "0 or more"),
        ("[[price]]\nmodel = 'm'\ninput = 'x'", 3, "expected f64"),
        (
            "[[price]]\nmodel = 3\ninput = 1",
            2,
            "a text or a list of texts",
        ),
        ("[[price]]\nmodel = []\ninput = 1", 2, "a name is empty"),
        (
            "[[price]]\nmodel = 'm'\ninput = 1\nsince = 'May'",
            4,
            "datetime",
        ),
        (
            "[[price]]\nmodel = 'm'\ninput = 1\nsince = 10:00:00",
            4,
            "2026-01-31",
        ),
        (
            "[[price]]\nmodel = 'm'\ninput = 1\nsince = 2026-02-01\nuntil = 2026-01-01",
            5,
            "after 2026-02-01",
        ),
        (
            "[[price]]\nmodel = 'm'\ninput = 1\nabove = [{ input = 1 }]",
            4,
            "missing field `tokens`",
        ),
        ("prices = 1", 1, "expected `as_of` or `price`"),
        ("[[price]\n", 1, ""),
    ] {
        fs::write(&path, text).unwrap();
        let error = Prices::of(dir.path(), None)
            .err()
            .unwrap_or_else(|| panic!("{text} is taken"))
            .to_string();
        assert!(
            error.starts_with(&format!("{}:{line}: ", path.display())),
            "{text}\n{error}"
        );
        assert!(error.contains(words), "{text}\n{error}");
    }
    // The same is said by whoever needs it.
    fs::write(&path, "[[price]]\nmodel = 'm'").unwrap();
    let output = rollout(&["ls", "--dir", dir.path().to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && told.contains("prices.toml:2: "),
        "{told}"
    );
    let missing = rollout(&["prices", "--prices", "/no/such/file.toml"]);
    let told = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        told.contains("/no/such/file.toml: there is no such file"),
        "{told}"
    );
}

#[test]
fn what_is_not_reported_is_priced_when_it_is_taken_in() {
    let server = TestServer::start();
    let [start, end] = around();
    let usage = json!({ "input_tokens": 1000, "cached_tokens": 400, "output_tokens": 100 });
    let mut agent = call(
        "a",
        1,
        "gpt-4.1",
        "openai",
        json!({ "input_tokens": 9000, "output_tokens": 900 }),
    );
    agent["span_type"] = "agent".into();
    server.take(&[
        start,
        agent,
        call("p", 2, "gpt-4.1", "openai", usage.clone()),
        call(
            "r",
            3,
            "gpt-4.1",
            "openai",
            json!({ "input_tokens": 1000, "output_tokens": 100, "cost_usd": 0.5 }),
        ),
        call("u", 4, "who-knows", "openai", usage.clone()),
        event("evt_n", "span.end", "n", 5, json!({ "usage": usage })),
        event("evt_t", "span.end", "t", 6, json!({ "span_type": "tool" })),
        end,
    ]);
    assert_cost(&span(&server, "p"), 0.0012 + 0.0002 + 0.0008, "priced");
    assert_eq!(span(&server, "p")["usage"]["cost_usd"], Value::Null);
    assert_cost(&span(&server, "r"), 0.5, "reported");
    for unknown in ["u", "n", "t", "a"] {
        let span = span(&server, unknown);
        assert_eq!(
            (&span["cost_usd"], &span["cost_source"]),
            (&Value::Null, &Value::Null),
            "{span}"
        );
    }
    let whole = trace(&server);
    assert_cost(&whole, 0.5022, "mixed");
    assert_eq!(whole["unpriced_calls"], 2);
    let detail = server.get_json(&format!("/api/v1/traces/{TRACE}/spans/p"));
    assert_cost(&detail, 0.0022, "priced");
    // Whoever reads the sum reads this one: lists, filters, charts and groups.
    let listed = |filter: &str| {
        server.get_json(&format!("/api/v1/traces?filter={filter}"))["traces"].clone()
    };
    assert_cost(&listed("cost%3E0.502")[0], 0.5022, "mixed");
    assert_eq!(listed("cost%3E0.5023"), json!([]));
    let store = open_store(server.dir()).unwrap();
    let query = ChartQuery {
        filter: rollout_server::query::Filter::default(),
        buckets: 1,
        now: jiff::Timestamp::now(),
    };
    let close = |cost: Option<f64>| (cost.unwrap() - 0.5022).abs() < 1e-12;
    assert!(close(store.chart(&query).unwrap().total.cost_usd));
    let query = GroupQuery {
        by: GroupBy::User,
        filter: rollout_server::query::Filter::default(),
        limit: 10,
        cursor: None,
    };
    assert!(close(store.groups(&query).unwrap().groups[0].cost_usd));
    // Pages say that it is more than that.
    for path in [format!("/traces/{TRACE}"), "/".to_owned()] {
        let page = server.get(&path).body;
        assert!(page.contains("≥$0.5022"), "{path}: {page}");
    }
}

#[test]
fn the_sum_follows_what_is_said_later() {
    let server = TestServer::start();
    let [start, end] = around();
    let tokens = |input: u64, output: u64| json!({ "usage": { "input_tokens": input, "output_tokens": output } });
    server.take(&[start, event("evt_1", "span.start", "p", 1, json!({}))]);
    assert_eq!(
        (
            trace(&server)["cost_usd"].clone(),
            trace(&server)["unpriced_calls"].clone()
        ),
        (Value::Null, 0.into())
    );
    // Tokens before a model is named.
    server.take(&[event("evt_2", "span.update", "p", 2, tokens(1000, 10))]);
    assert_eq!(trace(&server)["unpriced_calls"], 1);
    server.take(&[event(
        "evt_3",
        "span.update",
        "p",
        3,
        json!({ "model": { "model": "gpt-4.1" } }),
    )]);
    assert_cost(&trace(&server), 0.00208, "priced");
    assert_eq!(trace(&server)["unpriced_calls"], 0);
    // More of them, and the same again.
    let more = event("evt_4", "span.end", "p", 4, tokens(2000, 20));
    server.take(&[more.clone(), end]);
    server.take(&[more]);
    assert_cost(&trace(&server), 0.00416, "priced");
    // What the program says in the end wins.
    server.take(&[event(
        "evt_5",
        "span.update",
        "p",
        5,
        json!({ "usage": { "cost_usd": 0.25 } }),
    )]);
    assert_cost(&trace(&server), 0.25, "reported");
    assert_cost(&span(&server, "p"), 0.25, "reported");
    // Another model, which nobody knows; and a span that turns out to be an agent.
    server.take(&[call(
        "q",
        6,
        "gpt-4.1",
        "openai",
        json!({ "input_tokens": 1000, "output_tokens": 0 }),
    )]);
    assert_cost(&trace(&server), 0.252, "mixed");
    server.take(&[event(
        "evt_7",
        "span.update",
        "q",
        7,
        json!({ "model": { "model": "who-knows" } }),
    )]);
    assert_cost(&trace(&server), 0.25, "reported");
    assert_eq!(trace(&server)["unpriced_calls"], 1);
    server.take(&[
        event(
            "evt_8",
            "span.update",
            "q",
            8,
            json!({ "span_type": "agent" }),
        ),
        event(
            "evt_9",
            "span.update",
            "p",
            9,
            json!({ "span_type": "agent" }),
        ),
    ]);
    let last = trace(&server);
    assert_eq!(
        (&last["cost_usd"], &last["cost_source"]),
        (&Value::Null, &Value::Null),
        "{last}"
    );
    assert_eq!(last["unpriced_calls"], 0);
    assert_eq!(last["usage"]["input_tokens"], 0);
}

#[test]
fn traces_are_priced_anew_beside_a_server_and_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let server = TestServer::start_in(dir.path(), &[]);
    let [start, end] = around();
    let usage = json!({ "input_tokens": 1000, "output_tokens": 100 });
    server.take(&[
        start,
        call("p", 1, "house-model", "house", usage.clone()),
        call("q", 2, "gpt-4.1", "openai", usage.clone()),
        call("x", 3, "who-knows", "openai", usage.clone()),
        call(
            "r",
            4,
            "house-model",
            "house",
            json!({ "input_tokens": 1, "output_tokens": 1, "cost_usd": 1.0 }),
        ),
        end,
    ]);
    assert_cost(&trace(&server), 1.0028, "mixed");
    assert_eq!(trace(&server)["unpriced_calls"], 2);
    let version = || server.get(&format!("/api/v1/traces/{TRACE}")).body;
    fs::write(
        dir.path().join("prices.toml"),
        "[[price]]\nmodel = 'house-*'\ninput = 2.0\noutput = 20.0\n[[price]]\nmodel = 'gpt-4.1'\ninput = 1.0\noutput = 1.0\n",
    )
    .unwrap();
    let before = version();
    let dry = said(&rollout(&["reprice", "--dry-run", "--dir", &path]));
    assert_eq!(version(), before);
    let told = said(&rollout(&["reprice", "--dir", &path]));
    assert_eq!(dry, told);
    for words in [
        TRACE,
        "$1.00",
        "$1.01",
        "1 of 1 traces cost something else",
        "no price: who-knows (openai), 1 calls",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    let now = 1.0 + 0.004 + 0.0011;
    assert_cost(&trace(&server), now, "mixed");
    assert_eq!(trace(&server)["unpriced_calls"], 1);
    assert_cost(&span(&server, "p"), 0.004, "priced");
    assert_cost(&span(&server, "r"), 1.0, "reported");
    // Once more changes nothing, and the server goes on from there by the prices that it was started with.
    let again: Value = serde_json::from_str(&said(&rollout(&[
        "reprice",
        "--json",
        "--dir",
        &path,
        "model:house*",
    ])))
    .unwrap();
    assert_eq!(
        (&again["looked_at"], &again["changed"]),
        (&1.into(), &json!([]))
    );
    let none: Value = serde_json::from_str(&said(&rollout(&[
        "reprice",
        "--json",
        "--dir",
        &path,
        "user:nobody",
    ])))
    .unwrap();
    assert_eq!(none["looked_at"], 0);
    server.take(&[call("s", 5, "gpt-4.1", "openai", usage)]);
    assert_cost(&trace(&server), now + 0.0028, "mixed");
    server.stop();
    said(&rollout(&["reprice", "--dir", &path]));
    let server = TestServer::start_in(dir.path(), &[]);
    assert_cost(&trace(&server), now + 0.0011, "mixed");
    let wrong = rollout(&["reprice", "--dir", &path, "cost>>1"]);
    assert!(!wrong.status.success(), "{wrong:?}");
}

#[test]
fn a_server_takes_prices_from_a_file_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    fs::write(&file, "[[price]]\nmodel = '*'\ninput = 1.0\noutput = 1.0\n").unwrap();
    let options = |prices: &Path| ServeOptions {
        addr: "127.0.0.1:0".to_owned(),
        store: rollout_server::store::StorePlace::default(),
        dir: dir.path().join("server"),
        keys: Vec::new(),
        retention: Retention::default(),
        prices: Some(prices.to_owned()),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(serve(options(&file))).unwrap();
    let event = call(
        "p",
        1,
        "anything",
        "anybody",
        json!({ "input_tokens": 1_000_000, "output_tokens": 0 }),
    );
    let body = rollout_tests::wire::batch(&[event]);
    let sent = ureq::post(format!("http://{}/v1/events:batch", server.addr()))
        .send(&body[..])
        .unwrap();
    assert_eq!(sent.status(), 200);
    let traces = server
        .store()
        .traces(&TraceQuery::default())
        .unwrap()
        .traces;
    assert_eq!(
        (traces[0].cost_usd, traces[0].cost_source),
        (Some(1.0), Some(CostSource::Priced))
    );
    runtime.block_on(server.stop());
    fs::write(&file, "[[price]]\nmodel = '*'\n").unwrap();
    let refused = runtime
        .block_on(serve(options(&file)))
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("mine.toml:2: "), "{refused}");
}

#[test]
fn a_store_from_before_there_were_prices_is_priced_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let server = TestServer::start_in(dir.path(), &[]);
    let [start, end] = around();
    let usage = json!({ "input_tokens": 1000, "output_tokens": 100 });
    server.take(&[
        start,
        call("p", 1, "gpt-4.1", "openai", usage.clone()),
        call("r", 2, "gpt-4.1", "openai", json!({ "cost_usd": 1.0 })),
        end,
    ]);
    server.stop();
    // As such a store was.
    let old = Connection::open(dir.path().join(STORE_FILE)).unwrap();
    old.execute_batch(
        "UPDATE traces SET usage = json_set(usage, '$.cost_usd', 1.0);
         ALTER TABLE spans DROP COLUMN cost_from; ALTER TABLE spans DROP COLUMN priced_usd;
         ALTER TABLE traces DROP COLUMN reported_calls; ALTER TABLE traces DROP COLUMN priced_calls;
         ALTER TABLE traces DROP COLUMN unpriced_calls; PRAGMA user_version = 5;",
    )
    .unwrap();
    drop(old);
    let server = TestServer::start_in(dir.path(), &[]);
    assert_cost(&trace(&server), 1.0, "reported");
    // What is said later of such a span counts it once.
    server.take(&[event(
        "evt_later",
        "span.update",
        "p",
        3,
        json!({ "usage": { "input_tokens": 2000 } }),
    )]);
    assert_cost(&trace(&server), 1.0048, "mixed");
    said(&rollout(&["reprice", "--dir", &path]));
    assert_cost(&trace(&server), 1.0048, "mixed");
    assert_eq!(trace(&server)["unpriced_calls"], 0);
}

#[test]
fn prices_are_shown_with_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let told = said(&rollout(&[
        "prices",
        "gpt-4.1-2025-04-14",
        "--provider",
        "openai",
        "--dir",
        &path,
    ]));
    for words in [
        "input        $2",
        "cached       $0.5",
        "output       $8",
        "is like `gpt-4.1-20*`",
        "prices as of 2026-",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    let old = said(&rollout(&[
        "prices",
        "o3",
        "--at",
        "2025-06-01",
        "--dir",
        &path,
    ]));
    assert!(
        old.contains("$40") && old.contains("until before 2025-06-10"),
        "{old}"
    );
    let large = said(&rollout(&["prices", "gemini-2.5-pro", "--dir", &path]));
    assert!(
        large.contains("above a prompt of 200.0k tokens") && large.contains("$15"),
        "{large}"
    );
    let all = said(&rollout(&["prices", "--dir", &path]));
    assert!(all.lines().count() > 100, "{all}");
    let unknown = rollout(&["prices", "who-knows", "--provider", "me", "--dir", &path]);
    let words = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        !unknown.status.success() && words.contains("who-knows at me has no price"),
        "{words}"
    );
}
