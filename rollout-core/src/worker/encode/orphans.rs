//! Spans that have lost their trace: what was handed to another task or thread without its span begins a trace of its
//! own there, which is rarely meant.

use std::collections::HashSet;

use super::{Draft, Field, RecordKind, WITH_TRACE};
use crate::site::Kind;
use crate::span::ROLLOUT_TYPE;

/// Traces that are followed at most, and call sites that are told of.
const MOST: usize = 16 * 1024;

/// What is under way here, by trace, and by span where the trace began elsewhere.
#[derive(Default)]
pub(super) struct Orphans {
    live: HashSet<(u128, u64)>,
    /// Of these, how many are spans.
    spans: usize,
    told: HashSet<u32>,
}

impl Orphans {
    /// Looks at a record. Returns whether it begins a trace that should be a part of the one that is under way: nobody
    /// was current, and there is one trace only that could have been.
    pub(super) fn look(&mut self, kind: RecordKind, draft: &Draft<'_>) -> bool {
        let record = draft.record;
        let of_trace = record.flags & WITH_TRACE != 0;
        match kind {
            RecordKind::TraceStart => self.begin(record.trace, 0),
            RecordKind::SpanStart | RecordKind::ToolCall if of_trace => {
                let is_orphan = self.live.len() == 1 && begins_by_itself(draft);
                if is_orphan {
                    self.tell(draft);
                }
                self.begin(record.trace, 0);
                return is_orphan;
            }
            RecordKind::SpanStart | RecordKind::ToolCall if draft.branch => {
                self.begin(record.trace, record.span);
            }
            RecordKind::TraceEnd => self.end(record.trace, 0),
            RecordKind::SpanEnd | RecordKind::ToolResult if of_trace => self.end(record.trace, 0),
            RecordKind::SpanEnd | RecordKind::ToolResult => self.end(record.trace, record.span),
            _ => {}
        }
        false
    }

    fn begin(&mut self, trace: u128, span: u64) {
        if self.live.len() < MOST && self.live.insert((trace, span)) {
            self.spans += usize::from(span != 0);
        }
    }

    fn end(&mut self, trace: u128, span: u64) {
        // Mostly there is no such span, and every span that ends comes here.
        if (span == 0 || self.spans > 0) && self.live.remove(&(trace, span)) {
            self.spans -= usize::from(span != 0);
        }
    }

    /// Says where that is, once.
    fn tell(&mut self, draft: &Draft<'_>) {
        let Some(site) = draft.site else { return };
        if self.told.len() < MOST && self.told.insert(draft.record.site) {
            log::debug!(
                "rollout: {} at {}:{} began a trace of its own while another one was under way; if it belongs there, \
                 carry the span along: `rollout::spawn`, `in_current_span`",
                draft.name().unwrap_or(site.name),
                site.file,
                site.line
            );
        }
    }
}

/// A span that begins a trace because there is none. Agents and the requests to a server begin theirs on purpose.
fn begins_by_itself(draft: &Draft<'_>) -> bool {
    let on_purpose = match draft.site.filter(|site| !site.is_by_hand()) {
        Some(site) => matches!(site.kind, Kind::Agent | Kind::Trace),
        None => matches!(draft.span_type(), Some("server" | ROLLOUT_TYPE)),
    };
    !on_purpose && draft.field(Field::Link).is_none()
}
