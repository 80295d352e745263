//! Traces of every kind, and questions about them, made up by a seed.

use fastrand::Rng;
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

/// Names, some of which are made to be confused with patterns, SQL and each other.
const NAMES: [&str; 10] = [
    "support",
    "support agent",
    "Support Desk",
    "plan_trip",
    "planXtrip",
    "100% sure",
    "it's",
    "back\\slash",
    "Überprüfung 🦊",
    "a*b",
];
const USERS: [&str; 5] = ["ada", "bob", "ada@x.example", "ünal", "u_1"];
const STATUSES: [&str; 6] = [
    "ok",
    "error",
    "cancelled",
    "COMPLETED",
    "GRADER_ERROR",
    "odd one",
];
const MODELS: [&str; 4] = ["gpt-4.1", "gpt-4.1-mini", "claude-x", "gpt_4"];
const PROVIDERS: [&str; 2] = ["openai", "anthropic"];
const KINDS: [&str; 5] = ["agent", "llm", "tool", "retrieval", "own kind"];
const TOOLS: [&str; 3] = ["look_up", "look.up", "refund"];
const ERRORS: [&str; 3] = ["Timeout", "my::Error", "panic"];
const TAGS: [&str; 5] = ["vip", "beta", "VIP", "a b", "日本"];
const GRADERS: [&str; 3] = ["exact", "judge", "länge"];
const ENVS: [&str; 2] = ["shop", "maze"];

/// What a batch is sent with.
pub(super) struct Sent {
    pub(super) writer: Option<String>,
    pub(super) events: Vec<Value>,
}

/// What is made up.
pub(super) struct Made {
    pub(super) batches: Vec<Sent>,
    /// Processes that are gone in the end.
    pub(super) gone: Vec<String>,
    pub(super) trace_ids: Vec<String>,
    pub(super) externals: Vec<String>,
    pub(super) runs: Vec<String>,
}

struct Maker {
    rng: Rng,
    number: u64,
}

impl Maker {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.usize(..of.len())]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(..100) < percent
    }

    fn some<'a>(&mut self, percent: u32, of: &[&'a str]) -> Option<&'a str> {
        self.chance(percent).then(|| self.one(of))
    }

    fn event_id(&mut self) -> String {
        self.number += 1;
        format!("evt_{}", self.number)
    }

    /// A number that sums have no trouble with.
    fn cost(&mut self) -> f64 {
        f64::from(self.rng.u32(..256)) / 1024.0
    }

    fn value(&mut self) -> Value {
        match self.rng.u32(..7) {
            0 => json!(self.one(&USERS)),
            1 => json!(self.rng.u32(..4)),
            2 => json!(1.5),
            3 => json!(true),
            4 => json!({ "deep": [1, "zwölf", null] }),
            5 => json!(["x", 2]),
            _ => json!("plain"),
        }
    }

    fn metadata(&mut self) -> Map<String, Value> {
        let mut members = Map::new();
        for name in ["customer", "tier", "größe", "a.b"] {
            if self.chance(40) {
                members.insert(name.to_owned(), self.value());
            }
        }
        members
    }

    fn payload(&mut self) -> Value {
        let text = self.one(&NAMES);
        match self.rng.u32(..3) {
            0 => json!(format!("question about {text}")),
            1 => json!({ "prompt": text, "n": self.rng.u32(..100) }),
            _ => json!([text, null, 1.25]),
        }
    }

    fn usage(&mut self) -> Value {
        let (input, output) = (self.rng.u64(..2000), self.rng.u64(..500));
        match self.rng.u32(..4) {
            0 => json!({ "input_tokens": input, "output_tokens": output, "cost_usd": self.cost() }),
            1 => {
                json!({ "input_tokens": input, "output_tokens": output, "total_tokens": input + output, "cached_tokens": input / 2 })
            }
            2 => {
                json!({ "output_tokens": output, "reasoning_tokens": output / 3, "cost_usd": self.cost() })
            }
            _ => json!({}),
        }
    }
}

fn at(base: Timestamp, us: i64) -> String {
    let at = base.checked_add(us.microseconds()).unwrap();
    format!("{at:.6}")
}

/// Makes up traces.
pub(super) fn traces(seed: u64, count: u64) -> Made {
    let mut maker = Maker {
        rng: Rng::with_seed(seed),
        number: 0,
    };
    let mut made = Made {
        batches: Vec::new(),
        gone: vec!["writer-1".to_owned()],
        trace_ids: Vec::new(),
        externals: Vec::new(),
        runs: (0..4).map(|number| format!("run-{number}")).collect(),
    };
    let epoch: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let mut open: Vec<(Option<String>, Vec<Value>)> = Vec::new();
    for number in 0..count {
        let (writer, mut events) = trace(&mut maker, &mut made, epoch, number);
        // What is not a beginning may come in another order.
        if events.len() > 3 && maker.chance(30) {
            let last = events.len() - 1;
            maker.rng.shuffle(&mut events[1..last]);
        }
        open.push((writer, events));
        // Batches have parts of several traces.
        if open.len() >= 4 {
            flush(&mut maker, &mut made, &mut open, false);
        }
    }
    flush(&mut maker, &mut made, &mut open, true);
    // Some of it comes again.
    for _ in 0..count / 10 {
        let nth = maker.rng.usize(..made.batches.len());
        let again = Sent {
            writer: made.batches[nth].writer.clone(),
            events: made.batches[nth].events.clone(),
        };
        made.batches.push(again);
    }
    made
}

fn flush(
    maker: &mut Maker,
    made: &mut Made,
    open: &mut Vec<(Option<String>, Vec<Value>)>,
    all: bool,
) {
    while open.len() > if all { 0 } else { 2 } {
        let nth = maker.rng.usize(..open.len());
        let writer = open[nth].0.clone();
        let mut events = Vec::new();
        for (other, waiting) in open.iter_mut().filter(|(other, _)| *other == writer) {
            debug_assert_eq!(*other, writer);
            let some = maker.rng.usize(..=waiting.len());
            events.extend(waiting.drain(..some));
        }
        open.retain(|(_, waiting)| !waiting.is_empty());
        if !events.is_empty() {
            made.batches.push(Sent { writer, events });
        }
    }
}

fn trace(
    maker: &mut Maker,
    made: &mut Made,
    epoch: Timestamp,
    number: u64,
) -> (Option<String>, Vec<Value>) {
    let id = if maker.chance(90) {
        format!("{:032x}", u128::from(number) + (7 << 100))
    } else {
        format!("own/id {number}")
    };
    // Some begin at one time.
    let begun = epoch
        .checked_add(i64::from(maker.rng.u32(..40)).hours())
        .unwrap();
    let name = maker.some(90, &NAMES);
    let external = maker.chance(15).then(|| format!("ext-{number}"));
    let writer = match maker.rng.u32(..10) {
        0 => Some("writer-1".to_owned()),
        1 => Some("writer-2".to_owned()),
        _ => None,
    };
    let mut events = Vec::new();
    let mut push = |maker: &mut Maker, kind: &str, us: i64, more: Value| {
        let mut event = json!({
            "event_id": maker.event_id(), "event_type": kind, "trace_id": id, "occurred_at": at(begun, us),
        });
        let fields = event.as_object_mut().unwrap();
        if let Some(external) = &external {
            fields.insert("external_trace_id".to_owned(), json!(external));
        }
        fields.extend(more.as_object().unwrap().clone());
        events.push(event);
    };
    if let Some(external) = &external
        && maker.chance(50)
    {
        // Feedback that is there before its trace.
        push(
            maker,
            "feedback",
            9_000_000,
            json!({ "trace_id": null, "external_trace_id": external, "name": "thumbs", "attributes": { "value": "up" } }),
        );
    }
    let rollout = maker.chance(30);
    let mut attributes = maker.metadata();
    let tags: Vec<&str> = (0..maker.rng.usize(..3))
        .map(|_| maker.one(&TAGS))
        .collect();
    if !tags.is_empty() {
        attributes.insert("tags".to_owned(), json!(tags));
    }
    let mut links = json!({});
    if rollout {
        let run = made.runs[maker.rng.usize(..made.runs.len())].clone();
        for (name, value) in [
            ("phase", json!(maker.one(&["train", "eval"]))),
            ("env_name", json!(maker.one(&ENVS))),
            ("datapoint_id", json!(format!("dp-{}", maker.rng.u32(..6)))),
            ("group_id", json!(format!("g{}", maker.rng.u32(..5)))),
            ("sample_index", json!(maker.rng.u32(..4))),
        ] {
            if maker.chance(85) {
                attributes.insert(format!("rollout.run.{name}"), value);
            }
        }
        if maker.chance(80) {
            attributes.insert(
                "rollout.run.step_number".to_owned(),
                json!(maker.rng.u32(..3)),
            );
        }
        if maker.chance(90) {
            links = json!({ "run_id": run });
        }
    }
    if maker.chance(8) && !made.trace_ids.is_empty() {
        let nth = maker.rng.usize(..made.trace_ids.len());
        attributes.insert(
            "rollout.link.trace_id".to_owned(),
            json!(made.trace_ids[nth]),
        );
        attributes.insert("rollout.link.span_id".to_owned(), json!("00000000000000aa"));
    }
    let mut start = json!({
        "started_at": at(begun, 0), "raw": { "input": maker.payload() }, "attributes": attributes, "links": links,
        "context": {}, "agent": {},
    });
    if let Some(name) = name {
        start["name"] = json!(name);
    }
    for (member, percent, of) in [
        ("user_id", 60, &USERS[..]),
        ("account_id", 20, &["acme", "zeta"]),
        ("session_id", 40, &["s 1", "s-2", "s-3"]),
        ("conversation_id", 30, &["c-1", "c-2"]),
    ] {
        if let Some(text) = maker.some(percent, of) {
            start["context"][member] = json!(text);
        }
    }
    for (member, percent, of) in [
        ("name", 50, &["shop-bot", "planner"][..]),
        ("version", 40, &["1.0", "1.1"]),
        ("environment", 30, &["prod", "staging"]),
    ] {
        if let Some(text) = maker.some(percent, of) {
            start["agent"][member] = json!(text);
        }
    }
    push(maker, "trace.start", 0, start);
    let spans = maker.rng.i64(..7);
    for nth in 0..spans {
        span(maker, &mut push, begun, nth);
    }
    for turn in 0..maker.rng.i64(..3) {
        let mut attributes = json!({ "note": maker.value() });
        if rollout {
            attributes["rollout.turn_index"] = json!(turn);
        }
        let content = maker.payload();
        push(
            maker,
            "message",
            4_000_000 + turn,
            json!({ "message": { "role": "user", "content": content }, "attributes": attributes }),
        );
    }
    for grader in GRADERS {
        if rollout && maker.chance(50) {
            let score = f64::from(maker.rng.u32(..9)) / 8.0;
            let passed = maker.chance(50);
            push(
                maker,
                "eval.result",
                5_000_000,
                json!({ "name": grader, "outcome": { "eval_score": score, "success": passed } }),
            );
        }
    }
    for (kind, percent) in [("feedback", 20), ("user.signal", 10), ("metric", 15)] {
        if maker.chance(percent) {
            let value = maker.value();
            push(
                maker,
                kind,
                6_000_000,
                json!({ "name": "n", "attributes": { "value": value } }),
            );
        }
    }
    if maker.chance(85) {
        let status = maker.one(&STATUSES);
        let took = maker.rng.i64(1..3_000_000);
        let mut end = json!({ "status": status, "ended_at": at(begun, took), "duration_ms": took as f64 / 1e3 });
        if status.to_lowercase().contains("error") {
            end["error"] =
                json!({ "type": maker.one(&ERRORS), "message_preview": "it went wrong" });
        }
        if maker.chance(60) {
            end["raw"] = json!({ "output": maker.payload() });
        }
        push(maker, "trace.end", took, end);
    }
    made.trace_ids.push(id.clone());
    made.externals.extend(external.clone());
    (writer, events)
}

fn span(
    maker: &mut Maker,
    push: &mut impl FnMut(&mut Maker, &str, i64, Value),
    begun: Timestamp,
    nth: i64,
) {
    let id = if maker.chance(80) {
        format!("{:016x}", nth + 1)
    } else {
        format!("span-{nth}")
    };
    let kind = maker.some(85, &KINDS);
    let name = match kind {
        Some("tool") => maker.some(95, &TOOLS),
        _ => maker.some(90, &NAMES),
    };
    let (from, took) = (nth * 1000, maker.rng.i64(1..900_000));
    let mut about = json!({ "span_id": id });
    if let Some(kind) = kind {
        about["span_type"] = json!(kind);
    }
    if let Some(name) = name {
        about["name"] = json!(name);
    }
    if nth > 0 && maker.chance(70) {
        about["parent_span_id"] = json!(format!("{:016x}", maker.rng.i64(1..=nth)));
    }
    if kind == Some("llm") {
        about["model"] = json!({ "model": maker.one(&MODELS), "provider": maker.one(&PROVIDERS) });
    }
    let mut start = about.clone();
    start["started_at"] = json!(at(begun, from));
    start["raw"] = json!({ "input": maker.payload() });
    if maker.chance(70) {
        push(maker, "span.start", from, start);
    }
    if maker.chance(88) {
        let mut end = about;
        end["started_at"] = json!(at(begun, from));
        end["ended_at"] = json!(at(begun, from + took));
        end["duration_ms"] = json!(took as f64 / 1e3);
        end["usage"] = maker.usage();
        end["attributes"] = Value::Object(maker.metadata());
        if maker.chance(15) {
            end["status"] = json!("error");
            end["error"] = json!({ "type": maker.one(&ERRORS), "message_preview": "no luck" });
        }
        if maker.chance(70) {
            end["raw"] = json!({ "output": maker.payload() });
        }
        push(maker, "span.end", from + took, end);
    }
}

/// A filter.
pub(super) fn filter(rng: &mut Rng) -> String {
    let terms = [0, 1, 1, 1, 2, 2, 3][rng.usize(..7)];
    let terms: Vec<String> = (0..terms).map(|_| term(rng)).collect();
    terms.join(" ")
}

fn term(rng: &mut Rng) -> String {
    let negated = if rng.u32(..4) == 0 { "-" } else { "" };
    let term = match rng.u32(..10) {
        0..=5 => condition(rng),
        6 | 7 => comparison(rng),
        8 => {
            let word = ["since", "until"][rng.usize(..2)];
            let day = ["2026-03-01", "2026-03-02", "2026-03-01T12:00:00Z"][rng.usize(..3)];
            format!("{word}:{day}")
        }
        _ => text(rng),
    };
    format!("{negated}{term}")
}

fn condition(rng: &mut Rng) -> String {
    let keys: [(&str, &[&str]); 26] = [
        ("status", &STATUSES),
        ("status", &["running", "interrupted", "pending"]),
        ("name", &NAMES),
        ("user", &USERS),
        ("account", &["acme", "zeta"]),
        ("session", &["s 1", "s-2"]),
        ("conversation", &["c-1"]),
        ("tag", &TAGS),
        ("model", &MODELS),
        ("provider", &PROVIDERS),
        ("tool", &TOOLS),
        ("type", &KINDS),
        ("type", &["span"]),
        ("span", &NAMES),
        ("error", &ERRORS),
        ("agent", &["shop-bot", "planner"]),
        ("version", &["1.0", "1.1"]),
        ("environment", &["prod"]),
        ("run", &["run-0", "run-1", "run-2"]),
        ("phase", &["train", "eval", "prod"]),
        ("step", &["0", "1", "2"]),
        ("datapoint", &["dp-0", "dp-1"]),
        ("env", &ENVS),
        ("grader", &GRADERS),
        (
            "meta.customer",
            &["ada", "plain", "true", "1", "1.5", "[\"x\",2]"],
        ),
        ("meta.größe", &["plain", "ünal", "false"]),
    ];
    let (key, values) = keys[rng.usize(..keys.len())];
    let count = [1, 1, 1, 2][rng.usize(..4)];
    let values: Vec<String> = (0..count)
        .map(|_| {
            let value = values[rng.usize(..values.len())];
            let plain = !value.contains(|c: char| c.is_whitespace() || "\",*".contains(c));
            // A star is only one outside of quotes.
            if plain && rng.u32(..4) == 0 {
                let head: String = value.chars().take(rng.usize(1..4)).collect();
                return format!("{head}*");
            }
            if plain && rng.u32(..8) == 0 {
                return format!("*{}", value.chars().next_back().unwrap());
            }
            if value.contains('"') {
                return "plain".to_owned();
            }
            format!("\"{value}\"")
        })
        .collect();
    format!("{key}:{}", values.join(","))
}

fn comparison(rng: &mut Rng) -> String {
    let sign = ["<", "<=", "=", ">=", ">"][rng.usize(..5)];
    let (measure, number) = [
        ("duration", "500ms"),
        ("duration", "1.5s"),
        ("cost", "0.1"),
        ("tokens", "1k"),
        ("tokens", "0"),
        ("input", "700"),
        ("output", "200"),
        ("spans", "3"),
        ("spans", "0"),
        ("errors", "0"),
        ("errors", "1"),
        ("turns", "1"),
        ("score", "0.5"),
        ("score.exact", "0.25"),
        ("score.länge", "1"),
    ][rng.usize(..15)];
    format!("{measure}{sign}{number}")
}

fn text(rng: &mut Rng) -> String {
    let words = [
        "desk",
        "SUPPORT",
        "\"100% s\"",
        "_trip",
        "it's",
        "prüf",
        "nowhere",
        "h\\s",
    ];
    words[rng.usize(..words.len())].to_owned()
}

/// The beginning of a word of a filter, to be completed.
pub(super) fn beginning(rng: &mut Rng) -> String {
    let words = [
        "status:",
        "name:s",
        "user:",
        "tag:",
        "model:g",
        "provider:",
        "tool:",
        "type:",
        "span:",
        "error:",
        "agent:",
        "version:",
        "environment:",
        "run:r",
        "phase:",
        "step:",
        "datapoint:",
        "env:",
        "grader:",
        "meta.customer:",
        "meta.tier:p",
        "session:",
        "conversation:",
        "account:",
    ];
    words[rng.usize(..words.len())].to_owned()
}
