//! A request to a model and its answer, as an integration sees them pass.

mod layers;
mod received;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use rollout_core::{Ending, SpanEnd, SpanUpdate};

use self::layers::{Call, is_recorded_above};
use self::received::Received;
use crate::calls::ModelCalls;
use crate::model_call::{CallSpan, builder};
use crate::provider::{Answer, Api, Asked, Preview, Target, request};

/// How often a stream is shown while it runs: with its first chunk, with every so many but not sooner than that, and
/// after so long.
const SHOWN_EVERY: usize = 20;
const SHOWN_AT_SOONEST: Duration = Duration::from_millis(50);
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// A model call on its way. Dropped, it was given up, unless the answer had said all by then.
pub(crate) struct Exchange {
    span: Option<CallSpan>,
    api: Api,
    capture_output: bool,
    estimate_usage: bool,
    /// What the request turns out to ask, on the worker.
    asked: Arc<Mutex<Asked>>,
    status: u16,
    is_events: bool,
    call: Arc<Call>,
    attempts: u32,
    received: Received,
    /// What is shown while a stream runs, made on the worker; how many of the pieces are, and when that was.
    preview: Option<Arc<Mutex<Preview>>>,
    shown: usize,
    shown_at: Option<Instant>,
    /// The tick from which on the time is looked at again, because reading the clock at every chunk is much of what
    /// recording costs.
    look_again: u64,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// Opens the span of a POST; `None` where this is no model call that is known, where a layer above records it
    /// already, or where nothing is recorded, at all or through this integration. `layer` tells those apart that see one
    /// call. The address comes in parts,
    /// so that no query, where keys may be, gets here.
    pub(crate) fn begin(
        calls: &ModelCalls,
        integration: &'static str,
        layer: usize,
        host: &str,
        path: &str,
        body: Option<Bytes>,
    ) -> Option<Self> {
        let body_bytes = body.as_ref().map_or(0, Bytes::len);
        if is_recorded_above(layer, host, path, body_bytes) {
            return None;
        }
        if !is_chosen(integration) {
            return None;
        }
        let Some(target) = Target::of(host, path) else {
            unknown(host, path);
            return None;
        };
        let mut builder = builder(target.api.operation(), None)?;
        builder = builder.provider(calls.provider.as_deref().unwrap_or(target.provider));
        if let Some(model) = &target.model {
            builder = builder.model(model);
        }
        for (key, value) in &calls.attributes {
            builder = builder.attribute(key, value);
        }
        let span = builder.start();
        let asked = Arc::new(Mutex::new(Asked {
            names_model: target.model.is_some(),
            tokens: 0,
        }));
        if let Some(body) = body.filter(|_| span.is_recording()) {
            let (api, capture_input) = (target.api, calls.capture_input);
            let known = Arc::clone(&asked);
            span.update_later(body.len(), move || {
                let (update, asked) = request(api, &body, capture_input);
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                known.names_model |= asked.names_model;
                known.tokens = asked.tokens;
                update
            });
        }
        Some(Self {
            span: Some(span),
            api: target.api,
            capture_output: calls.capture_output,
            estimate_usage: calls.estimate_usage,
            asked,
            status: 0,
            is_events: false,
            call: Call::new(host, path, body_bytes),
            attempts: 1,
            received: Received::new(),
            preview: None,
            shown: 0,
            shown_at: None,
            look_again: 0,
        })
    }

    /// Writes the call's span to the headers of its request.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        self.in_scope(|| rollout_core::inject(headers));
    }

    /// Sends the request: what happens on the way is inside the call's span.
    pub(crate) async fn around<F: Future>(&self, send: impl FnOnce() -> F) -> F::Output {
        let mut sent = pin!(self.in_scope(send));
        std::future::poll_fn(|cx| self.in_scope(|| sent.as_mut().poll(cx))).await
    }

    fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.span {
            Some(span) => span.in_scope(|| self.call.around(f)),
            None => f(),
        }
    }

    /// How often the request was sent until it was answered.
    #[cfg(feature = "openai")]
    pub(crate) fn attempts(&mut self, attempts: u32) {
        self.attempts = attempts;
    }

    /// The answer has begun.
    pub(crate) fn head(&mut self, status: u16, media_type: Option<&str>) {
        self.status = status;
        self.is_events = media_type.is_some_and(|media_type| {
            media_type
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("text/event-stream")
        });
        if self.is_events && self.capture_output && status < 400 {
            self.preview = Some(Arc::new(Mutex::new(Preview::new(self.api))));
        }
    }

    /// It goes on.
    pub(crate) fn chunk(&mut self, bytes: &Bytes) {
        let Some(lap) = self.received.add(bytes) else {
            return;
        };
        if self.preview.is_some() {
            let counts = self.received.chunks().is_multiple_of(SHOWN_EVERY);
            if counts || lap >= self.look_again {
                self.look(counts, lap);
            }
        }
    }

    /// Shows what has come, if that is due.
    fn look(&mut self, counts: bool, lap: u64) {
        let since = self.shown_at.map(|shown_at| shown_at.elapsed());
        let is_due =
            since.is_none_or(|since| since >= SHOWN_AFTER || (counts && since >= SHOWN_AT_SOONEST));
        if is_due {
            self.show();
            self.shown_at = Some(Instant::now());
        } else if lap < self.look_again {
            return;
        }
        let since = since.filter(|_| !is_due).unwrap_or_default();
        let wait = self.received.ticks(SHOWN_AFTER.saturating_sub(since));
        self.look_again = lap.saturating_add(wait);
    }

    /// Lets the worker show what has come since it was shown.
    fn show(&mut self) {
        let (Some(preview), Some(span)) = (&self.preview, &self.span) else {
            return;
        };
        let (pieces, shown) = self.received.pieces_from(self.shown);
        self.shown = shown;
        let preview = Arc::clone(preview);
        let bytes = pieces.iter().map(Bytes::len).sum();
        span.update_later(bytes, move || {
            let mut preview = preview.lock().unwrap_or_else(PoisonError::into_inner);
            preview.go_on(&pieces)
        });
    }

    /// It is complete.
    pub(crate) fn done(mut self) {
        self.end(Ending::Done, None);
    }

    /// It, or the way to it, broke.
    pub(crate) fn broken(mut self, message: String) {
        self.end(Ending::Done, Some(message));
    }

    fn end(&mut self, ending: Ending, broken: Option<String>) {
        let Some(span) = self.span.take() else { return };
        let (api, status, is_events) = (self.api, self.status, self.is_events);
        let capture_output = self.capture_output;
        let kept = self.received.take();
        let (asked, estimate_usage) = (Arc::clone(&self.asked), self.estimate_usage);
        let (answered, attempts) = (status != 0, self.attempts.max(self.call.attempts()));
        span.end_later(ending, kept.bytes, move || {
            if !answered {
                return (sent(attempts), failure(broken));
            }
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = Answer {
                api,
                status,
                is_events,
                times: kept.times(),
                pieces: kept.pieces,
                asked: std::mem::take(&mut *asked),
                capture_output,
                estimate_usage,
                broken,
            };
            answer.tell(sent(attempts))
        });
    }

    /// Whether a stream has said its last word. Clients stop reading there and never see the end of the bytes.
    fn is_complete(&self) -> bool {
        let tail: &[&[u8]] = match self.api {
            Api::ChatCompletions | Api::Embeddings => &[b"[DONE]"],
            Api::Responses => &[
                b"response.completed",
                b"response.incomplete",
                b"response.failed",
            ],
            Api::Messages => &[b"message_stop"],
            Api::GenerateContent => &[b"finishReason"],
        };
        // Mostly it is in the last chunk or cut in two by where that begins; but the last event may be a long one.
        self.is_events
            && [4 << 10, 256 << 10].iter().any(|most| {
                let last = self.received.last_bytes(*most);
                tail.iter().any(|word| is_said(&last, word))
            })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.span.is_some() {
            // A refusal is one whether its words are read or not: who tries again does not read them.
            let ending = if self.status >= 400 || self.is_complete() {
                Ending::Done
            } else {
                Ending::Cancelled
            };
            self.end(ending, None);
        }
    }
}

/// Whether a word is in an event that is complete, which a blank line says.
fn is_said(events: &[u8], word: &[u8]) -> bool {
    let at = events
        .windows(word.len())
        .rposition(|window| window == word);
    at.is_some_and(|at| {
        let blank: [&[u8]; 3] = [b"\n\n", b"\n\r\n", b"\r\r"];
        let rest = &events[at..];
        blank
            .iter()
            .any(|blank| rest.windows(blank.len()).any(|window| window == *blank))
    })
}

/// Of a request that was sent once, nothing is said.
fn sent(attempts: u32) -> SpanUpdate {
    let update = SpanUpdate::new();
    if attempts > 1 {
        update.attribute("rollout.attempts", attempts)
    } else {
        update
    }
}

fn failure(message: Option<String>) -> SpanEnd {
    SpanEnd {
        error_type: message.as_ref().map(|_| "transport".to_owned()),
        error: message,
        ..SpanEnd::default()
    }
}

/// Writes what is to go along with a request: the span of the call, or of who sends what is none. A `traceparent` that
/// is there already stays.
pub(crate) fn carry(
    exchange: Option<&Exchange>,
    calls: &ModelCalls,
    host: &str,
    path: &str,
    headers: &mut HeaderMap,
) {
    let is_model_call = exchange.is_some() || Target::of(host, path).is_some();
    if calls.propagates(is_model_call) && !headers.contains_key("traceparent") {
        match exchange {
            Some(exchange) => exchange.inject(headers),
            None => rollout_core::inject(headers),
        }
    }
}

/// Whether the settings of the program leave an integration in.
fn is_chosen(integration: &str) -> bool {
    rollout_core::client().is_none_or(|client| {
        let chosen = client.config().integrations();
        chosen.is_empty() || chosen.contains(&integration)
    })
}

/// Says once that an address is none that is known.
fn unknown(host: &str, path: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::warn!(
            "rollout: {host}{path} is no model call that is known, so it passes unrecorded; this is said once"
        );
    }
}
