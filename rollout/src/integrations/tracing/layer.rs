//! The layer itself: what a subscriber calls.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rollout_core::bridge::Here;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Level, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::calls;
use super::collect::Fields;
use super::kind::Kind;
use super::open::{Capture, Open};
use crate::place::Place;

/// A `tracing_subscriber` layer that records the spans of libraries that speak of models, agents and tools in the fields
/// of OpenTelemetry: rig, genai, and whoever else has `gen_ai.…` fields.
///
/// They become spans of type `agent`, `llm`, `tool` and so on, with model, provider, options, messages, arguments,
/// results, tokens and errors, as far as the library tells them: some record what is said only if they are asked to.
/// They are inside of the span that is current when they are opened, theirs or ours; and while one is entered, it is
/// the current span, so that what an annotated function records is inside of it. A call to a model that a wrapper of
/// ours sees as well is recorded once, with what both know.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(rollout::TracingLayer::new());
/// // tracing::subscriber::set_global_default(subscriber), beside the layers that there are
/// # let _ = subscriber;
/// ```
///
/// `tracing` closes the span of a future that is dropped in the same way as that of one that is done. So a call that is
/// given up ends as `ok` here, with what it had told by then: a model's call has no answer and no tokens, and its
/// `rollout.usage_source` is `absent`. Where a wrapper of ours sees the call too, or a function of ours is around what is
/// dropped, those end as `cancelled`.
///
/// Of one span, 128 fields and 1 MiB of text are kept until it is closed; how many fields were left out is said in
/// `rollout.fields_dropped`. Redaction is that of all values: by the names of fields, and by what looks like a key.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until a subscriber has it"]
pub struct TracingLayer {
    others: LevelFilter,
    capture: Capture,
}

/// A [`TracingLayer`] as it is without settings.
pub fn tracing_layer() -> TracingLayer {
    TracingLayer::new()
}

impl Default for TracingLayer {
    fn default() -> Self {
        calls::layer_made();
        Self {
            others: LevelFilter::OFF,
            capture: Capture {
                input: true,
                output: true,
            },
        }
    }
}

impl TracingLayer {
    /// Records spans with `gen_ai.…` fields, and no others.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records all other spans as well, from this level on up, as spans of type `span` with their fields as attributes.
    pub fn other_spans(mut self, level: impl Into<LevelFilter>) -> Self {
        self.others = level.into();
        self
    }

    /// Whether messages and arguments are recorded; they are unless this says otherwise.
    pub fn capture_input(mut self, capture: bool) -> Self {
        self.capture.input = capture;
        self
    }

    /// Whether answers and results are recorded; they are unless this says otherwise.
    pub fn capture_output(mut self, capture: bool) -> Self {
        self.capture.output = capture;
        self
    }

    /// Whether a span is recorded, and as what it is if its fields do not say.
    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        // What the worker does is no part of any trace: recording it would make more of it.
        let is_worker = || std::thread::current().name() == Some("rollout-worker");
        Kind::is_gen_ai(metadata) || (*metadata.level() <= self.others && !is_worker())
    }
}

thread_local! {
    /// A callback is running, so that what its work causes is not recorded.
    static BUSY: Cell<bool> = const { Cell::new(false) };

    /// The recorded spans that this thread has entered, and where it was before.
    static ENTERED: RefCell<Vec<(Id, Here)>> = const { RefCell::new(Vec::new()) };
}

/// Does the work of a callback, unless that comes from within another.
fn unless_busy(work: impl FnOnce()) {
    struct Done;

    impl Drop for Done {
        fn drop(&mut self) {
            BUSY.set(false);
        }
    }

    if !BUSY.replace(true) {
        let _done = Done;
        work();
    }
}

fn find<S>(id: &Id, ctx: &Context<'_, S>) -> Option<Arc<Open>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    ctx.span(id)?.extensions().get::<Arc<Open>>().cloned()
}

/// The nearest of a span and its ancestors that is recorded.
fn find_above<S>(id: &Id, ctx: &Context<'_, S>) -> Option<Arc<Open>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut scope = ctx.span(id)?.scope();
    scope.find_map(|span| span.extensions().get::<Arc<Open>>().cloned())
}

impl<S> Layer<S> for TracingLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let metadata = attrs.metadata();
        if !self.takes(metadata) {
            return;
        }
        unless_busy(|| {
            let above = attrs.parent().and_then(|parent| find_above(parent, &ctx));
            let back = above.map(|open| Here::inside(&open).go());
            let open = self.open(attrs);
            if let Some(back) = back {
                back.go();
            }
            if let (Some(open), Some(span)) = (open, ctx.span(id)) {
                let mut extensions = span.extensions_mut();
                // A second layer of ours has nothing to add.
                if extensions.get_mut::<Arc<Open>>().is_none() {
                    extensions.insert(open);
                }
            }
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        unless_busy(|| {
            if let Some(open) = find(id, &ctx) {
                let mut fields = Fields::default();
                values.record(&mut fields);
                open.record(fields);
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        // How `#[instrument(err)]`, and others by hand, say that a span has failed.
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let fields = event.metadata().fields();
        if fields.field("error").is_none() && fields.field("err").is_none() {
            return;
        }
        unless_busy(|| {
            let span = ctx.event_span(event).map(|span| span.id());
            if let Some(open) = span.and_then(|id| find(&id, &ctx)) {
                let mut fields = Fields::default();
                event.record(&mut fields);
                open.record(fields.only_errors());
            }
        });
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        unless_busy(|| {
            let Some(open) = find(id, &ctx) else { return };
            // A thread that is being torn down stays where it is.
            let _ = ENTERED.try_with(|entered| {
                if let Ok(mut entered) = entered.try_borrow_mut() {
                    entered.push((id.clone(), Here::inside(&open).go()));
                }
            });
        });
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        unless_busy(|| {
            let _ = ENTERED.try_with(|entered| {
                let Ok(mut entered) = entered.try_borrow_mut() else {
                    return;
                };
                let Some(index) = entered.iter().rposition(|(known, _)| known == id) else {
                    return;
                };
                let (_, before) = entered.remove(index);
                match entered.get_mut(index) {
                    // Another was entered since, and is left later.
                    Some((_, next)) => *next = before,
                    None => {
                        before.go();
                    }
                }
            });
            if let Some(open) = find(id, &ctx) {
                open.left();
            }
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        unless_busy(|| {
            let open = ctx
                .span(&id)
                .and_then(|span| span.extensions_mut().remove::<Arc<Open>>());
            if let Some(open) = open {
                open.closed();
            }
        });
    }
}

impl TracingLayer {
    fn open(&self, attrs: &Attributes<'_>) -> Option<Arc<Open>> {
        let place = Place::here()?;
        let metadata = attrs.metadata();
        let mut fields = Fields::default();
        attrs.record(&mut fields);
        let kind = if Kind::is_gen_ai(metadata) {
            Kind::of(metadata, &fields)
        } else {
            Kind::Span
        };
        if kind == Kind::Llm && calls::inside_a_wrapper() {
            return None;
        }
        Some(Open::start(
            &place,
            metadata.name(),
            kind,
            fields,
            self.capture,
        ))
    }
}
