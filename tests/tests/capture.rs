//! What becomes of values on their way out of the program: bounds, redaction, failures.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use rollout::event::{EventType, Message};
use rollout::testing::capture;
use rollout::{Builder, Client, DropReason, MemoryExporter, Secret, task, tool};
use rollout_tests::events::{flushed, in_memory, of_type, the};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// A client, and what it records of single values.
struct Recorder {
    client: Client,
    memory: MemoryExporter,
}

impl Recorder {
    fn new(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let (client, memory) = in_memory(configure);
        Self { client, memory }
    }

    /// The event that a value was recorded with.
    fn event<T: Serialize + ?Sized>(&self, value: &T) -> Value {
        self.memory.clear();
        let span = self.client.span("task").start();
        span.record_input(value);
        drop(span);
        let mut events = flushed(&self.client, &self.memory);
        events.retain(|event| event["event_type"] == "span.update");
        assert_eq!(events.len(), 1);
        events.remove(0)
    }

    /// What was recorded of a value.
    fn value<T: Serialize + ?Sized>(&self, value: &T) -> Value {
        self.event(value)["raw"]["input"].take()
    }
}

fn recorded<T: Serialize + ?Sized>(value: &T) -> Value {
    Recorder::new(|builder| builder).value(value)
}

const BOUND: usize = 1024;

fn bounded() -> Recorder {
    Recorder::new(|builder| builder.max_value_bytes(BOUND as u64))
}

/// How many more there were, of a mark such as `… [cut: 12 more items]`.
fn more(mark: &Value) -> usize {
    let text = mark.as_str().expect("a mark is text");
    let (_, rest) = text.split_once("[cut: ").expect("a mark says `cut`");
    let number = rest.trim_start_matches("at least ");
    let (number, _) = number.split_once(' ').expect("a number");
    number.parse().expect("a number")
}

#[test]
fn what_fits_is_recorded_as_it_is() {
    let value = json!({ "text": "hello", "list": [1, -2, 3.5, null, true], "empty": {} });
    let event = bounded().event(&value);
    assert_eq!(event["raw"]["input"], value);
    assert_eq!(event["attributes"].get("rollout.truncated"), None);
}

#[test]
fn a_long_text_keeps_its_head() {
    let recorder = bounded();
    for piece in ["a", "ä", "語", "\u{1f980}"] {
        let text = piece.repeat(10_000);
        let event = recorder.event(&text);
        let kept = event["raw"]["input"].as_str().expect("a text");
        let (head, mark) = kept.split_once('…').expect("a mark");
        assert!(head.len() > BOUND / 4, "{}", head.len());
        assert!(text.starts_with(head));
        assert_eq!(mark, format!(" [cut: {} bytes in all]", text.len()));
        assert!(kept.len() <= BOUND + 64);
        let there_were = event["attributes"]["rollout.truncated"]["input"]
            .as_u64()
            .expect("it says how much there was");
        assert!(there_were >= text.len() as u64);
    }
}

#[test]
fn a_long_list_keeps_its_head_and_says_how_much_is_missing() {
    let recorder = bounded();
    let event = recorder.event(&(0..600).collect::<Vec<u32>>());
    let mut kept = event["raw"]["input"].as_array().expect("a list").clone();
    let mark = kept.pop().expect("a mark");
    assert!(kept.len() > 50, "{}", kept.len());
    assert!(
        kept.iter()
            .enumerate()
            .all(|(index, item)| *item == json!(index))
    );
    assert_eq!(kept.len() + more(&mark), 600);
    assert!(event["attributes"]["rollout.truncated"]["input"].is_u64());
}

#[test]
fn a_list_without_end_in_sight_is_left_and_says_so() {
    let event = bounded().event(&(0..1_000_000).collect::<Vec<u32>>());
    let kept = event["raw"]["input"].as_array().expect("a list");
    let (mark, kept) = kept.split_last().expect("a mark");
    assert!(kept.len() > 50);
    assert!(more(mark) > 100);
    assert!(
        mark.as_str().is_some_and(|mark| mark.contains("at least")),
        "nobody counted them all: {mark}"
    );
}

#[test]
fn a_large_map_keeps_its_head_and_says_how_much_is_missing() {
    let map: BTreeMap<String, u32> = (0..600).map(|n| (format!("field {n:03}"), n)).collect();
    let event = bounded().event(&map);
    let kept = event["raw"]["input"].as_object().expect("a map");
    let mark = kept.get("…").expect("a mark");
    assert!(kept.len() > 30);
    assert_eq!(kept.len() - 1 + more(mark), 600);
    assert_eq!(kept["field 000"], 0);
}

#[test]
fn what_stands_behind_something_long_is_seen() {
    let value = json!({
        "first": "short",
        "long": "x".repeat(100_000),
        "rows": [{ "cell": "y".repeat(100_000) }, { "cell": "short" }],
        "the last": "short",
    });
    let kept = Recorder::new(|builder| builder.max_value_bytes(4096)).value(&value);
    assert_eq!(kept["first"], "short");
    assert_eq!(kept["the last"], "short");
    assert_eq!(kept["rows"][1]["cell"], "short");
    assert!(
        kept["rows"][0]["cell"]
            .as_str()
            .is_some_and(|cell| cell.starts_with("yyy") && cell.contains("[cut: 100000 bytes"))
    );
}

#[task]
fn takes_three(first: Vec<Vec<Vec<u32>>>, second: String, third: u32) -> u32 {
    u32::try_from(first.len() + second.len()).unwrap_or(0) + third
}

#[test]
fn arguments_behind_a_huge_one_are_seen() {
    let (client, memory) = in_memory(|builder| builder.max_value_bytes(BOUND as u64));
    client.trace("trace").in_scope(|_| {
        takes_three(vec![vec![vec![70_000; 100]; 100]; 100], "second".into(), 3);
    });
    let events = flushed(&client, &memory);
    let input = &the(&events, "span.start", "takes_three")["raw"]["input"];
    assert!(input["first"].is_array(), "{input}");
    assert_eq!(input["second"], "second");
    assert_eq!(input["third"], 3);
}

#[test]
fn what_is_cut_is_counted() {
    let recorder = bounded();
    recorder.value(&"x".repeat(BOUND * 2));
    recorder.value("short");
    assert_eq!(recorder.client.stats().dropped(DropReason::ValueCut), 1);
    assert_eq!(recorder.client.stats().events_lost(), 0);
}

#[test]
fn values_under_sensitive_names_are_not_recorded() {
    let sensitive = [
        "password",
        "PASSWORD",
        "userPassword",
        "user-password",
        "Passwd",
        "api_key",
        "apiKey",
        "APIKey",
        "API-KEY",
        "x-api-key",
        "openai.api.key",
        "Authorization",
        "proxy_authorization",
        "token",
        "accessToken",
        "refresh_token",
        "clientSecret",
        "secret",
        "AWS_SECRET_ACCESS_KEY",
        "Cookie",
        "set-cookie",
        "privateKey",
        "credentials",
    ];
    let plain = [
        "max_tokens",
        "maxTokens",
        "token_count",
        "tokenCount",
        "input_tokens",
        "tokenizer",
        "secretary",
        "author",
        "passage",
        "keyboard",
        "key",
        "monkey",
        "cookiecutter",
    ];
    let recorder = Recorder::new(|builder| builder);
    let map: BTreeMap<&str, Value> = sensitive
        .iter()
        .chain(&plain)
        .map(|name| (*name, json!({ "inside": ["visible", 7] })))
        .collect();
    let kept = recorder.value(&map);
    for name in sensitive {
        assert_eq!(kept[name], "[redacted]", "{name}");
    }
    for name in plain {
        assert_eq!(kept[name]["inside"][0], "visible", "{name}");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    user_name: &'static str,
    api_key: &'static str,
    nested: Vec<Shape>,
}

#[derive(Serialize)]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, &'static str),
    Struct { side: f64, password: &'static str },
    Deep(u8, Vec<Shape>),
}

#[task]
fn log_in(password: &str, max_tokens: u32, login: &Login) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("session_token".to_owned(), password.to_owned()),
        ("user".to_owned(), login.user_name.to_owned()),
        ("max_tokens".to_owned(), max_tokens.to_string()),
    ])
}

#[test]
fn no_event_holds_a_redacted_value() {
    const SECRET: &str = "do not tell";
    let (client, memory) = in_memory(|builder| builder.redact_key("internal_note"));
    let login = Login {
        user_name: "ann",
        api_key: SECRET,
        nested: vec![
            Shape::Unit,
            Shape::Newtype(1),
            Shape::Tuple(2, "two"),
            Shape::Struct {
                side: 3.0,
                password: SECRET,
            },
        ],
    };
    client
        .trace("trace")
        .metadata("internalNote", SECRET)
        .attribute("INTERNAL-NOTE", SECRET)
        .in_scope(|trace| {
            log_in(SECRET, 5, &login);
            trace
                .tool("tool")
                .arguments(json!({ "cookie": SECRET }))
                .in_scope(|call| call.record_output(&json!({ "secret": [SECRET] })));
            trace.identify_user("u", &json!({ "token": SECRET }));
            trace.feedback("score", &json!({ "auth": SECRET, "n": 1 }));
            trace.message(
                Message::json("user", &json!([{ "text": "hi", "api_key": SECRET }]))
                    .expect("it can be serialized"),
            );
            client.capture_event(
                EventType::Metric,
                &json!({ "attributes": { "password": SECRET } }),
            );
        });
    let events = flushed(&client, &memory);
    assert!(!Value::from(events.clone()).to_string().contains(SECRET));
    let input = &the(&events, "span.start", "log_in")["raw"]["input"];
    assert_eq!(
        *input,
        json!({
            "password": "[redacted]",
            "max_tokens": 5,
            "login": {
                "userName": "ann",
                "apiKey": "[redacted]",
                "nested": [
                    "Unit",
                    { "Newtype": 1 },
                    { "Tuple": [2, "two"] },
                    { "Struct": { "side": 3.0, "password": "[redacted]" } },
                ],
            },
        })
    );
    assert_eq!(
        the(&events, "span.end", "log_in")["raw"]["output"]["max_tokens"],
        "5"
    );
}

/// What looks like a key, assembled here so that no scanner takes it for one.
fn keys() -> Vec<String> {
    let tail = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6";
    vec![
        format!("sk-{tail}"),
        format!("sk-proj-{tail}"),
        format!("Bearer {tail}"),
        format!("AKIA{}", &tail.to_uppercase()[..16]),
        format!("ghp_{tail}"),
        format!("github_pat_{tail}"),
        format!("eyJ{tail}.{tail}.{tail}"),
        format!("xoxb-{tail}"),
    ]
}

#[test]
fn values_that_look_like_keys_are_masked_wherever_they_stand() {
    for key in keys() {
        let (client, memory) = in_memory(|builder| builder);
        let text = format!("use {key} for it");
        client
            .trace(text.clone())
            .user_id(text.clone())
            .tag(text.clone())
            .metadata("note", &text)
            .attribute("note", &text)
            .input(&text)
            .in_scope(|trace| {
                trace.message(Message::user(&text));
                trace.feedback(&text, &text);
                trace.signal("signal", &[&text]);
                trace.identify_user(&text, &json!({ "note": text }));
                let _ = trace
                    .tool(text.clone())
                    .tool_call_id(text.clone())
                    .arguments([&text])
                    .in_scope(|_| Err::<(), _>(text.clone()));
                let llm = trace.llm("llm").model(text.clone()).stream(true).start();
                llm.record_chunk(&text[..9]);
                llm.record_chunk(&text[9..]);
                llm.end();
                client.capture_event(
                    EventType::Metric,
                    &json!({ "name": text, "attributes": { "note": text } }),
                );
                trace.end_with(rollout::TraceEnd {
                    status: Some(text.clone()),
                    error: Some(text.clone()),
                    output: Some(json!(text)),
                });
            });
        let all = Value::from(flushed(&client, &memory)).to_string();
        assert!(!all.contains(&key), "{all}");
        assert!(all.contains("use [redacted] for it"));
    }
}

#[test]
fn the_preview_of_a_stream_shows_no_half_of_a_key() {
    let key = keys().remove(0);
    let (client, memory) = in_memory(|builder| builder);
    // The last 4096 bytes begin in the middle of the key.
    let tail = "y".repeat(4096 - key.len() / 2 - 1);
    let llm = client.llm("llm").stream(true).start();
    for text in ["x".repeat(20_000), format!(" {key} "), tail.clone()] {
        llm.record_chunk(&text);
    }
    llm.end();
    let events = flushed(&client, &memory);
    let end = the(&events, "llm.stream_end", "llm");
    assert!(!end.to_string().contains(&key[key.len() / 2 + 2..]));
    let preview = end["raw"]["stream_preview"].as_str().expect("a preview");
    assert!(preview.len() <= 4096 && preview.ends_with(&tail));
}

#[test]
fn what_merely_begins_like_a_key_stays() {
    for text in [
        "task-force and risk-taking",
        "sk-short",
        "Bearer of news",
        "the word Bearer",
        "eyJust a moment",
    ] {
        assert_eq!(recorded(text), text);
    }
    let recorder = Recorder::new(|builder| builder.redact_values(false));
    for key in keys() {
        assert_eq!(recorder.value(&key), key);
    }
}

#[test]
fn the_users_mask_comes_last() {
    let key = keys().remove(0);
    let recorder = Recorder::new(|builder| {
        builder.mask(|value| {
            if let Value::String(text) = value {
                *text = text.replace("[redacted]", "[masked]").to_uppercase();
            }
        })
    });
    assert_eq!(
        recorder.value(&format!("key {key} end")),
        "KEY [MASKED] END"
    );
    assert_eq!(recorder.value(&7), 7);
}

#[test]
fn a_mask_that_panics_withholds_the_value() {
    let recorder =
        Recorder::new(|builder| builder.mask(|value| assert!(!value.is_string(), "on purpose")));
    let withheld = recorder.value("nobody's business");
    assert!(
        withheld
            .as_str()
            .is_some_and(|text| text.contains("withheld")),
        "{withheld}"
    );
    assert_eq!(recorder.value(&7), 7, "the next value is masked again");
}

/// Does on serialization what it is told.
enum Unwilling {
    Fails,
    Panics,
    PanicsInside,
}

impl Serialize for Unwilling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fails => Err(serde::ser::Error::custom("it will not")),
            Self::Panics => panic!("on purpose"),
            Self::PanicsInside => vec![Some(Self::Panics)].serialize(serializer),
        }
    }
}

impl fmt::Debug for Unwilling {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

impl fmt::Display for Unwilling {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

#[task]
fn takes_unwilling(before: u32, unwilling: &Unwilling, after: u32) -> Result<u32, Unwilling> {
    match unwilling {
        Unwilling::Fails => Ok(before + after),
        _ => Err(Unwilling::Panics),
    }
}

#[task(debug(unwilling))]
fn takes_unwilling_by_debug(before: u32, unwilling: &Unwilling, after: u32) -> u32 {
    let _ = unwilling;
    before + after
}

fn is_marker(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.starts_with("[not recorded"))
}

#[test]
fn a_value_that_cannot_be_recorded_costs_itself_alone() {
    for unwilling in [Unwilling::Fails, Unwilling::Panics, Unwilling::PanicsInside] {
        let ((), captured) = capture(|| {
            let _ = takes_unwilling(1, &unwilling, 2);
            takes_unwilling_by_debug(1, &unwilling, 2);
        });
        for name in ["takes_unwilling", "takes_unwilling_by_debug"] {
            let span = captured.span(name).expect("it was called");
            let input = span.input.as_ref().expect("arguments");
            assert_eq!(input["before"], 1);
            assert_eq!(input["after"], 2);
            assert!(is_marker(&input["unwilling"]), "{input}");
        }
    }
}

#[test]
fn a_value_that_panics_harms_nobody_whichever_way_it_is_recorded() {
    for unwilling in [Unwilling::Fails, Unwilling::Panics] {
        let (client, memory) = in_memory(|builder| builder);
        let value = &unwilling;
        rollout::attributes().metadata("m", value).in_scope(|| {
            client
                .trace("trace")
                .input(value)
                .metadata("m", value)
                .attribute("a", value)
                .in_scope(|trace| {
                    trace.metadata("m", value);
                    trace.feedback("f", value);
                    trace.signal("s", value);
                    trace.identify_user("u", value);
                    client.capture_event(EventType::Metric, value);
                    trace
                        .span("task")
                        .input(value)
                        .attribute("a", value)
                        .in_scope(|span| {
                            span.record_input(value);
                            span.record_output(value);
                            span.attribute("a", value);
                            span.update(
                                rollout::SpanUpdate::new()
                                    .input(value)
                                    .output(value)
                                    .attribute("a", value)
                                    .metadata("m", value),
                            );
                        });
                    trace.update(rollout::TraceUpdate::new().metadata("m", value));
                    trace.record_output(value);
                    trace.tool("tool").arguments(value).in_scope(|_| ());
                });
        });
        let events = flushed(&client, &memory);
        let start = the(&events, "trace.start", "trace");
        assert!(is_marker(&start["raw"]["input"]), "{start}");
        assert!(is_marker(&start["attributes"]["a"]), "{start}");
        assert!(is_marker(&start["attributes"]["rollout.metadata"]["m"]));
        let end = the(&events, "trace.end", "trace");
        assert!(is_marker(&end["raw"]["output"]), "{end}");
        let call = the(&events, "tool.call", "tool");
        assert!(is_marker(&call["raw"]["arguments"]), "{call}");
    }
}

#[derive(Debug)]
struct NotSerializable {
    #[expect(dead_code, reason = "its Debug form shows it")]
    number: u32,
}

#[tool(debug(value, return))]
fn by_debug(value: NotSerializable) -> Option<NotSerializable> {
    Some(value)
}

#[test]
fn what_is_not_serializable_is_recorded_by_its_debug_form() {
    let (_, captured) = capture(|| by_debug(NotSerializable { number: 7 }));
    let span = captured.span("by_debug").expect("it was called");
    assert_eq!(
        span.input,
        Some(json!({ "value": "NotSerializable { number: 7 }" }))
    );
    assert_eq!(
        span.output,
        Some(json!("Some(NotSerializable { number: 7 })"))
    );
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[test]
fn binary_data_is_kept_as_length_type_and_hash() {
    let recorder = bounded();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.resize(50_000, 7);
    let by_bytes = recorder.value(&Bytes(&png));
    assert_eq!(by_bytes["rollout.binary"]["bytes"], 50_000);
    assert_eq!(by_bytes["rollout.binary"]["media_type"], "image/png");
    assert_eq!(
        recorder.value(&png),
        by_bytes,
        "a list of bytes is no other"
    );
    png.push(1);
    assert_ne!(
        recorder.value(&png)["rollout.binary"]["hash"],
        by_bytes["rollout.binary"]["hash"]
    );
    let unknown = recorder.value(&Bytes(b"anything"));
    assert_eq!(unknown["rollout.binary"]["bytes"], 8);
    assert_eq!(unknown["rollout.binary"].get("media_type"), None);
    assert_eq!(recorder.value(&[1_u8, 2, 3]), json!([1, 2, 3]));
    let in_a_row = json!({ "before": 1, "after": 2 });
    let mixed = recorder.value(&(in_a_row.clone(), &png, in_a_row.clone()));
    assert_eq!(mixed[0], in_a_row);
    assert_eq!(mixed[1]["rollout.binary"]["bytes"], 50_001);
    assert_eq!(mixed[2], in_a_row);
}

#[test]
fn a_data_url_over_the_bound_is_binary_too() {
    let recorder = bounded();
    let short = "data:image/png;base64,iVBORw0KGgo=";
    assert_eq!(recorder.value(short), short);
    let long = format!("data:image/jpeg;base64,{}", "A".repeat(10_000));
    let kept = recorder.value(&json!({ "image_url": { "url": long } }));
    let url = &kept["image_url"]["url"]["rollout.binary"];
    assert_eq!(url["media_type"], "image/jpeg");
    assert_eq!(url["bytes"], long.len());
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    First,
    Second,
}

#[test]
fn keys_of_maps_become_text() {
    assert_eq!(
        recorded(&BTreeMap::from([(1_u64, "a"), (u64::MAX, "b")])),
        json!({ "1": "a", "18446744073709551615": "b" })
    );
    assert_eq!(
        recorded(&BTreeMap::from([(true, 1), (false, 0)])),
        json!({ "true": 1, "false": 0 })
    );
    assert_eq!(recorded(&BTreeMap::from([('x', 1)])), json!({ "x": 1 }));
    assert_eq!(
        recorded(&BTreeMap::from([(Key::First, 1), (Key::Second, 2)])),
        json!({ "First": 1, "Second": 2 })
    );
    assert_eq!(recorded(&BTreeMap::from([(-5, 1)])), json!({ "-5": 1 }));
    assert!(is_marker(&recorded(&BTreeMap::from([((1, 2), 3)]))));
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(Option<u8>);

#[derive(Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    Circle { radius: u8 },
}

#[test]
fn every_shape_of_type_looks_as_serde_json_writes_it() {
    let shapes = (
        (),
        Unit,
        Newtype(Some(1)),
        Newtype(None),
        Tagged::Circle { radius: 2 },
        Some(Key::First),
        'c',
        (1, "two", [3.5]),
        Shape::Tuple(1, "x"),
        Ok::<u8, String>(1),
    );
    let expected = serde_json::to_value(&shapes).expect("it can be serialized");
    assert_eq!(recorded(&shapes), expected);
}

#[test]
fn a_deep_value_is_closed_and_says_so() {
    let mut list = json!("the bottom");
    let mut map = json!("the bottom");
    for _ in 0..500 {
        list = json!([list]);
        map = json!({ "inside": map });
    }
    let recorder = Recorder::new(|builder| builder);
    for value in [list, map] {
        // That it comes back at all says that it is no deeper than readers go.
        let event = recorder.event(&value);
        assert!(event["raw"]["input"].is_array() || event["raw"]["input"].is_object());
        assert!(event["attributes"]["rollout.truncated"]["input"].is_u64());
    }
    let value = json!([[[["not deep"]]]]);
    assert_eq!(recorder.value(&value), value);
    let mut deep = vec![Shape::Struct {
        side: 1.0,
        password: "p",
    }];
    for _ in 0..120 {
        deep = vec![Shape::Deep(1, deep)];
    }
    let kept = recorder.value(&(deep, "after"));
    assert_eq!(kept[1], "after", "what stands behind it is seen");
    assert!(kept.to_string().contains("too deep"));
}

#[test]
fn numbers_keep_their_value() {
    let recorder = Recorder::new(|builder| builder);
    assert_eq!(recorder.value(&u64::MAX), u64::MAX);
    assert_eq!(recorder.value(&i64::MIN), i64::MIN);
    assert_eq!(recorder.value(&0.1_f32).to_string(), "0.1");
    assert_eq!(recorder.value(&0.1_f64).to_string(), "0.1");
    assert_eq!(recorder.value(&1.0_f64).to_string(), "1.0");
    assert_eq!(recorder.value(&-0.0_f64).to_string(), "-0.0");
    assert_eq!(recorder.value(&f64::MIN_POSITIVE), f64::MIN_POSITIVE);
    assert_eq!(recorder.value(&f64::MAX), f64::MAX);
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(recorder.value(&number), Value::Null);
    }
    assert_eq!(recorder.value(&[f32::NAN]), json!([null]));
}

#[test]
fn integers_of_128_bits_are_written_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let client = rollout_tests::events::builder()
        .dir(dir.path())
        .build()
        .expect("a client");
    let span = client.span("task").start();
    span.record_input(&(u128::MAX, i128::MIN));
    drop(span);
    drop(client);
    let text = rollout_tests::events::spooled_text(dir.path());
    assert!(text.contains(&format!("\"input\":[{},{}]", u128::MAX, i128::MIN)));
}

#[test]
fn a_secret_is_one_everywhere() {
    #[derive(Serialize)]
    struct Config {
        name: &'static str,
        phrase: Secret<String>,
    }
    let config = Config {
        name: "n",
        phrase: Secret::new("tell nobody".to_owned()),
    };
    assert_eq!(config.phrase.len(), 11, "in the program it is what it was");
    assert_eq!(
        recorded(&config),
        json!({ "name": "n", "phrase": "[redacted]" })
    );
    assert_eq!(format!("{:?}", config.phrase), "[redacted]");
}

#[test]
fn the_vetoes_of_the_configuration_hold_everywhere() {
    let (client, memory) = in_memory(|builder| builder.capture_input(false).capture_output(false));
    client.trace("trace").input("in").in_scope(|trace| {
        takes_three(Vec::new(), "second".into(), 3);
        trace.span("task").input("in").in_scope(|span| {
            span.record_input("in");
            span.record_output("out");
            span.update(rollout::SpanUpdate::new().input("in").output("out"));
        });
        trace
            .tool("tool")
            .arguments("in")
            .in_scope(|call| call.record_output("out"));
        let llm = trace.llm("llm").stream(true).start();
        llm.record_chunk("out");
        llm.end();
        trace.record_output("out");
    });
    let events = flushed(&client, &memory);
    assert_eq!(of_type(&events, "tool.call").len(), 1);
    for event in &events {
        assert_eq!(event.get("raw"), None, "{event}");
    }
}

/// What is recorded inside a capture passes untraced, and the program goes on.
#[test]
fn a_serialize_that_is_annotated_itself_does_no_harm() {
    struct Nosy(Arc<Client>);

    impl Serialize for Nosy {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.span("task").name("inside").in_scope(|_| ());
            let sum = takes_three(Vec::new(), String::new(), 3);
            serializer.serialize_u32(sum)
        }
    }

    let recorder = Recorder::new(|builder| builder);
    let nosy = Nosy(Arc::new(recorder.client.clone()));
    assert_eq!(recorder.value(&nosy), 3);
}

fn json_value(depth: u32, size: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, size, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            // No word that begins with an x is sensitive.
            prop::collection::btree_map("x[a-zäß語\"\\\\]{0,8}", inner, 0..12)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_within_the_bound_is_recorded_as_it_is(
        values in prop::collection::vec(json_value(6, 64), 1..8)
    ) {
        let recorder = Recorder::new(|builder| builder.max_value_bytes(4 << 20));
        for value in values {
            // A number reads back as serde_json reads it.
            let expected: Value =
                serde_json::from_str(&value.to_string()).expect("it is JSON");
            prop_assert_eq!(recorder.value(&value), expected);
        }
    }

    #[test]
    fn any_value_over_the_bound_is_json_of_bounded_size(
        values in prop::collection::vec(json_value(8, 512), 1..8),
        long in ".{2000,4000}",
    ) {
        let recorder = Recorder::new(|builder| builder.max_value_bytes(256));
        for value in values {
            let event = recorder.event(&json!([value, long, value]));
            // A control character takes six bytes as JSON; marks and closing brackets come on top.
            let size = event["raw"]["input"].to_string().len();
            prop_assert!(size < 256 * 6 + 4096, "{}", size);
            prop_assert!(event["attributes"]["rollout.truncated"]["input"].is_u64());
        }
    }
}

/// Prints itself for ever.
struct Endless;

impl std::fmt::Display for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        loop {
            f.write_str("and so on, ")?;
        }
    }
}

impl Serialize for Endless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Fails, and never stops to say why.
struct Complaining;

impl Serialize for Complaining {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(Endless))
    }
}

#[derive(Serialize)]
struct Endlessly {
    before: u32,
    text: Endless,
    after: u32,
}

#[test]
fn texts_without_an_end_are_cut() {
    let value = Endlessly {
        before: 1,
        text: Endless,
        after: 2,
    };
    let event = bounded().event(&value);
    let input = &event["raw"]["input"];
    assert_eq!(
        (&input["before"], &input["after"]),
        (&json!(1), &json!(2)),
        "{input}"
    );
    assert!(
        input["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("and so on"))
    );
    let event = bounded().event(&Complaining);
    assert!(event["raw"]["input"].to_string().len() < 2000);
}

/// Bytes without end.
struct Zeros;

impl Serialize for Zeros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(std::iter::repeat(0_u8))
    }
}

#[test]
fn bytes_without_end_are_cut() {
    let recorder = bounded();
    let counted = recorder.value(&Zeros)["rollout.binary"]["bytes"].as_u64();
    assert!(counted > Some(1 << 20), "{counted:?}");
}
