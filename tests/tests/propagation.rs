//! Traces that go on in another process: what is read from callers and written for those who are called.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::{BTreeMap, HashMap};

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use rollout::{Client, SpanContext, SpanId, TraceId, attributes, extract, inject};
use rollout_tests::events::{flushed, in_memory, of_type, text, the};
use serde_json::{Value, json};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

const ALL: [&str; 4] = ["user_id", "session_id", "conversation_id", "tags"];

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// What a program that is called sends on, below a span `called` of a caller that has sent these.
fn sent_on(client: &Client, received: &HeaderMap) -> HeaderMap {
    let caller = extract(received);
    let mut sent = HeaderMap::new();
    let called = client.span("task").name("called").parent(caller);
    called.in_scope(|_| inject(&mut sent));
    sent
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[test]
fn a_traceparent_is_read_by_the_rules_of_the_standard() {
    let good = [
        PARENT,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
        // Later versions may have more to say.
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
    ];
    for text in good {
        let context: SpanContext = text.parse().expect(text);
        assert_eq!(context.trace_id().to_string(), TRACE, "{text}");
        assert_eq!(context.span_id().to_string(), SPAN, "{text}");
        assert_eq!(context.is_sampled(), !text.ends_with("-00"), "{text}");
        assert!(context.is_remote());
    }
    let bad = [
        "",
        "00",
        "00-",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        "0A-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47360-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ];
    for text in bad {
        assert!(text.parse::<SpanContext>().is_err(), "{text}");
    }
    // Of a header, blanks around the value are no part, and there may be one only.
    let blanks = headers(&[("traceparent", &format!(" \t{PARENT} "))]);
    assert_eq!(extract(&blanks).unwrap().to_string(), PARENT);
    let twice = headers(&[("traceparent", PARENT), ("traceparent", PARENT)]);
    assert_eq!(extract(&twice), None);
    let mut no_text = HeaderMap::new();
    no_text.insert("traceparent", HeaderValue::from_bytes(b"00-\xff").unwrap());
    assert_eq!(extract(&no_text), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(trace in 1u128.., span in 1u64.., sampled: bool) {
        let (trace, span) = (TraceId::from_u128(trace).unwrap(), SpanId::from_u64(span).unwrap());
        let context = SpanContext::new(trace, span, sampled);
        let read: SpanContext = context.to_string().parse().unwrap();
        prop_assert_eq!((read.trace_id(), read.span_id(), read.is_sampled()), (trace, span, sampled));
        prop_assert_eq!(read.to_string(), context.to_string());
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".*") {
        if let Ok(context) = text.parse::<SpanContext>() {
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }
    }

    #[test]
    fn a_text_that_is_nearly_right_is_right_or_begins_a_trace_anew(
        text in "(00|cc|ff)[-_][0-9a-fA-F]{31,33}-[0-9a-f]{15,17}-0[0-3](-.{0,3})?"
    ) {
        if let Ok(context) = text.parse::<SpanContext>() {
            prop_assert!(text.contains(&context.trace_id().to_string()));
            prop_assert!(text.contains(&context.span_id().to_string()));
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }
    }
}

#[test]
fn what_is_opened_below_a_caller_is_part_of_its_trace() {
    let (client, memory) = in_memory(|builder| builder);
    let received = headers(&[("traceparent", PARENT)]);
    let caller = extract(&received).expect("a caller");
    client
        .trace("handler")
        .parent(&caller)
        .user_id("alice")
        .in_scope(|trace| {
            assert_eq!(trace.id().unwrap().to_string(), TRACE);
            client.span("task").name("inside").in_scope(|_| ());
        });
    client.tool("called").parent(PARENT).in_scope(|_| ());
    client
        .span("task")
        .name("job")
        .parent(Some(PARENT.to_owned()))
        .in_scope(|_| ());
    let events = flushed(&client, &memory);
    assert!(
        events.iter().all(|event| event["trace_id"] == TRACE),
        "{events:#?}"
    );
    assert_eq!(
        of_type(&events, "trace.start").len(),
        0,
        "it began elsewhere"
    );
    assert_eq!(of_type(&events, "trace.end").len(), 0, "and ends there");
    let handler = the(&events, "span.start", "handler");
    for start in [
        handler,
        the(&events, "span.start", "job"),
        the(&events, "tool.call", "called"),
    ] {
        assert_eq!(start["parent_span_id"], SPAN);
        assert_eq!(start["attributes"]["rollout.parent.remote"], true);
        assert_eq!(
            start["attributes"]["vcs.repository.url.full"],
            "https://example.test/repository"
        );
    }
    let inside = the(&events, "span.start", "inside");
    assert_eq!(inside["parent_span_id"], handler["span_id"]);
    assert_eq!(inside["attributes"].get("rollout.parent.remote"), None);
    assert_eq!(inside["context"]["user_id"], "alice", "as of a trace");
    let end = the(&events, "span.end", "handler");
    assert_eq!(end["status"], "ok");
    assert_eq!(end["span_id"], handler["span_id"]);
}

#[test]
fn maps_carry_it_as_headers_do() {
    let (client, _memory) = in_memory(|builder| builder);
    let mut message = json!({ "Traceparent": PARENT, "TRACESTATE": "a=1", "other": 7 });
    let message = message.as_object_mut().unwrap();
    let caller = extract(message).expect("names are read in any case");
    assert_eq!(
        (caller.to_string(), caller.tracestate()),
        (PARENT.into(), "a=1")
    );
    client.trace("called").parent(&caller).in_scope(|trace| {
        inject(message);
        let here = trace.traceparent().unwrap();
        let expected = json!({ "traceparent": here, "tracestate": "a=1", "other": 7 });
        assert_eq!(Value::Object(message.clone()), expected);
    });
    caller.with_tracestate("").inject(message);
    assert_eq!(message["traceparent"], PARENT);
    assert_eq!(message.get("tracestate"), None);
    assert_eq!(
        extract(&BTreeMap::from([(
            "traceparent".to_owned(),
            "00-".to_owned()
        )])),
        None
    );
}

#[test]
fn where_there_is_no_parent_a_trace_begins() {
    let (client, memory) = in_memory(|builder| builder);
    let nobody: Option<SpanContext> = None;
    client.trace("no header").parent(nobody).in_scope(|_| ());
    client
        .trace("no sense")
        .parent("00-nonsense")
        .in_scope(|_| ());
    client.trace("outer").in_scope(|_| {
        client
            .span("task")
            .name("inner")
            .parent("")
            .in_scope(|_| ());
    });
    let events = flushed(&client, &memory);
    let traces = of_type(&events, "trace.start");
    let names: Vec<_> = traces.iter().map(|event| text(event, "/name")).collect();
    assert_eq!(names, ["no header", "no sense", "outer"]);
    let inner = the(&events, "span.start", "inner");
    assert_eq!(
        inner["trace_id"],
        the(&events, "trace.start", "outer")["trace_id"]
    );
}

#[test]
fn the_current_span_is_written_for_who_is_called() {
    let (client, memory) = in_memory(|builder| builder);
    let mut outside = HeaderMap::new();
    inject(&mut outside);
    assert!(outside.is_empty(), "there is no trace");
    client.trace("outer").in_scope(|trace| {
        let (mut at_the_top, mut below) = (HeaderMap::new(), HashMap::new());
        inject(&mut at_the_top);
        client.span("task").name("call").in_scope(|span| {
            inject(&mut below);
            assert_eq!(Some(below["traceparent"].clone()), span.traceparent());
            assert_eq!(SpanContext::current(), span.span_context());
            assert!(below["traceparent"].ends_with(&format!("-{}-01", span.id().unwrap())));
        });
        assert_eq!(
            Some(header(&at_the_top, "traceparent").to_owned()),
            trace.traceparent()
        );
        // On the other side, which is here.
        client
            .trace("of the top")
            .parent(extract(&at_the_top))
            .in_scope(|_| ());
        client
            .trace("of the span")
            .parent(extract(&below))
            .in_scope(|_| ());
        let sent: BTreeMap<String, String> = below.into_iter().collect();
        client
            .span("task")
            .name("of the text")
            .parent(sent["traceparent"].as_str())
            .in_scope(|_| ());
    });
    let events = flushed(&client, &memory);
    let traces = of_type(&events, "trace.start");
    assert_eq!(traces.len(), 1);
    assert!(
        events
            .iter()
            .all(|event| event["trace_id"] == traces[0]["trace_id"])
    );
    let parent = |name| {
        the(&events, "span.start", name)
            .get("parent_span_id")
            .cloned()
    };
    let call = the(&events, "span.start", "call")["span_id"].clone();
    assert_eq!(parent("of the top"), None, "there is no span around it");
    assert_eq!(parent("of the span"), Some(call.clone()));
    assert_eq!(parent("of the text"), Some(call));
}

#[test]
fn whether_a_trace_is_recorded_is_decided_once() {
    let (none, of_none) = in_memory(|builder| builder.sample_rate(0.0));
    let (all, of_all) = in_memory(|builder| builder);
    // Not recorded here: not there either.
    let mut sent = HeaderMap::new();
    none.trace("first").in_scope(|trace| {
        inject(&mut sent);
        assert_eq!(
            trace.traceparent().as_deref(),
            Some(header(&sent, "traceparent"))
        );
    });
    assert!(header(&sent, "traceparent").ends_with("-00"), "{sent:?}");
    let onwards = sent_on(&all, &sent);
    assert_eq!(
        header(&onwards, "traceparent"),
        header(&sent, "traceparent")
    );
    // Not even what looks like a trace of its own, as long as it is below.
    all.trace("second").parent(extract(&sent)).in_scope(|_| {
        all.span("task").name("inner").in_scope(|_| ());
    });
    assert_eq!(flushed(&all, &of_all), Vec::<Value>::new());
    // Recorded there: here too, whatever the rate is.
    none.trace("third").parent(PARENT).in_scope(|_| {
        none.span("task").name("inner").in_scope(|_| ());
    });
    let events = flushed(&none, &of_none);
    assert_eq!(of_type(&events, "span.start").len(), 2);
    assert!(events.iter().all(|event| event["trace_id"] == TRACE));
}

#[rollout::task]
fn state_inside() -> String {
    let mut sent = HeaderMap::new();
    inject(&mut sent);
    header(&sent, "tracestate").to_owned()
}

#[rollout::task]
async fn state_inside_a_future() -> String {
    tokio::task::yield_now().await;
    state_inside()
}

#[test]
fn a_tracestate_is_handed_on_as_it_came() {
    let (client, _memory) = in_memory(|builder| builder);
    let state = "rojo=00f067aa0ba902b7,tenant@congo=t61rcWkgMzE";
    let state_of = |lines: &[&str]| {
        let mut all = vec![("traceparent", PARENT)];
        all.extend(lines.iter().map(|line| ("tracestate", *line)));
        let sent = sent_on(&client, &headers(&all));
        assert!(header(&sent, "traceparent").starts_with(&PARENT[..36]));
        sent.get("tracestate")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(state_of(&[state]).as_deref(), Some(state));
    assert_eq!(
        state_of(&["a=1 , b=2", "", "\tc=3"]).as_deref(),
        Some("a=1,b=2,c=3")
    );
    let members = |count: usize| {
        (0..count)
            .map(|n| format!("k{n}=v"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(state_of(&[&members(32)]), Some(members(32)));
    // One rule broken is enough.
    for broken in [
        &members(33),
        "a=1,a=2",
        "A=1",
        "a",
        "a=1=2",
        "=1",
        "a=",
        "a=é",
        "*a=1",
    ] {
        assert_eq!(state_of(&[broken]), None, "{broken}");
    }
    // Of too long a one, the long members go first, and then the last.
    let long = format!("long={}", "x".repeat(200));
    let short = |n: usize| format!("k{n:02}={}", "y".repeat(92));
    let five = (0..5).map(short).collect::<Vec<_>>().join(",");
    assert_eq!(state_of(&[&long, &five]).as_deref(), Some(five.as_str()));
    let six = format!("{five},{}", short(5));
    assert_eq!(state_of(&[&six]).as_deref(), Some(five.as_str()));
    // It belongs to the caller's trace, and not to another one.
    let received = headers(&[("traceparent", PARENT), ("tracestate", state)]);
    let mut sent = HeaderMap::new();
    let called = client.span("task").parent(extract(&received)).start();
    called.in_scope(|| client.trace("another").in_scope(|_| inject(&mut sent)));
    assert!(!header(&sent, "traceparent").contains(TRACE));
    assert_eq!(sent.get("tracestate"), None);
    // In spans below, and in what is not recorded, it is there.
    called.in_scope(|| {
        client
            .span("task")
            .in_scope(|span| span.in_scope(|| inject(&mut sent)));
    });
    assert_eq!(header(&sent, "tracestate"), state);
    assert_eq!(called.in_scope(state_inside), state);
    assert_eq!(
        called.in_scope(|| futures::executor::block_on(state_inside_a_future())),
        state
    );
    let unsampled = headers(&[
        ("traceparent", &PARENT.replace("-01", "-00")),
        ("tracestate", state),
    ]);
    assert_eq!(header(&sent_on(&client, &unsampled), "tracestate"), state);
    // What was there of somebody else's is replaced.
    client.trace("another").in_scope(|_| inject(&mut sent));
    assert_eq!(sent.get("tracestate"), None);
}

#[test]
fn baggage_travels_as_far_as_the_settings_allow() {
    let (all, of_all) = in_memory(|builder| builder.baggage(ALL));
    let (user, _of_user) = in_memory(|builder| builder.baggage(["user_id"]));
    let (nobody, of_nobody) = in_memory(|builder| builder);
    // From a scope, and from what the trace began with.
    let sent = |client: &Client| {
        let mut sent = HeaderMap::new();
        let scope = attributes().session_id("a session").tags(["beta", "a, b"]);
        scope.in_scope(|| {
            let trace = client
                .trace("caller")
                .user_id("André")
                .conversation_id("c;1");
            trace.in_scope(|_| client.span("task").in_scope(|_| inject(&mut sent)));
        });
        sent
    };
    let whole = sent(&all);
    assert_eq!(
        header(&whole, "baggage"),
        "user.id=Andr%C3%A9,session.id=a%20session,gen_ai.conversation.id=c%3B1,\
         rollout.tags=[%22beta%22%2C%22a%2C%20b%22]"
    );
    assert_eq!(header(&sent(&user), "baggage"), "user.id=Andr%C3%A9");
    assert_eq!(sent(&nobody).get("baggage"), None);
    // On the other side, for all that is opened there, and for those who are called from there.
    let onwards = sent_on(&all, &whole);
    assert_eq!(header(&onwards, "baggage"), header(&whole, "baggage"));
    let events = flushed(&all, &of_all);
    let start = the(&events, "span.start", "called");
    assert_eq!(
        start["context"],
        json!({ "user_id": "André", "session_id": "a session", "conversation_id": "c;1" })
    );
    assert_eq!(start["attributes"]["rollout.tags"], json!(["beta", "a, b"]));
    assert_eq!(sent_on(&nobody, &whole).get("baggage"), None);
    let events = flushed(&nobody, &of_nobody);
    assert_eq!(the(&events, "span.start", "called").get("context"), None);
    // What is said here goes before it.
    let mut inner = HeaderMap::new();
    let called = all
        .trace("called")
        .parent(extract(&whole))
        .user_id("somebody else");
    called.in_scope(|_| inject(&mut inner));
    assert!(header(&inner, "baggage").starts_with("user.id=somebody%20else,"));
}

#[test]
fn the_baggage_of_others_stays_and_has_its_bounds() {
    let (client, _memory) = in_memory(|builder| builder.baggage(ALL));
    let mut sent = headers(&[
        ("baggage", "theirs=1;p=2, user.id=old"),
        ("baggage", "more=%20"),
    ]);
    client
        .trace("caller")
        .user_id("new")
        .in_scope(|_| inject(&mut sent));
    assert_eq!(
        header(&sent, "baggage"),
        "theirs=1;p=2,more=%20,user.id=new"
    );
    // There is no room for more.
    let full = (0..64)
        .map(|n| format!("k{n}=v"))
        .collect::<Vec<_>>()
        .join(",");
    let mut sent = headers(&[("baggage", &full)]);
    client
        .trace("caller")
        .user_id("new")
        .in_scope(|_| inject(&mut sent));
    assert_eq!(header(&sent, "baggage"), full);
    let long = format!("k={}", "x".repeat(8180));
    let mut sent = headers(&[("baggage", &long)]);
    client
        .trace("caller")
        .user_id("new")
        .in_scope(|_| inject(&mut sent));
    assert_eq!(header(&sent, "baggage"), long);
    // What breaks the rules is passed over, and what does not is read.
    for (baggage, user) in [
        ("user.id=a;ttl=1", Some("a")),
        (" user.id = a ", Some("a")),
        ("user.id=%zz%4", Some("%zz%4")),
        ("user.id=%ff", Some("\u{fffd}")),
        ("user.id", None),
        ("=a,,;,user.id=", None),
        ("us er.id=a", None),
    ] {
        let (client, memory) = in_memory(|builder| builder.baggage(ALL));
        sent_on(
            &client,
            &headers(&[("traceparent", PARENT), ("baggage", baggage)]),
        );
        let events = flushed(&client, &memory);
        let start = the(&events, "span.start", "called");
        assert_eq!(start["context"]["user_id"].as_str(), user, "{baggage}");
    }
}
