//! Whom a trace is for: remembered by the worker, repeated on every event.

use super::span::entries;
use super::{Draft, Field, Masks, Object, RecordKind, TraceState, limit, put_text};

/// What one event alone says of its context.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    user: Option<String>,
    session: Option<String>,
    conversation: Option<String>,
}

impl TraceState {
    /// Takes in what a record says of its trace. What it says of itself alone is returned.
    pub(super) fn learn(
        &mut self,
        kind: RecordKind,
        draft: &Draft<'_>,
        mask: &Masks,
    ) -> Option<Overlay> {
        let of_the_trace = matches!(
            kind,
            RecordKind::TraceStart | RecordKind::TraceUpdate | RecordKind::Identity
        ) || draft.event_type == "trace.start"
            || draft.branch;
        let mut overlay: Option<Overlay> = None;
        for (field, bytes) in draft.fields() {
            let Ok(text) = str::from_utf8(bytes) else {
                continue;
            };
            let text = || Some(text.to_owned());
            match field {
                Field::UserId if of_the_trace => self.user_id = text(),
                Field::SessionId if of_the_trace => self.session_id = text(),
                Field::ConversationId if of_the_trace => self.conversation_id = text(),
                Field::ExternalTraceId if of_the_trace => self.external_id = text(),
                Field::AccountId => self.account_id = text(),
                Field::UserId => overlay.get_or_insert_default().user = text(),
                Field::SessionId => overlay.get_or_insert_default().session = text(),
                Field::ConversationId => overlay.get_or_insert_default().conversation = text(),
                _ => {}
            }
        }
        for (field, bytes) in draft.fields() {
            match field {
                Field::UserTraits => self.user_traits = Some(traits(bytes, mask)),
                Field::AccountTraits => self.account_traits = Some(traits(bytes, mask)),
                Field::Tag if kind == RecordKind::TraceUpdate => {
                    let mut tag = Vec::new();
                    put_text(&String::from_utf8_lossy(bytes), usize::MAX, mask, &mut tag);
                    if !self.tags.contains(&tag) {
                        self.tags.push(tag);
                    }
                }
                _ => {}
            }
        }
        if kind == RecordKind::TraceUpdate {
            for (key, value) in entries(draft, Field::Metadata) {
                self.metadata.retain(|(known, _)| known != key);
                self.metadata.push((key.to_owned(), json(value, mask)));
            }
        }
        overlay
    }

    /// Members of `context`.
    pub(super) fn context(&self, context: &mut Object<'_>, overlay: Option<&Overlay>) {
        let user = overlay
            .and_then(|overlay| overlay.user.as_ref())
            .or(self.user_id.as_ref());
        if let Some(user) = user {
            context.text("user_id", user, limit::ID);
        }
        if let Some(traits) = &self.user_traits {
            context.plain_key("user_traits").extend_from_slice(traits);
        }
        if let Some(account) = &self.account_id {
            context.text("account_id", account, limit::ID);
        }
        if let Some(traits) = &self.account_traits {
            context
                .plain_key("account_traits")
                .extend_from_slice(traits);
        }
        let session = overlay
            .and_then(|overlay| overlay.session.as_ref())
            .or(self.session_id.as_ref());
        if let Some(session) = session {
            context.text("session_id", session, limit::ID);
        }
        let conversation = overlay
            .and_then(|overlay| overlay.conversation.as_ref())
            .or(self.conversation_id.as_ref());
        if let Some(conversation) = conversation {
            context.text("conversation_id", conversation, limit::ID);
        }
    }

    /// On `trace.end`, what updates have added.
    pub(super) fn summary(&self, attributes: &mut Object<'_>) {
        if !self.tags.is_empty() {
            let out = attributes.plain_key("rollout.trace.tags");
            out.push(b'[');
            out.extend_from_slice(&self.tags.join(&b','));
            out.push(b']');
        }
        attributes.object("rollout.trace.metadata", |metadata| {
            for (key, value) in &self.metadata {
                metadata.key(key).extend_from_slice(value);
            }
        });
    }
}

/// Traits are a map; what is none becomes the entry `value` of one.
fn traits(bytes: &[u8], mask: &Masks) -> Vec<u8> {
    let json = json(bytes, mask);
    if json.starts_with(b"{") {
        return json;
    }
    [b"{\"value\":".as_slice(), &json, b"}"].concat()
}

fn json(bytes: &[u8], mask: &Masks) -> Vec<u8> {
    let mut out = Vec::new();
    mask.captured(bytes, &mut out);
    out
}
