//! Filters, texts, charts and groups, beside what plain code says of the same traces.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use rollout_server::STORE_FILE;
use rollout_tests::server::TestServer;
use rollout_tests::wait_until;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// More than are tested one by one before all are looked through.
const TRACES: usize = 1_200;
const START: &str = "2026-01-02T00:00:00Z";

/// A trace as the test knows it.
#[derive(Debug, Default, Clone)]
struct Trace {
    id: String,
    own_id: Option<String>,
    /// Seconds after the start.
    at: i64,
    name: &'static str,
    status: &'static str,
    duration_ms: Option<f64>,
    user: Option<String>,
    session: Option<String>,
    tags: Vec<&'static str>,
    tenant: Option<String>,
    attempt: u64,
    version: &'static str,
    models: Vec<&'static str>,
    tools: Vec<&'static str>,
    error: Option<&'static str>,
    usage: Option<(u64, u64, f64)>,
    score: Option<f64>,
    step: Option<i64>,
    words: Vec<&'static str>,
    spans: u64,
}

const WORDS: [&str; 8] = [
    "a refund for the order",
    "Chargeback",
    "nothing to say",
    "请退款给我",
    "Ωμέγα ΟΔΟΣ",
    "line\none",
    "she said \"no\"",
    "🚀 launch",
];

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn made_up(rng: &mut Rng, number: usize) -> Trace {
    let failed = rng.u8(..8) == 0;
    let running = rng.u8(..20) == 0;
    let mut trace = Trace {
        id: format!("{number:032x}"),
        own_id: (number.is_multiple_of(50)).then(|| format!("own {number}")),
        // Many begin at the same time.
        at: rng.i64(0..1000),
        name: pick(rng, &["support", "support agent", "Desk", "research*er"]),
        status: match (running, failed) {
            (true, _) => "running",
            (_, true) => "error",
            _ => "ok",
        },
        duration_ms: (!running).then(|| f64::from(rng.u32(1..100_000)) / 8.0),
        user: (rng.u8(..4) > 0).then(|| format!("cus_{}", rng.u8(..40))),
        session: (rng.u8(..3) > 0).then(|| format!("s {}", rng.u16(..600))),
        tags: ["a", "b", "rare"]
            .into_iter()
            .filter(|tag| rng.u8(..if *tag == "rare" { 200 } else { 3 }) == 0)
            .collect(),
        tenant: rng.bool().then(|| format!("t{}", rng.u8(..30))),
        attempt: rng.u64(..5),
        version: pick(rng, &["1.0", "1.1", "2.0"]),
        step: (rng.u8(..5) == 0).then(|| rng.i64(0..10)),
        score: (rng.u8(..5) == 0).then(|| f64::from(rng.u8(..5)) / 4.0),
        ..Trace::default()
    };
    for _ in 0..rng.u8(..3) {
        trace
            .models
            .push(pick(rng, &["gpt-4.1", "gpt-4.1-mini", "claude"]));
        let (input, output, cost) = trace.usage.unwrap_or_default();
        let (i, o) = (rng.u64(1..2000), rng.u64(1..500));
        trace.usage = Some((input + i, output + o, cost + (i + o) as f64 / 1024.0));
    }
    for _ in 0..rng.u8(..3) {
        trace.tools.push(pick(rng, &["look_up", "charge", "mail"]));
    }
    trace.error = (failed && rng.bool()).then(|| pick(rng, &["Timeout", "ToolFailed"]));
    trace.words.push(pick(rng, &WORDS));
    if rng.u8(..100) == 0 {
        trace.words.push("xylophone");
    }
    trace.spans = (trace.models.len() + trace.tools.len() + 1) as u64;
    trace
}

fn events(trace: &Trace, rng: &mut Rng) -> Vec<Value> {
    let start: Timestamp = START.parse().unwrap();
    let began = start + SignedDuration::from_secs(trace.at);
    let id = &trace.id;
    let mut number = 0;
    let mut event = |kind: &str, more: Value| {
        number += 1;
        let mut event = json!({
            "event_id": format!("{id}-{number}"), "event_type": kind, "trace_id": id, "occurred_at": began,
            "agent": { "name": "agent", "version": trace.version },
        });
        let fields = event.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        event
    };
    let mut attributes = json!({ "tags": trace.tags, "attempt": trace.attempt });
    if let Some(tenant) = &trace.tenant {
        attributes["tenant"] = json!(tenant);
    }
    let mut links = json!({});
    if let Some(step) = trace.step {
        attributes["rollout.run.step_number"] = json!(step);
        attributes["rollout.run.phase"] = json!("train");
        links["run_id"] = json!("run 1");
    }
    let mut events = vec![event(
        "trace.start",
        json!({
            "name": trace.name, "started_at": began, "attributes": attributes, "links": links,
            "external_trace_id": trace.own_id,
            "context": { "user_id": trace.user, "session_id": trace.session },
            "raw": { "input": { "message": trace.words[0] } },
        }),
    )];
    let mut left = trace.usage;
    let mut spans: Vec<Value> = Vec::new();
    for (nth, model) in trace.models.iter().enumerate() {
        // The first call tells the usage of all.
        let usage = left.take().map_or(json!({}), |(input, output, cost)| {
            json!({ "input_tokens": input, "output_tokens": output, "cost_usd": cost })
        });
        spans.push(json!({ "span_id": format!("m{nth}"), "span_type": "llm", "name": "chat", "model": { "model": model, "provider": "p" }, "usage": usage }));
    }
    for (nth, tool) in trace.tools.iter().enumerate() {
        spans.push(json!({ "span_id": format!("t{nth}"), "span_type": "tool", "name": tool, "raw": { "output": trace.words.last() } }));
    }
    let error = trace.error.map_or(
        json!({}),
        |kind| json!({ "type": kind, "message_preview": "it broke" }),
    );
    spans.push(json!({ "span_id": "last", "span_type": "task", "name": "finish", "error": error, "raw": { "output": trace.words.last() } }));
    rng.shuffle(&mut spans);
    for span in spans {
        let mut span = span;
        span["status"] = json!("ok");
        span["duration_ms"] = json!(1.0);
        span["started_at"] = json!(began);
        events.push(event("span.end", span));
    }
    if let Some(score) = trace.score {
        events.push(event(
            "eval.result",
            json!({ "name": "exact", "outcome": { "eval_score": score } }),
        ));
    }
    if let Some(duration) = trace.duration_ms {
        let ended = began + SignedDuration::from_micros((duration * 1000.0) as i64);
        events.push(event(
            "trace.end",
            json!({ "status": trace.status, "ended_at": ended, "duration_ms": duration }),
        ));
    }
    events
}

/// Traces, and a server that has them.
struct Known {
    server: TestServer,
    traces: Vec<Trace>,
}

impl Known {
    fn new() -> Self {
        let server = TestServer::start();
        let mut rng = Rng::with_seed(9);
        let traces: Vec<Trace> = (0..TRACES)
            .map(|number| made_up(&mut rng, number))
            .collect();
        let events: Vec<Value> = traces
            .iter()
            .flat_map(|trace| events(trace, &mut rng))
            .collect();
        server.take(&events);
        Self { server, traces }
    }

    /// Waits until the texts of all that have ended are indexed. Those that run may be, too.
    fn index(&self) {
        let file = self.server.dir().join(STORE_FILE);
        let file = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let running = self.traces.iter().filter(|trace| trace.status == "running");
        let running = i64::try_from(running.count()).unwrap();
        wait_until("texts are indexed", || {
            let left: i64 = file
                .query_row("SELECT count(*) FROM unsearched", [], |row| row.get(0))
                .unwrap();
            (left <= running).then_some(())
        });
    }

    /// Those that pass, the newest first.
    fn expected(&self, passes: impl Fn(&Trace) -> bool) -> Vec<&Trace> {
        let mut found: Vec<(usize, &Trace)> = self
            .traces
            .iter()
            .enumerate()
            .filter(|(_, it)| passes(it))
            .collect();
        found.sort_by_key(|(row, trace)| std::cmp::Reverse((trace.at, *row)));
        found.into_iter().map(|(_, trace)| trace).collect()
    }

    /// All that are listed, page by page.
    fn listed(&self, filter: &str, more: &str) -> Vec<Value> {
        let (mut listed, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "/api/v1/traces?filter={}&cursor={cursor}{more}",
                encoded(filter)
            );
            let page = self.server.get_json(&path);
            listed.extend(page["traces"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return listed,
            }
        }
    }

    #[track_caller]
    fn check(&self, filter: &str, passes: impl Fn(&Trace) -> bool) {
        let expected: Vec<&str> = self
            .expected(passes)
            .iter()
            .map(|it| it.id.as_str())
            .collect();
        let listed = self.listed(filter, "&limit=500");
        assert!(
            ids(&listed) == expected,
            "{filter}: {} are listed, not {}",
            listed.len(),
            expected.len()
        );
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        // Writing to a text does not fail.
        let _ = write!(all, "%{byte:02X}");
        all
    })
}

fn ids(listed: &[Value]) -> Vec<&str> {
    listed
        .iter()
        .map(|trace| trace["trace_id"].as_str().unwrap())
        .collect()
}

fn says(trace: &Trace, text: &str) -> bool {
    let spans = trace.tools.iter().copied().chain(["finish"]);
    let spans = spans.chain((!trace.models.is_empty()).then_some("chat"));
    let error = trace.error.map(|kind| format!("{kind}: it broke"));
    let mut names = spans.chain([trace.name]).chain(error.as_deref());
    names.any(|name| name.to_lowercase().contains(text))
        || trace
            .words
            .iter()
            .any(|words| words.to_lowercase().replace('\n', " ").contains(text))
}

type Condition = (&'static str, fn(&Trace) -> bool);

/// Each key and measure, and what it means.
const CONDITIONS: &[Condition] = &[
    ("status:error", |it| it.status == "error"),
    ("status:ok,running", |it| it.status != "error"),
    ("name:support", |it| it.name == "support"),
    ("name:support*", |it| it.name.starts_with("support")),
    ("name:*e*", |it| it.name.contains('e')),
    ("name:\"research*er\"", |it| it.name == "research*er"),
    ("name:Support", |_| false),
    ("user:cus_7", |it| it.user.as_deref() == Some("cus_7")),
    ("user:cus_1*", |it| {
        it.user
            .as_deref()
            .is_some_and(|user| user.starts_with("cus_1"))
    }),
    ("user:*", |it| it.user.is_some()),
    ("session:\"s 17\"", |it| {
        it.session.as_deref() == Some("s 17")
    }),
    ("tag:a", |it| it.tags.contains(&"a")),
    ("tag:rare", |it| it.tags.contains(&"rare")),
    ("tag:a,rare", |it| {
        it.tags.contains(&"a") || it.tags.contains(&"rare")
    }),
    ("model:gpt-4.1", |it| it.models.contains(&"gpt-4.1")),
    ("model:gpt-*", |it| {
        it.models.iter().any(|model| model.starts_with("gpt-"))
    }),
    ("tool:charge", |it| it.tools.contains(&"charge")),
    ("tool:chat", |_| false),
    ("span:chat", |it| !it.models.is_empty()),
    ("type:tool", |it| !it.tools.is_empty()),
    ("type:task", |_| true),
    ("provider:p", |it| !it.models.is_empty()),
    ("error:Timeout", |it| it.error == Some("Timeout")),
    ("error:*", |it| it.error.is_some()),
    ("agent:agent", |_| true),
    ("version:1.*", |it| it.version.starts_with("1.")),
    ("id:\"own 100\"", |it| {
        it.own_id.as_deref() == Some("own 100")
    }),
    ("id:0000000000000000000000000000000*", |it| {
        it.id.starts_with(&"0".repeat(31))
    }),
    ("run:\"run 1\" step:3", |it| it.step == Some(3)),
    ("phase:train", |it| it.step.is_some()),
    ("grader:exact", |it| it.score.is_some()),
    ("meta.tenant:t3", |it| it.tenant.as_deref() == Some("t3")),
    ("meta.attempt:3", |it| it.attempt == 3),
    ("meta.nothing:x", |_| false),
    ("duration>10s", |it| {
        it.duration_ms.is_some_and(|ms| ms > 10_000.0)
    }),
    ("duration<=0.5s", |it| {
        it.duration_ms.is_some_and(|ms| ms <= 500.0)
    }),
    ("cost>1.5", |it| {
        it.usage.is_some_and(|(.., cost)| cost > 1.5)
    }),
    ("cost<0.25", |it| {
        it.usage.is_some_and(|(.., cost)| cost < 0.25)
    }),
    ("tokens>=3k", |it| {
        it.usage
            .is_some_and(|(input, output, _)| input + output >= 3000)
    }),
    ("tokens=0", |it| it.usage.is_none()),
    ("input<100", |it| {
        it.usage.is_some_and(|(input, ..)| input < 100)
    }),
    ("output>500", |it| {
        it.usage.is_some_and(|(_, output, _)| output > 500)
    }),
    ("spans=3", |it| it.spans == 3),
    ("errors>0", |it| it.error.is_some()),
    ("turns=0", |it| it.step.is_some()),
    ("score>0.5", |it| it.score.is_some_and(|score| score > 0.5)),
    ("score.exact=1", |it| it.score == Some(1.0)),
    ("score.other<9", |_| false),
    ("since:2026-01-02T00:10:00Z", |it| it.at >= 600),
    ("until:2026-01-02T00:01:40Z", |it| it.at < 100),
    ("refund", |it| says(it, "refund")),
    ("XYLO", |it| says(it, "xylophone")),
    ("\"for the order\"", |it| says(it, "for the order")),
    ("退款", |it| says(it, "退款")),
    ("款给", |it| says(it, "退款")),
    ("ωμΈγα", |it| says(it, "ωμέγα")),
    ("\"Line  one\"", |it| says(it, "line one")),
    (r#""said \"NO\"""#, |it| says(it, "said \"no\"")),
    ("🚀", |it| says(it, "🚀")),
    ("ou", |it| says(it, "ou")),
    ("zzz", |_| false),
    ("\"ohone phoneph\"", |_| false),
];

#[test]
fn every_condition_and_their_opposites_and_together() {
    let known = Known::new();
    for round in ["read", "indexed"] {
        if round == "indexed" {
            known.index();
        }
        for (filter, passes) in CONDITIONS {
            known.check(filter, passes);
            if !filter.contains(' ') || filter.contains('"') && !filter.contains("run:") {
                known.check(&format!("-{filter}"), |it| !passes(it));
            }
        }
    }
    let mut rng = Rng::with_seed(5);
    for _ in 0..60 {
        let mut filters: Vec<String> = Vec::new();
        let mut tests: Vec<(bool, Condition)> = Vec::new();
        for _ in 0..rng.usize(2..4) {
            let condition = pick(&mut rng, CONDITIONS);
            let turned = rng.bool() && !condition.0.starts_with("run:");
            filters.push(format!("{}{}", if turned { "-" } else { "" }, condition.0));
            tests.push((turned, condition));
        }
        known.check(&filters.join(" "), |it| {
            tests
                .iter()
                .all(|(turned, (_, passes))| passes(it) != *turned)
        });
    }
}

#[test]
fn pages_in_both_orders() {
    let known = Known::new();
    for (filter, passes) in [
        CONDITIONS[0],
        ("tag:rare", |it: &Trace| it.tags.contains(&"rare")),
        ("", |_| true),
        ("xylophone", |it| says(it, "xylophone")),
        ("-ou", |it| !says(it, "ou")),
    ] {
        let mut expected: Vec<&str> = known
            .expected(passes)
            .iter()
            .map(|it| it.id.as_str())
            .collect();
        assert!(
            ids(&known.listed(filter, "&limit=37")) == expected,
            "{filter}"
        );
        expected.reverse();
        let ascending = known.listed(filter, "&limit=37&order=asc");
        assert!(ids(&ascending) == expected, "{filter}, the oldest first");
        let descending = known.listed(filter, "&limit=500&order=desc");
        expected.reverse();
        assert!(ids(&descending) == expected, "{filter}, the newest first");
    }
    let refused = known.server.get("/api/v1/traces?order=up");
    assert_eq!(
        (refused.status, refused.error_code()),
        (400, "invalid_query".to_owned())
    );
}

fn close(one: &Value, other: f64, share: f64) -> bool {
    one.as_f64()
        .is_some_and(|one| (one - other).abs() <= share * other.abs() + 1e-9)
}

/// Whether a bucket is what these traces come to.
#[track_caller]
fn check_bucket(bucket: &Value, traces: &[&Trace], what: &str) {
    let failed = traces.iter().filter(|it| it.status == "error").count();
    let tokens: u64 = traces
        .iter()
        .filter_map(|it| it.usage)
        .map(|(i, o, _)| i + o)
        .sum();
    assert_eq!(
        (&bucket["traces"], &bucket["errors"], &bucket["tokens"]),
        (&json!(traces.len()), &json!(failed), &json!(tokens)),
        "{what}: {bucket}"
    );
    let costs: Vec<f64> = traces
        .iter()
        .filter_map(|it| it.usage)
        .map(|it| it.2)
        .collect();
    if costs.is_empty() {
        assert_eq!(bucket["cost_usd"], Value::Null, "{what}");
    } else {
        assert!(
            close(&bucket["cost_usd"], costs.iter().sum(), 1e-9),
            "{what}: {bucket}"
        );
    }
    let mut times: Vec<f64> = traces.iter().filter_map(|it| it.duration_ms).collect();
    times.sort_by(f64::total_cmp);
    for (name, rank) in [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)] {
        let nth = ((times.len() as f64 * rank).ceil() as usize).max(1);
        match times.get(nth - 1) {
            Some(time) => assert!(
                close(&bucket[name], *time, 0.032),
                "{what} {name} {time}: {bucket}"
            ),
            None => assert_eq!(bucket[name], Value::Null, "{what}"),
        }
    }
}

#[test]
fn charts() {
    let known = Known::new();
    known.index();
    let start: Timestamp = START.parse().unwrap();
    for (filter, passes) in [
        ("", (|_| true) as fn(&Trace) -> bool),
        ("status:error", |it| it.status == "error"),
        ("model:claude -tag:a", |it| {
            it.models.contains(&"claude") && !it.tags.contains(&"a")
        }),
        (
            "since:2026-01-02T00:01:00Z until:2026-01-02T00:02:00Z",
            |it| (60..120).contains(&it.at),
        ),
        ("refund", |it| says(it, "refund")),
        ("-退款 tag:rare", |it| {
            !says(it, "退款") && it.tags.contains(&"rare")
        }),
        ("user:nobody", |_| false),
        ("user:nobody since:2026-01-02 until:2026-01-03", |_| false),
    ] {
        for count in [1, 7, 60] {
            let path = format!("/api/v1/chart?filter={}&buckets={count}", encoded(filter));
            let chart = known.server.get_json(&path);
            let traces = known.expected(passes);
            check_bucket(&chart["total"], &traces, filter);
            let buckets = chart["buckets"].as_array().unwrap();
            if traces.is_empty() && !filter.contains("since") {
                assert_eq!(
                    (&chart["from"], buckets.len()),
                    (&Value::Null, 0),
                    "{filter}"
                );
                continue;
            }
            assert_eq!(buckets.len(), count, "{filter}");
            let moment =
                |name: &str| -> Timestamp { chart[name].as_str().unwrap().parse().unwrap() };
            let (from, to) = (moment("from"), moment("to"));
            if let Some(first) = traces.last()
                && !filter.contains("since")
            {
                assert_eq!(
                    from,
                    start + SignedDuration::from_secs(first.at),
                    "{filter}"
                );
            }
            let width = chart["bucket_ms"].as_f64().unwrap() * 1e6;
            let all = to.as_nanosecond() - from.as_nanosecond();
            assert!((width * count as f64 - all as f64).abs() < 1e3, "{filter}");
            let offset = |it: &Trace| {
                let at = start + SignedDuration::from_secs(it.at);
                ((at.as_nanosecond() - from.as_nanosecond()) as f64 / width) as usize
            };
            for (nth, bucket) in buckets.iter().enumerate() {
                let of_bucket: Vec<&Trace> = traces
                    .iter()
                    .copied()
                    .filter(|it| offset(it) == nth)
                    .collect();
                check_bucket(bucket, &of_bucket, &format!("{filter}, {nth} of {count}"));
            }
        }
    }
    for buckets in ["0", "501"] {
        let refused = known
            .server
            .get(&format!("/api/v1/chart?buckets={buckets}"));
        assert_eq!(
            (refused.status, refused.error_code()),
            (400, "invalid_buckets".to_owned())
        );
    }
}

#[test]
fn groups() {
    let known = Known::new();
    let start: Timestamp = START.parse().unwrap();
    for (path, of) in [
        (
            "users",
            (|it| it.user.clone()) as fn(&Trace) -> Option<String>,
        ),
        ("sessions", |it| it.session.clone()),
        ("conversations", |_| None),
    ] {
        for (filter, passes) in [
            CONDITIONS[0],
            ("", |_: &Trace| true),
            ("tag:rare refund", |it| {
                it.tags.contains(&"rare") && says(it, "refund")
            }),
        ] {
            let mut groups: BTreeMap<String, Vec<&Trace>> = BTreeMap::new();
            for trace in known.expected(passes) {
                if let Some(id) = of(trace) {
                    groups.entry(id).or_default().push(trace);
                }
            }
            let mut groups: Vec<_> = groups.into_iter().collect();
            groups.sort_by(|(a, of_a), (b, of_b)| (of_b[0].at, b).cmp(&(of_a[0].at, a)));
            let (mut listed, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = known.server.get_json(&format!(
                    "/api/v1/{path}?filter={}&limit=7&cursor={}",
                    encoded(filter),
                    encoded(&cursor)
                ));
                listed.extend(page["groups"].as_array().unwrap().iter().cloned());
                match page["next_cursor"].as_str() {
                    Some(next) => next.clone_into(&mut cursor),
                    None => break,
                }
            }
            assert_eq!(listed.len(), groups.len(), "{path} {filter}");
            for (listed, (id, traces)) in listed.iter().zip(groups) {
                let (newest, oldest) = (traces[0], traces[traces.len() - 1]);
                let time = |trace: &Trace| json!(start + SignedDuration::from_secs(trace.at));
                let sum = |of: fn(&(u64, u64, f64)) -> u64| -> u64 {
                    traces
                        .iter()
                        .filter_map(|it| it.usage.as_ref())
                        .map(of)
                        .sum()
                };
                let failed = traces.iter().filter(|it| it.status == "error").count();
                assert_eq!(
                    [
                        &listed["id"],
                        &listed["traces"],
                        &listed["errors"],
                        &listed["first_at"],
                        &listed["last_at"]
                    ],
                    [
                        &json!(id),
                        &json!(traces.len()),
                        &json!(failed),
                        &time(oldest),
                        &time(newest)
                    ]
                );
                let user = traces.iter().find_map(|it| it.user.clone());
                assert_eq!(listed["user_id"], json!(user), "{id}");
                let preview = newest.words[0].replace('\n', " ");
                assert_eq!(listed["input_preview"], json!(preview), "{id}");
                if traces.iter().any(|it| it.usage.is_some()) {
                    assert_eq!(
                        (
                            &listed["usage"]["input_tokens"],
                            &listed["usage"]["output_tokens"]
                        ),
                        (&json!(sum(|it| it.0)), &json!(sum(|it| it.1)))
                    );
                    let costs = traces.iter().filter_map(|it| it.usage).map(|it| it.2);
                    assert!(close(&listed["cost_usd"], costs.sum(), 1e-9));
                }
            }
        }
    }
    let refused = known.server.get("/api/v1/users?cursor=x");
    assert_eq!(
        (refused.status, refused.error_code()),
        (400, "invalid_cursor".to_owned())
    );
}

#[test]
fn completions_and_errors() {
    let known = Known::new();
    let complete = |before: &str| -> Value {
        known
            .server
            .get_json(&format!("/api/v1/complete?before={}", encoded(before)))
    };
    let count =
        |passes: &dyn Fn(&Trace) -> bool| known.traces.iter().filter(|it| passes(it)).count();
    let completion = complete("refund -model:GPT");
    assert_eq!(completion["word"], "GPT");
    let mut models: Vec<(usize, &str)> = ["gpt-4.1", "gpt-4.1-mini"]
        .map(|model| (count(&|it| it.models.contains(&model)), model))
        .to_vec();
    models.sort_by_key(|(count, model)| (std::cmp::Reverse(*count), *model));
    let expected: Vec<Value> = models
        .into_iter()
        .map(|(count, model)| json!({ "insert": model, "label": model, "about": null, "count": count }))
        .collect();
    assert_eq!(completion["items"], json!(expected));
    let tags = complete("tag:a,");
    let tags: Vec<&str> = tags["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["insert"].as_str().unwrap())
        .collect();
    assert_eq!(tags, ["b", "rare"]);
    let attempts = complete("meta.attempt:");
    assert_eq!(attempts["items"].as_array().unwrap().len(), 5);
    let sessions = complete("session:s");
    assert!(
        sessions["items"][0]["insert"]
            .as_str()
            .unwrap()
            .starts_with("\"s ")
    );
    let tools = complete("tool:ch");
    assert_eq!(
        tools["items"],
        json!([{ "insert": "charge", "label": "charge", "about": null, "count": count(&|it| it.tools.contains(&"charge")) }])
    );
    assert_eq!(
        complete("sta")["items"][0],
        json!({ "insert": "status:", "label": "status", "about": "its status", "count": null })
    );
    assert!(complete("")["items"].as_array().unwrap().len() > 30);

    for path in ["traces", "chart", "users", "sessions", "conversations"] {
        let answer = known.server.get(&format!(
            "/api/v1/{path}?filter={}",
            encoded("退款 colour:red x")
        ));
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"]),
            (400, &json!("invalid_filter"))
        );
        assert_eq!((&error["from"], &error["to"]), (&json!(3), &json!(9)));
        assert_eq!(error["under"], "退款 colour:red x\n   ^^^^^^");
    }
}

/// A trace of one span.
fn told(id: &str, second: u32, input: &Value, output: &Value) -> Vec<Value> {
    let time = format!("2026-01-02T00:00:{second:02}Z");
    vec![
        json!({ "event_id": format!("{id}1"), "event_type": "trace.start", "trace_id": id, "name": id, "occurred_at": time, "started_at": time, "raw": { "input": input } }),
        json!({ "event_id": format!("{id}2"), "event_type": "span.end", "trace_id": id, "span_id": "s", "name": "step", "status": "ok", "occurred_at": time, "started_at": time, "duration_ms": 1, "raw": { "output": output } }),
        json!({ "event_id": format!("{id}3"), "event_type": "trace.end", "trace_id": id, "status": "ok", "occurred_at": time, "ended_at": time }),
    ]
}

#[test]
fn where_a_text_stands() {
    let server = TestServer::start();
    server.take(&told(
        "first",
        1,
        &json!("I want a REFUND now"),
        &json!("x"),
    ));
    server.take(&told(
        "second",
        2,
        &json!("x"),
        &json!({ "answer": { "text": "the\nrefund\u{0} 退款 is \"made\"", "n": 12345 } }),
    ));
    server.take(&[
        json!({ "event_id": "m", "event_type": "message", "trace_id": "first", "occurred_at": "2026-01-02T00:00:03Z", "message": { "role": "user", "content": [{ "type": "text", "text": "Straße 5" }] } }),
        json!({ "event_id": "e", "event_type": "span.end", "trace_id": "second", "span_id": "t", "name": "charge_card", "status": "error", "occurred_at": "2026-01-02T00:00:03Z", "error": { "type": "CardError", "message_preview": "card declined" } }),
    ]);
    let found = |filter: &str| -> Value {
        let page = server.get_json(&format!("/api/v1/traces?filter={}", encoded(filter)));
        let traces = page["traces"].as_array().unwrap();
        traces
            .iter()
            .map(|trace| {
                let found = &trace["found"];
                let text: Vec<char> = found["text"].as_str().unwrap_or_default().chars().collect();
                let marks = found["marks"].as_array().into_iter().flatten();
                let marked: Vec<String> = marks
                    .map(|mark| {
                        text[mark[0].as_u64().unwrap() as usize..mark[1].as_u64().unwrap() as usize]
                            .iter()
                            .collect()
                    })
                    .collect();
                json!([
                    trace["trace_id"],
                    found["part"],
                    found["span_id"],
                    text.iter().collect::<String>(),
                    marked
                ])
            })
            .collect()
    };
    assert_eq!(
        found("refund"),
        json!([
            [
                "second",
                "output",
                "s",
                "answer: n: 12345 text: the refund 退款 is \"made\"",
                ["refund"]
            ],
            ["first", "input", null, "I want a REFUND now", ["REFUND"]],
        ])
    );
    assert_eq!(found("退款 12345")[0][4], json!(["12345", "退款"]));
    assert_eq!(found("\"is \\\"made\"")[0][4], json!(["is \"made"]));
    assert_eq!(
        found("straße"),
        json!([[
            "first",
            "message",
            null,
            "text: Straße 5 type: text",
            ["Straße"]
        ]])
    );
    assert_eq!(
        found("DECLINED"),
        json!([[
            "second",
            "error",
            "t",
            "CardError: card declined",
            ["declined"]
        ]])
    );
    assert_eq!(
        found("charge_"),
        json!([["second", "name", "t", "charge_card", ["charge_"]]])
    );
    assert_eq!(
        found("first"),
        json!([["first", "name", null, "first", ["first"]]])
    );
    assert_eq!(found("-refund"), json!([]));
    // A filter without text finds nothing.
    assert!(
        server.get_json("/api/v1/traces?filter=status:ok")["traces"][0]
            .get("found")
            .is_none()
    );
}

#[test]
fn what_changes_is_found_as_it_is() {
    let server = TestServer::start();
    let ids = |filter: &str| -> Vec<String> {
        let page = server.get_json(&format!("/api/v1/traces?filter={}", encoded(filter)));
        let traces = page["traces"].as_array().unwrap();
        traces
            .iter()
            .map(|trace| trace["trace_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let event = |number: u32, kind: &str, more: &Value| {
        let mut event = json!({ "event_id": number.to_string(), "event_type": kind, "trace_id": "t", "occurred_at": format!("2026-01-02T00:00:{number:02}Z") });
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    server.take(&[
        event(
            1,
            "trace.start",
            &json!({ "name": "before", "attributes": { "tags": ["a"], "k": 1 } }),
        ),
        event(2, "span.start", &json!({ "span_id": "s", "name": "old" })),
    ]);
    assert_eq!(
        ids("status:running name:before type:span span:old meta.k:1 -grader:g"),
        ["t"]
    );
    server.take(&[
        event(3, "span.end", &json!({ "span_id": "s", "name": "new", "span_type": "tool", "raw": { "output": "late words" } })),
        event(4, "span.update", &json!({ "attributes": { "tags": ["b"], "k": 2 } })),
        event(5, "eval.result", &json!({ "name": "g", "outcome": { "eval_score": 0.5 } })),
    ]);
    assert_eq!(
        ids("status:running tool:new tag:a tag:b meta.k:2 score.g=0.5 \"late words\""),
        ["t"]
    );
    for gone in ["span:old", "type:span", "meta.k:1"] {
        assert_eq!(ids(gone), [""; 0], "{gone}");
        assert_eq!(ids(&format!("-{gone}")), ["t"], "-{gone}");
    }
    server.take(&[event(6, "trace.end", &json!({ "status": "error", "name": "after", "duration_ms": 2000, "error": { "type": "E" } }))]);
    assert_eq!(
        ids("status:error name:after duration=2s error:E tag:a tool:new meta.k:2 grader:g"),
        ["t"]
    );
    assert_eq!(ids("name:before"), [""; 0]);
    // One whose process is gone.
    let batch = rollout_tests::wire::batch(&[
        json!({ "event_id": "o1", "event_type": "trace.start", "trace_id": "open", "occurred_at": "2026-01-02T00:00:01Z" }),
    ]);
    let writer = ("rollout-writer", "w1");
    let taken = server.post(&batch, &[(writer.0.to_owned(), writer.1.to_owned())]);
    assert_eq!(taken.status, 200);
    assert_eq!(ids("status:running"), ["open"]);
    assert_eq!(
        server.post_to("/v1/writers:gone", b"", &[writer]).status,
        204
    );
    assert_eq!(ids("status:running"), [""; 0]);
    assert_eq!(ids("status:interrupted"), ["open"]);
}

/// More texts than are packed, and metadata that is too long to be: looked for in the rows.
#[test]
fn a_trace_of_more_names_than_are_kept_in_sight() {
    let server = TestServer::start();
    let long = "x".repeat(3000);
    let mut events = vec![
        json!({ "event_id": "a", "event_type": "trace.start", "trace_id": "t", "name": "many", "attributes": { "long": long, "n": 1.5 } }),
    ];
    events.extend((0..5000).map(|nth| json!({ "event_id": format!("{nth}"), "event_type": "span.end", "trace_id": "t", "span_id": format!("s{nth}"), "name": format!("name {nth}") })));
    server.take(&events);
    let count = |filter: &str| {
        let page = server.get_json(&format!("/api/v1/traces?filter={}", encoded(filter)));
        page["traces"].as_array().unwrap().len()
    };
    for nth in [0, 17, 2047, 2048, 4999] {
        assert_eq!(count(&format!("span:\"name {nth}\"")), 1, "{nth}");
        assert_eq!(count(&format!("-span:\"name {nth}\"")), 0, "{nth}");
    }
    for (filter, expected) in [
        ("span:\"name 5000\"", 0),
        ("-span:\"name 5000\"", 1),
        ("span:name*", 0),
        ("type:span", 1),
        ("meta.n:1.5", 1),
        ("meta.long:y*", 0),
        ("meta.long:xx*", 1),
        ("name:many", 1),
    ] {
        let expected = if filter == "span:name*" { 1 } else { expected };
        assert_eq!(count(filter), expected, "{filter}");
    }
    assert_eq!(count(&format!("meta.long:{long}")), 1);
}
