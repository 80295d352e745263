//! The text of a stream while it runs.

use bytes::Bytes;
use rollout_core::SpanUpdate;
use serde_json::Value;

use super::events::events;
use super::{Api, Json};

/// Text that is kept, in bytes: twice what is shown, so that a key that begins before that is masked whole.
const KEPT_BYTES: usize = 8 * 1024;

/// What a stream has said so far, put together as its bytes come.
#[derive(Debug)]
pub(crate) struct Preview {
    api: Api,
    /// Of an event that is not complete.
    rest: Vec<u8>,
    events: u64,
    text: String,
}

impl Preview {
    pub(crate) fn new(api: Api) -> Self {
        Self {
            api,
            rest: Vec::new(),
            events: 0,
            text: String::new(),
        }
    }

    /// Reads on, and tells the span.
    pub(crate) fn go_on(&mut self, pieces: &[Bytes]) -> SpanUpdate {
        for piece in pieces {
            self.rest.extend_from_slice(piece);
        }
        let mut read = 0;
        for (end, data) in events(&self.rest) {
            read = end;
            if let Ok(event) = serde_json::from_str::<Value>(&data) {
                self.events += 1;
                self.add(&event);
            }
        }
        self.rest.drain(..read);
        let over = self.text.len().saturating_sub(KEPT_BYTES);
        self.text.drain(..self.text.ceil_char_boundary(over));
        SpanUpdate::new()
            .attribute("streaming", true)
            .attribute("chunk_count", self.events)
            .stream_preview(self.text.as_str())
    }

    /// What is said to the reader: no thoughts, and of several answers the first.
    fn add(&mut self, event: &Value) {
        let first = |name: &str| event.items(name).first();
        match self.api {
            Api::ChatCompletions => {
                let delta = first("choices").and_then(|choice| choice.member("delta"));
                self.push(delta.and_then(|delta| delta.text("content")));
            }
            Api::Responses if event.text("type") == Some("response.output_text.delta") => {
                self.push(event.text("delta"));
            }
            Api::Messages => {
                self.push(event.member("delta").and_then(|delta| delta.text("text")));
            }
            Api::GenerateContent => {
                let content = first("candidates").and_then(|first| first.member("content"));
                for part in content.map_or(&[][..], |content| content.items("parts")) {
                    let is_thought = part.member("thought").and_then(Value::as_bool);
                    self.push(part.text("text").filter(|_| is_thought != Some(true)));
                }
            }
            Api::Responses | Api::Embeddings => {}
        }
    }

    fn push(&mut self, text: Option<&str>) {
        self.text.push_str(text.unwrap_or_default());
    }
}
