//! What differs from run to run by its nature, and so is no difference.
//!
//! - The ids of spans, traces and tool calls, when things happened and how long they took, tokens and costs, where code
//!   lies, and what was cut.
//! - In captured values and attributes: members called as in [`IDS`]; a member `id` whose text looks made by a program
//!   (a provider's prefix as in [`PREFIXES`], a UUID, 16 or more hexadecimal digits); members called as in [`TIMES`] that
//!   hold a moment.
//! - Attributes called as in [`MEASURED`], or that begin or end as in [`ABOUT`] and [`ENDS`].
//!
//! An `order_id` or a `due_at` counts: it is what the program works with.

/// Members that hold ids of one exchange.
pub(super) const IDS: [&str; 10] = [
    "call_id",
    "previous_response_id",
    "request_id",
    "requestId",
    "response_id",
    "responseId",
    "span_id",
    "system_fingerprint",
    "tool_call_id",
    "tool_use_id",
];

/// How ids begin that providers make.
pub(super) const PREFIXES: [&str; 13] = [
    "call_",
    "chatcmpl-",
    "cmpl-",
    "fc_",
    "gen-",
    "msg_",
    "req_",
    "resp_",
    "rs_",
    "run_",
    "srvtoolu_",
    "thread_",
    "toolu_",
];

/// Members that hold the moment of an exchange.
pub(super) const TIMES: [&str; 9] = [
    "completed_at",
    "created",
    "created_at",
    "createdAt",
    "createTime",
    "ended_at",
    "expires_at",
    "started_at",
    "timestamp",
];

/// Attributes that measure, or say how something came to be known.
pub(super) const MEASURED: [&str; 10] = [
    "error.signature",
    "release",
    "rollout.attempts",
    "rollout.item_count",
    "rollout.late",
    "rollout.provider_usage",
    "rollout.time_between_chunks",
    "rollout.usage.source",
    "rollout.usage_source",
    "service_name",
];

/// How attributes begin that say where something ran.
pub(super) const ABOUT: [&str; 11] = [
    "client.",
    "code.",
    "gen_ai.usage.",
    "host.",
    "llm.token_count.",
    "network.",
    "process.",
    "rollout.link.",
    "rollout.run.sample_index",
    "server.",
    "thread.",
];

/// How attributes end that measure.
pub(super) const ENDS: [&str; 7] = [
    "_ms",
    "_ns",
    "_us",
    "duration",
    "latency",
    "time_to_first_chunk",
    "time_to_first_token",
];

/// What is shown in the place of a member of a captured value, and stands for it in comparisons; `None` where it counts.
/// `text` is a string's text; another value is as JSON writes it.
pub(super) fn stands_for(name: &str, text: &str, is_string: bool) -> Option<&'static str> {
    if is_string && (IDS.contains(&name) || (name == "id" && is_made(text))) {
        return Some("‹id›");
    }
    if TIMES.contains(&name) && is_moment(text, is_string) {
        return Some("‹time›");
    }
    None
}

/// Whether an attribute never counts.
pub(super) fn is_attribute(name: &str) -> bool {
    MEASURED.contains(&name)
        || ABOUT.iter().any(|start| name.starts_with(start))
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether an id looks made by a program rather than chosen.
fn is_made(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_uuid = || {
        let lengths = [8, 4, 4, 4, 12];
        let mut groups = id.split('-');
        lengths.iter().all(|length| {
            groups
                .next()
                .is_some_and(|group| group.len() == *length && hex(group))
        }) && groups.next().is_none()
    };
    PREFIXES.iter().any(|prefix| id.starts_with(prefix)) || (id.len() >= 16 && hex(id)) || is_uuid()
}

/// Whether a value is a moment: seconds or smaller since 1970, or text as RFC 3339 has it.
fn is_moment(text: &str, is_string: bool) -> bool {
    if is_string {
        return text.len() >= 19 && text.parse::<jiff::Timestamp>().is_ok();
    }
    text.parse::<f64>()
        .is_ok_and(|number| (1e9..1e19).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_programs_make_are_told_from_those_that_people_choose() {
        let made = [
            ("id", "chatcmpl-9xY"),
            ("id", "0af7651916cd43dd8448eb211c80319c"),
            ("id", "123e4567-e89b-12d3-a456-426614174000"),
            ("tool_call_id", "anything"),
        ];
        for (name, text) in made {
            assert_eq!(stands_for(name, text, true), Some("‹id›"), "{name} {text}");
        }
        for (name, text) in [
            ("id", "A-1"),
            ("order_id", "call_1"),
            ("id", "123e4567-e89b"),
            ("call", "call_1"),
        ] {
            assert_eq!(stands_for(name, text, true), None, "{name} {text}");
        }
    }

    #[test]
    fn moments_are_told_from_numbers() {
        for (name, text, is_string) in [
            ("created", "1764201600", false),
            ("created_at", "2026-11-27T00:00:00Z", true),
            ("timestamp", "1764201600.25", false),
        ] {
            assert_eq!(
                stands_for(name, text, is_string),
                Some("‹time›"),
                "{name} {text}"
            );
        }
        for (name, text, is_string) in [
            ("created", "7", false),
            ("created", "true", false),
            ("due_at", "2026-11-27T00:00:00Z", true),
            ("timestamp", "tomorrow", true),
        ] {
            assert_eq!(stands_for(name, text, is_string), None, "{name} {text}");
        }
    }
}
