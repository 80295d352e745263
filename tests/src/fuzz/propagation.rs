//! What callers send of a trace: `traceparent`, `tracestate` and `baggage`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rollout::{Carrier, Client, SpanContext, SpoolKind};

/// Headers as they come: a line each, whose first byte says which it is.
struct Lines(Vec<(&'static str, String)>);

impl Lines {
    fn of(data: &[u8]) -> Self {
        let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
            let (first, rest) = line.split_first()?;
            let name = match first % 4 {
                0 => "traceparent",
                1 => "tracestate",
                _ => "baggage",
            };
            Some((name, String::from_utf8_lossy(rest).into_owned()))
        });
        Self(lines.collect())
    }
}

impl Carrier for Lines {
    fn values(&self, name: &str) -> Vec<Cow<'_, str>> {
        let values = self.0.iter().filter(|(known, _)| *known == name);
        values.map(|(_, value)| value.as_str().into()).collect()
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.remove(name);
        self.0.push((name, value));
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }
}

thread_local! {
    static CLIENT: Client = crate::events::builder()
        .spool(SpoolKind::Memory)
        .exporters([])
        .exporter(Box::new(rollout::MemoryExporter::with_capacity(1)))
        .baggage(["user_id", "session_id", "conversation_id", "tags"])
        .build()
        .expect("a client");
}

/// Lines of headers. What is read of them keeps the rules when it is written again, and says the same; a trace goes on
/// below what was read, or begins anew.
pub fn propagation(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(context) = text.parse::<SpanContext>() {
        assert_eq!(context.to_string().parse(), Ok(context));
    }
    let mut headers = Lines::of(data);
    let caller = rollout::extract(&headers);
    if let Some(caller) = &caller {
        check_traceparent(caller);
        check_tracestate(caller.tracestate());
    }
    CLIENT.with(|client| {
        let trace = client.trace("called").parent(&caller).start();
        let here = trace
            .span_context()
            .expect("it is recorded, or says that it is not");
        if let Some(caller) = &caller {
            assert_eq!(here.trace_id(), caller.trace_id());
            assert_eq!(here.is_sampled(), caller.is_sampled());
        }
        trace.in_scope(|| rollout::inject(&mut headers));
        let written = rollout::extract(&headers).expect("what is written can be read");
        assert_eq!(written.to_string(), here.to_string());
        let state = caller.as_ref().map_or("", SpanContext::tracestate);
        assert_eq!(written.tracestate(), state);
        let hop = |caller: SpanContext| {
            let mut sent = BTreeMap::new();
            let next = client.trace("next").parent(caller).start();
            next.in_scope(|| rollout::inject(&mut sent));
            sent
        };
        let sent = hop(written);
        for (name, value) in &sent {
            let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            assert!(is_plain, "{name}: {value}");
        }
        if let Some(baggage) = sent.get("baggage") {
            assert!(baggage.len() <= 8192 && baggage.split(',').count() <= 64);
        }
        let next = rollout::extract(&sent).expect("what is written can be read");
        assert_eq!(hop(next).get("baggage"), sent.get("baggage"));
    });
}

fn check_traceparent(context: &SpanContext) {
    let text = context.to_string();
    assert_eq!(text.len(), 55);
    assert!(
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
    );
    let read: SpanContext = text.parse().expect("what is written can be read");
    assert_eq!(read.to_string(), text);
    assert_eq!(
        (read.trace_id(), read.span_id(), read.is_sampled()),
        (context.trace_id(), context.span_id(), context.is_sampled()),
    );
}

fn check_tracestate(state: &str) {
    assert!(state.len() <= 512, "{state}");
    let members: Vec<&str> = state
        .split(',')
        .filter(|member| !member.is_empty())
        .collect();
    assert!(members.len() <= 32, "{state}");
    for (index, member) in members.iter().enumerate() {
        let (key, _) = member.split_once('=').expect("a key and a value");
        let is_known = |other: &&str| other.split_once('=').map(|(key, _)| key) == Some(key);
        assert!(
            !members[..index].iter().any(is_known),
            "{key} is there twice"
        );
    }
}

/// What to begin with.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let many = |member: &str, count: usize| {
        let members: Vec<_> = (0..count)
            .map(|index| format!("{member}{index}=v"))
            .collect();
        members.join(",")
    };
    // `d` is a `traceparent`, `a` a `tracestate`, `b` a `baggage`.
    let lines: &[&[String]] = &[
        &[format!("d{parent}")],
        &[
            format!("d{parent}"),
            "arojo=00f067aa0ba902b7,congo=t61rcWkgMzE".into(),
            "buser.id=alice,rollout.tags=%5B%22a%22%5D".into(),
        ],
        &[
            "d00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".into(),
            "buser.id=%C3%A9%20;p=1,session.id=s,gen_ai.conversation.id=c".into(),
        ],
        &[
            "dcc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more".into(),
            format!("a{}", many("k", 32)),
            format!("b{}", many("k", 64)),
        ],
        &[
            format!("d{parent}"),
            format!("a{}", many("k", 33)),
            "ak=v".into(),
        ],
        &[
            format!("d{parent}"),
            format!("d{parent}"),
            "buser.id=%".into(),
        ],
        &[
            "dff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
            "btags=a,rollout.tags=a%2Cb".into(),
        ],
        &["d00-a3ce929d0e0e4736a3ce929d0e0e4736-a3ce929d0e0e4736-01".into()],
        &["d00-00000000000000000000000000000000-0000000000000000-00".into()],
    ];
    let mut seeds: Vec<_> = lines
        .iter()
        .map(|lines| lines.join("\n").into_bytes())
        .collect();
    seeds.push(parent.as_bytes().to_vec());
    seeds
}
