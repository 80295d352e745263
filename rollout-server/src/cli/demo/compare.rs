//! What was read back against what ran.
//!
//! The expected traces are JSON: objects with the members of the query API that must be so, and
//! `spans`, the spans below. An `error` that is not mentioned must not be there. With
//! `"concurrent": true`, the spans below may have begun in any order. `caller` is the name of the
//! trace that the trace was called from.

use serde_json::{Map, Value};

use super::{Failure, agents::Ran, api::Whole};

/// Members that are not the query API's.
const SPANS: &str = "spans";
const CONCURRENT: &str = "concurrent";
const CALLER: &str = "caller";

/// Everything that is not as it should be, a line each.
pub(super) fn differences(ran: &Ran, traces: &[Whole]) -> Result<Vec<String>, Failure> {
    let traces = traces.iter().map(nested).collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for trace in &traces {
        ended(name(trace), trace, &mut found);
    }
    let mut expected = Vec::new();
    for agent in &ran.agents {
        if let Ok(output) = &agent.outcome {
            let root = by_name(&traces, agent.name);
            member(agent.name, "output", output, &root["output"], &mut found);
        }
        expected.extend(serde_json::from_str::<Vec<Value>>(agent.expected)?);
    }
    // A model that keeps to no script may have taken another way.
    if ran.scripted {
        if traces.len() != expected.len() {
            let (are, should) = (traces.len(), expected.len());
            found.push(format!("there are {are} traces, not {should}"));
        }
        for expected in &expected {
            let name = name(expected);
            let trace = by_name(&traces, name);
            object(name, expected, trace, &mut found);
            if let Some(caller) = expected[CALLER].as_str() {
                let caller = &by_name(&traces, caller)["trace_id"];
                member(
                    name,
                    "links",
                    caller,
                    &trace["links"][0]["trace_id"],
                    &mut found,
                );
            }
        }
    }
    Ok(found)
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or("(no name)")
}

/// The trace of a name, or `null`.
fn by_name<'a>(traces: &'a [Value], wanted: &str) -> &'a Value {
    let found = traces.iter().find(|trace| name(trace) == wanted);
    found.unwrap_or(&Value::Null)
}

/// A trace whose spans are below those that opened them.
fn nested(whole: &Whole) -> Result<Value, Failure> {
    let mut trace = serde_json::to_value(&whole.trace)?;
    let mut spans = whole.spans.iter().peekable();
    let mut open: Vec<Value> = Vec::new();
    let mut tops = Vec::new();
    while let Some(span) = spans.next() {
        let mut value = serde_json::to_value(span)?;
        value[SPANS] = Value::Array(Vec::new());
        open.push(value);
        // Whatever the next one is not below is complete.
        let depth = spans.peek().map_or(0, |next| next.row.depth as usize);
        while open.len() > depth
            && let Some(done) = open.pop()
        {
            match open
                .last_mut()
                .and_then(|parent| parent[SPANS].as_array_mut())
            {
                Some(siblings) => siblings.push(done),
                None => tops.push(done),
            }
        }
    }
    trace[SPANS] = Value::Array(tops);
    Ok(trace)
}

/// Whatever has run has ended.
fn ended(path: &str, value: &Value, found: &mut Vec<String>) {
    if let Some(status @ ("running" | "interrupted")) = value["status"].as_str() {
        found.push(format!(
            "{path} is {status}, although its program has returned"
        ));
    }
    for span in below(value) {
        ended(&format!("{path} › {}", name(span)), span, found);
    }
}

fn below(value: &Value) -> &[Value] {
    value[SPANS].as_array().map_or(&[], Vec::as_slice)
}

fn member(path: &str, key: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    if expected != actual {
        found.push(format!("{path}: {key} is {actual}, not {expected}"));
    }
}

fn object(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    let none = Map::new();
    let members = expected.as_object().unwrap_or(&none);
    for (key, value) in members {
        if ![SPANS, CONCURRENT, CALLER].contains(&key.as_str()) {
            member(path, key, value, &actual[key], found);
        }
    }
    if !members.contains_key("error") {
        member(path, "error", &Value::Null, &actual["error"], found);
    }
    let (should, are) = (below(expected), below(actual));
    if should.len() != are.len() {
        let names: Vec<_> = are.iter().map(name).collect();
        let (are, should) = (are.len(), should.len());
        let names = names.join(", ");
        found.push(format!(
            "{path} has {are} spans below, not {should}: {names}"
        ));
        return;
    }
    let any_order = members.get(CONCURRENT) == Some(&Value::Bool(true));
    let mut are: Vec<_> = are.iter().collect();
    for expected in should {
        let alike = |span: &&Value| {
            let same = |key: &str| span[key] == expected[key];
            same("type") && same("name") && same("input")
        };
        let at = if any_order {
            are.iter().position(alike).unwrap_or(0)
        } else {
            0
        };
        let path = format!("{path} › {}", name(expected));
        object(&path, expected, are.remove(at), found);
    }
}
