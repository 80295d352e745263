//! Spans of OpenTelemetry, in the JSON of OTLP.

use std::io::Write;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use rollout_core::{
    event::{Agent, Event, RawObject},
    kept::TraceSpans,
};
use sha2::{Digest, Sha256};

use super::{ExportError, Writer};
use crate::{
    present::{self, Tone},
    query::TraceSummary,
    store::Store,
};

/// A request closes at so many bytes of spans, as they are in binary.
const REQUEST_BYTES: usize = 1 << 20;

/// What says on every event which program it is of.
const PROGRAM: [&str; 2] = ["service_name", "release"];

/// Writes requests as a collector's receiver for OTLP takes them, one a line.
pub(super) struct Otlp<'w> {
    out: &'w mut (dyn Write + Send),
    running: u64,
}

impl<'w> Otlp<'w> {
    pub(super) fn new(out: &'w mut (dyn Write + Send)) -> Self {
        Self { out, running: 0 }
    }

    fn write(&mut self, spans: &mut TraceSpans) -> Result<(), ExportError> {
        if let Some(mut request) = spans.request() {
            for of in &mut request.resource_spans {
                if let Some(resource) = &mut of.resource {
                    resource
                        .attributes
                        .retain(|known| !is_of_this_program(known));
                }
            }
            serde_json::to_writer(&mut *self.out, &request)?;
            writeln!(self.out)?;
        }
        Ok(())
    }
}

/// Whether it is the name that OpenTelemetry has for a service without one, which would be that of the binary that
/// writes and not of whose traces these are.
fn is_of_this_program(attribute: &KeyValue) -> bool {
    let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
    attribute.key == "service.name"
        && matches!(value, Some(Value::StringValue(name)) if name.starts_with("unknown_service"))
}

impl Writer for Otlp<'_> {
    fn trace(&mut self, store: &dyn Store, trace: &TraceSummary) -> Result<bool, ExportError> {
        let (mut spans, mut program) = (TraceSpans::default(), None);
        let mut written = Ok(());
        let found = store.events(&trace.trace_id, &mut |mut event| {
            rename(&mut event);
            match &program {
                Some(program) => complete(&mut event, program),
                None => program = Some(Program::of(&event)),
            }
            // All name their trace: see `rename`.
            let _ = spans.take(&event);
            if spans.bytes() >= REQUEST_BYTES {
                written = self.write(&mut spans);
            }
            written.is_ok()
        })?;
        written?;
        if present::status_tone(&trace.status) == Tone::Running {
            // Spans go when they have ended.
            self.running += 1;
        } else {
            spans.interrupt();
        }
        self.write(&mut spans)?;
        Ok(found)
    }

    fn finish(self: Box<Self>) -> Result<Vec<(&'static str, u64)>, ExportError> {
        Ok(vec![(
            "traces run: what has not ended of them is left out",
            self.running,
        )])
    }
}

/// The program that a trace is of.
struct Program {
    agent: Agent,
    /// Members of attributes, as JSON.
    attributes: Vec<(&'static str, String)>,
}

impl Program {
    /// What the first event of a trace says.
    fn of(event: &Event) -> Self {
        let said = event.attributes.as_ref().map(RawObject::members);
        let said = said.unwrap_or_default();
        let attributes = PROGRAM.into_iter().filter_map(|wanted| {
            let (_, value) = said.iter().find(|(name, _)| name == wanted)?;
            Some((wanted, value.get().to_owned()))
        });
        Self {
            agent: event.agent.clone(),
            attributes: attributes.collect(),
        }
    }
}

/// Says on an event what recorded ones all say, and kept ones once.
fn complete(event: &mut Event, program: &Program) {
    if event.agent.is_empty() {
        event.agent.clone_from(&program.agent);
    }
    let said = event.attributes.as_ref().map(RawObject::members);
    let said = said.unwrap_or_default();
    let missing = program.attributes.iter();
    let missing = missing.filter(|(name, _)| !said.iter().any(|(known, _)| known == name));
    let missing: Vec<String> = missing
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    if missing.is_empty() {
        return;
    }
    let missing = missing.join(",");
    let all = match &event.attributes {
        Some(attributes) if !attributes.is_empty() => {
            format!("{{{missing},{}", &attributes.as_str()[1..])
        }
        _ => format!("{{{missing}}}"),
    };
    event.attributes = RawObject::parse(all).ok();
}

/// Gives ids that are none of W3C's ones that are: the head of their hash. Where the trace has no other id of the
/// caller's, its own stays with it as that.
fn rename(event: &mut Event) {
    let own = event.trace_id.as_ref().or(event.external_trace_id.as_ref());
    if let Some(own) = own.cloned()
        && (event.trace_id.is_none() || !is_w3c(&own, 32))
    {
        event.trace_id = Some(hashed(&own, 32));
        event.external_trace_id.get_or_insert(own);
    }
    for id in [&mut event.span_id, &mut event.parent_span_id] {
        if let Some(own) = id
            && !is_w3c(own, 16)
        {
            *own = hashed(own, 16);
        }
    }
}

fn is_w3c(id: &str, digits: usize) -> bool {
    let is_hex = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    id.len() == digits && is_hex && id.bytes().any(|byte| byte != b'0')
}

fn hashed(id: &str, digits: usize) -> String {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let bytes = digest.iter().take(digits / 2);
    let bytes: Vec<_> = bytes.map(|byte| format!("{byte:02x}")).collect();
    let mut hex = bytes.concat();
    // None of zeros is an id.
    if hex.bytes().all(|byte| byte == b'0') {
        hex.replace_range(..1, "1");
    }
    hex
}
