//! Events as a program that records agents sends them, and a store that takes them.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use rollout::event::Event;
use rollout_server::ingest::{Encoding, receive};
use rollout_server::store::{Origin, Pending, Store};

/// Events of a batch.
const BATCH: usize = 500;

/// Batches that wait to be stored at a time.
const SENDERS: usize = 32;

/// 2026-01-02T03:00:00Z in microseconds: when the first trace begins.
const FIRST: i64 = 1_767_322_800_000_000;

/// The id of a trace, by its number.
pub fn trace_id(trace: usize) -> String {
    format!("{trace:032x}")
}

/// The id of a span, by its number from 1 on.
pub fn span_id(span: usize) -> String {
    format!("{span:016x}")
}

/// The user of a trace.
pub fn user(trace: usize) -> String {
    format!("cus_{}", trace % 100)
}

/// Bodies of batches with traces of so many spans, one trace a second.
pub fn bodies(traces: std::ops::Range<usize>, spans: usize) -> Vec<String> {
    let mut events = Vec::new();
    for trace in traces {
        push_trace(&mut events, trace, spans);
    }
    let batch = |events: &[String]| {
        format!(
            r#"{{"schema_version":"1.0","source":"sdk_rust","sdk":{{"name":"rollout","language":"rust"}},"batch_id":"b","sent_at":"2026-01-02T03:04:05Z","events":[{}]}}"#,
            events.join(",")
        )
    };
    events.chunks(BATCH).map(batch).collect()
}

fn push_trace(events: &mut Vec<String>, trace: usize, spans: usize) {
    let began = FIRST + trace.cast_signed() as i64 * 1_000_000;
    let time = |micros: usize| {
        let time = Timestamp::from_microsecond(began + micros.cast_signed() as i64);
        time.unwrap_or_default().to_string()
    };
    let (id, user) = (trace_id(trace), user(trace));
    let mut push = |kind: &str, number: usize, at: usize, more: String| {
        events.push(format!(
            r#"{{"event_id":"evt_{trace:016x}{number:016x}","event_type":"{kind}","schema_version":"1.0","trace_id":"{id}","sequence":{},"occurred_at":"{}","agent":{{"name":"support"}},"context":{{"user_id":"{user}"}}{more}}}"#,
            number + 1,
            time(at),
        ));
    };
    let name = if trace.is_multiple_of(50) {
        "refund_agent"
    } else {
        "support_agent"
    };
    push(
        "trace.start",
        0,
        0,
        format!(
            r#","name":"{name}","attributes":{{"rollout.ns":1,"service_name":"desk"}},"raw":{{"input":{{"message":"Where is my order?"}}}}"#
        ),
    );
    for span in 0..spans {
        let (from, to) = (time(span * 100), time(span * 100 + 50));
        let (id, parent) = (span_id(span + 1), span_id(span / 4));
        let ids = format!(
            r#","span_id":"{id}","parent_span_id":"{parent}","span_type":"tool","name":"lookup_order","tool":{{"name":"lookup_order","tool_call_id":"tool_{id}","status":"started"}},"started_at":"{from}""#
        );
        push(
            "tool.call",
            2 * span + 1,
            span * 100,
            format!(
                r#"{ids},"attributes":{{"rollout.ns":7,"code.file.path":"src/main.rs","code.line.number":42,"code.function.name":"support::lookup_order"}},"raw":{{"arguments":{{"order_id":"A-{span}","verbose":false,"limit":25}}}}"#
            ),
        );
        push(
            "tool.result",
            2 * span + 2,
            span * 100 + 50,
            format!(
                r#"{ids},"ended_at":"{to}","duration_ms":0.050000,"status":"ok","attributes":{{"rollout.ns":9}},"outcome":{{"success":true,"status":"ok"}},"raw":{{"result":{{"order":"A-{span}","state":"shipped","items":[1,2,3]}}}}"#
            ),
        );
    }
    push(
        "trace.end",
        2 * spans + 1,
        spans * 100,
        r#","status":"ok","duration_ms":10.0,"raw":{"output":"It has shipped."}"#.to_owned(),
    );
}

/// Reads a body.
pub fn read(body: &str) -> Vec<Event> {
    let received = receive(body.as_bytes(), Encoding::Identity).unwrap();
    assert!(received.errors.is_empty(), "{:?}", received.errors);
    received.events
}

/// Stores batches as so many senders would that each wait for their answer.
pub fn store_all(store: &Arc<dyn Store>, batches: impl Iterator<Item = Vec<Event>>) {
    let mut waiting = VecDeque::new();
    for events in batches {
        if waiting.len() == SENDERS {
            let first: Option<Pending> = waiting.pop_front();
            first.unwrap().wait().unwrap();
        }
        waiting.push_back(store.append(events, Origin::Request(None)));
    }
    for pending in waiting {
        pending.wait().unwrap();
    }
}
