//! The parts of an event that belong to its span.

use super::digits::{hex, hex_wide};
use super::run::RUN_ATTRIBUTE;
use super::sites::Said;
use super::{Draft, EndStatus, Field, Masks, Object, RecordKind, limit, put_text};
use crate::capture::{WordReader, json_string};

/// Counts of the protocol's `usage`; what else a provider counts rides in the attributes.
const USAGE: &[&str] = &[
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "total_tokens",
    "context_window_tokens",
    "context_used_tokens",
    "context_utilization",
    "cost_usd",
];

/// `status`, as the program said it or as the span ended.
pub(super) fn status(event: &mut Object<'_>, draft: &Draft<'_>) {
    put_status(event, draft);
}

fn put_status(object: &mut Object<'_>, draft: &Draft<'_>) {
    if let Some(status) = draft.text(Field::Status) {
        return object.text("status", status, limit::STATUS);
    }
    object.word(
        "status",
        match EndStatus::from_byte(draft.record.status) {
            EndStatus::Ok => "ok",
            EndStatus::Error | EndStatus::Panic => "error",
            EndStatus::Cancelled => "cancelled",
        },
    );
}

fn ended(kind: RecordKind) -> bool {
    matches!(
        kind,
        RecordKind::SpanEnd | RecordKind::ToolResult | RecordKind::TraceEnd
    )
}

/// Members of `attributes`.
pub(super) fn attributes(
    attributes: &mut Object<'_>,
    kind: RecordKind,
    draft: &Draft<'_>,
    said: Option<&Said>,
    is_trace: bool,
    mask: &Masks,
) {
    let record = draft.record;
    let starts = matches!(
        kind,
        RecordKind::SpanStart | RecordKind::ToolCall | RecordKind::TraceStart
    );
    if starts && let Some(said) = said.filter(|_| !is_trace || record.span == 0) {
        attributes.members(&said.code);
    }
    if draft.event_type == "trace.start"
        && let Some((trace, span)) = draft.field(Field::Link).and_then(link)
    {
        attributes.id("rollout.link.trace_id", |out| hex_wide(trace, out));
        if span != 0 {
            attributes.id("rollout.link.span_id", |out| hex(span, out));
        }
    }
    if kind == RecordKind::TraceUpdate {
        lists(
            attributes,
            draft,
            "rollout.trace.tags",
            "rollout.trace.metadata",
            mask,
        );
    } else {
        let of_span_only = !is_trace && draft.field(Field::Run).is_some();
        for (key, value) in merged(draft, Field::Attribute) {
            if !(of_span_only && key.starts_with(RUN_ATTRIBUTE)) {
                attributes.captured(key, value);
            }
        }
        // Of the trace itself, where there is no event of that.
        let metadata = if draft.branch {
            "rollout.trace.metadata"
        } else {
            "rollout.metadata"
        };
        lists(attributes, draft, "rollout.tags", metadata, mask);
    }
    usage_beyond(attributes, draft, mask);
    attributes.object("rollout.truncated", |truncated| {
        // The lines of one record tell of the same values.
        draft.cut_values.set(0);
        for (field, bytes) in draft.fields() {
            let Ok(there_were) = bytes.try_into().map(u64::from_le_bytes) else {
                continue;
            };
            let value = match field {
                Field::InputCut => "input",
                Field::OutputCut => "output",
                Field::ContentCut => "content",
                Field::ValueCut => "value",
                _ => continue,
            };
            truncated.number(value, there_were);
            draft.cut_values.update(|count| count + 1);
        }
    });
    if let Some(count) = draft.number(Field::ItemCount) {
        if kind == RecordKind::StreamEnd {
            attributes.number("chunk_count", count);
        } else {
            attributes.number("rollout.item_count", count);
        }
    }
    if matches!(kind, RecordKind::Feedback | RecordKind::Signal)
        && let Some(value) = draft.field(Field::Value)
    {
        attributes.captured("value", value);
    }
    errors(attributes, kind, draft, mask);
}

/// What `error` has no room for: a long message, and the chain of sources.
fn errors(attributes: &mut Object<'_>, kind: RecordKind, draft: &Draft<'_>, mask: &Masks) {
    if !ended(kind) && kind != RecordKind::SpanUpdate {
        return;
    }
    if let Some(message) = draft.text(Field::ErrorMessage)
        && message.chars().nth(limit::MESSAGE_PREVIEW).is_some()
    {
        put_text(
            message,
            usize::MAX,
            mask,
            attributes.plain_key("rollout.error.message"),
        );
    }
    let mut sources = draft
        .fields()
        .filter(|(field, _)| *field == Field::ErrorSource)
        .peekable();
    if sources.peek().is_some() {
        list(
            attributes.plain_key("rollout.error.chain"),
            sources.map(|(_, text)| text),
            mask,
        );
    }
}

fn list<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a [u8]>, mask: &Masks) {
    out.push(b'[');
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_text(&String::from_utf8_lossy(text), usize::MAX, mask, out);
    }
    out.push(b']');
}

fn lists(
    attributes: &mut Object<'_>,
    draft: &Draft<'_>,
    tags_key: &'static str,
    metadata_key: &'static str,
    mask: &Masks,
) {
    let mut tags: Vec<&[u8]> = Vec::new();
    for (field, tag) in draft.fields() {
        if field == Field::Tag && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if !tags.is_empty() {
        list(attributes.plain_key(tags_key), tags.into_iter(), mask);
    }
    attributes.object(metadata_key, |metadata| {
        for (key, value) in merged(draft, Field::Metadata) {
            metadata.captured(key, value);
        }
    });
}

/// The entries of a field that is a key and a value.
pub(super) fn entries<'a>(
    draft: &'a Draft<'_>,
    wanted: Field,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    draft
        .fields()
        .filter(move |(field, _)| *field == wanted)
        .filter_map(|(_, bytes)| {
            let mut words = WordReader::new(bytes);
            let length = usize::try_from(words.word()?).ok()?;
            let key = words.bytes(length)?;
            Some((str::from_utf8(key).ok()?, words.rest()))
        })
}

/// The same, each key once: what was said last.
fn merged<'a>(draft: &'a Draft<'_>, wanted: Field) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    entries(draft, wanted)
        .enumerate()
        .filter(move |(index, (key, _))| {
            !entries(draft, wanted)
                .skip(index + 1)
                .any(|(later, _)| later == *key)
        })
        .map(|(_, entry)| entry)
}

fn link(bytes: &[u8]) -> Option<(u128, u64)> {
    let (trace, span) = bytes.split_first_chunk::<16>()?;
    Some((
        u128::from_le_bytes(*trace),
        u64::from_le_bytes(span.try_into().ok()?),
    ))
}

/// Usage as a map of JSON numbers.
pub(super) fn usage(
    draft: &Draft<'_>,
    mask: &Masks,
) -> Option<serde_json::Map<String, serde_json::Value>> {
    let bytes = draft.field(Field::Usage)?;
    let mut json = Vec::new();
    mask.captured(bytes, &mut json);
    serde_json::from_slice(&json).ok()
}

fn usage_beyond(attributes: &mut Object<'_>, draft: &Draft<'_>, mask: &Masks) {
    for (key, value) in usage(draft, mask).into_iter().flatten() {
        if !USAGE.contains(&key.as_str()) && !value.is_null() {
            let out = attributes.key(&format!("rollout.usage.{key}"));
            // Writing to a Vec cannot fail.
            let _ = serde_json::to_writer(out, &value);
        }
    }
}

/// The typed sections and `raw`.
pub(super) fn sections(
    event: &mut Object<'_>,
    kind: RecordKind,
    draft: &Draft<'_>,
    is_trace: bool,
    mask: &Masks,
) {
    let ends = ended(kind);
    if !is_trace {
        event.object("model", |model| {
            if let Some(provider) = draft.text(Field::Provider) {
                model.text("provider", provider, limit::PROVIDER);
            }
            if let Some(name) = draft.text(Field::Model) {
                model.text("model", name, limit::MODEL);
            }
            if let Some(value) = draft.field(Field::Temperature) {
                model.captured("temperature", value);
            }
        });
        event.object("usage", |section| {
            for (key, value) in usage(draft, mask).into_iter().flatten() {
                if let Some(known) = USAGE.iter().find(|known| **known == key)
                    && value.as_f64().is_some_and(|number| number >= 0.0)
                {
                    let out = section.plain_key(known);
                    // Writing to a Vec cannot fail.
                    let _ = serde_json::to_writer(out, &value);
                }
            }
        });
    }
    if matches!(kind, RecordKind::ToolCall | RecordKind::ToolResult) && !is_trace {
        event.object("tool", |tool| {
            if let Some(name) = draft.name() {
                tool.text("name", name, 200);
            }
            match &draft.tool_call_id {
                Some(id) => tool.text("tool_call_id", id, limit::ID),
                None => tool.text(
                    "tool_call_id",
                    &format!("tool_{:016x}", draft.record.span),
                    limit::ID,
                ),
            }
            if ends {
                put_status(tool, draft);
            } else {
                tool.word("status", "started");
            }
        });
    }
    if ends {
        event.object("outcome", |outcome| {
            let success = EndStatus::from_byte(draft.record.status) == EndStatus::Ok;
            outcome.plain_key("success").extend_from_slice(if success {
                b"true"
            } else {
                b"false"
            });
            put_status(outcome, draft);
        });
        event.object("error", |error| {
            match EndStatus::from_byte(draft.record.status) {
                EndStatus::Error => failure(error, draft),
                EndStatus::Panic => {
                    error.word("type", "panic");
                    error.word("message_preview", "the function panicked");
                }
                EndStatus::Ok | EndStatus::Cancelled => {}
            }
        });
    }
    if kind == RecordKind::SpanUpdate && draft.field(Field::ErrorType).is_some() {
        event.object("error", |error| failure(error, draft));
    }
    if kind == RecordKind::Message {
        event.object("message", |message| {
            if let Some(role) = draft.text(Field::Role) {
                message.text("role", role, 80);
            }
            if let Some(content) = draft.field(Field::Content) {
                message.captured("content", content);
            }
            if let Some(id) = draft.text(Field::ToolCallId) {
                message.text("tool_call_id", id, limit::ID);
            }
            let internal = draft.field(Field::Internal) == Some(&[1]);
            message
                .plain_key("is_internal")
                .extend_from_slice(if internal { b"true" } else { b"false" });
        });
    }
    raw(event, kind, draft, is_trace, mask);
}

/// The error that a record tells of.
fn failure(error: &mut Object<'_>, draft: &Draft<'_>) {
    let kind = draft.text(Field::ErrorType).unwrap_or("error");
    error.text("type", kind, limit::ERROR_TYPE);
    if let Some(message) = draft.text(Field::ErrorMessage) {
        error.text("message_preview", message, limit::MESSAGE_PREVIEW);
    }
}

/// The end of a stream's text that is shown, in bytes.
const PREVIEW_BYTES: usize = 4 * 1024;

fn raw(event: &mut Object<'_>, kind: RecordKind, draft: &Draft<'_>, is_trace: bool, mask: &Masks) {
    let (input, output) = match kind {
        RecordKind::ToolCall | RecordKind::ToolResult if !is_trace => ("arguments", "result"),
        _ => ("input", "output"),
    };
    event.object("raw", |raw| {
        if let Some(value) = draft.field(Field::Input) {
            raw.captured(input, value);
        }
        if let Some(values) = draft.field(Field::Arguments) {
            mask.arguments(values, raw.plain_key(input));
        }
        if let Some(value) = draft.field(Field::Output) {
            raw.captured(output, value);
        }
        if let Some(preview) = draft.text(Field::StreamPreview) {
            let masked = mask.text(preview);
            let preview = masked.as_deref().unwrap_or(preview);
            let from = preview.ceil_char_boundary(preview.len().saturating_sub(PREVIEW_BYTES));
            json_string(&preview[from..], raw.plain_key("stream_preview"));
        }
    });
}
