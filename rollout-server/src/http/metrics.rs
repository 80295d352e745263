//! What the server counts.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use super::App;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The counters of one server.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    events: Family<Outcome, Counter>,
    rejected: Family<Reason, Counter>,
    answers: Family<Answer, Counter>,
    seconds: Family<Route, Histogram>,
    store: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let events = Family::default();
        let rejected = Family::default();
        let answers = Family::default();
        let seconds = Family::new_with_constructor(buckets as fn() -> Histogram);
        let store = Gauge::default();
        let mut registry = Registry::with_prefix("rollout");
        registry.register(
            "ingested_events",
            "Events sent over HTTP, by outcome",
            events.clone(),
        );
        registry.register(
            "rejected_events",
            "Events sent over HTTP that were not taken, by reason",
            rejected.clone(),
        );
        registry.register(
            "http_requests",
            "Requests, by route and status",
            answers.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's, by route",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register_with_unit(
            "store_size",
            "What the store takes on the disk",
            Unit::Bytes,
            store.clone(),
        );
        Self {
            registry: Arc::new(registry),
            events,
            rejected,
            answers,
            seconds,
            store,
        }
    }

    /// Counts the events of a request: those that were taken, and the others by what is wrong with
    /// them.
    pub(super) fn events<'a>(
        &self,
        accepted: u64,
        rejected: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let mut all_rejected = 0;
        for (reason, number) in rejected {
            all_rejected += number;
            let reason = reason.to_owned();
            self.rejected
                .get_or_create(&Reason { reason })
                .inc_by(number);
        }
        for (outcome, number) in [("accepted", accepted), ("rejected", all_rejected)] {
            self.events
                .get_or_create(&Outcome { outcome })
                .inc_by(number);
        }
    }

    fn answer(&self, route: String, status: u16, took: Duration) {
        self.seconds
            .get_or_create(&Route {
                route: route.clone(),
            })
            .observe(took.as_secs_f64());
        self.answers.get_or_create(&Answer { route, status }).inc();
    }

    /// Everything, as OpenMetrics text.
    pub(super) fn text(&self, store_bytes: u64) -> String {
        self.store.set(store_bytes.cast_signed());
        let mut text = String::new();
        // A text takes whatever is written to it.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Counts a request by the route that answers it, never by an address that somebody made up.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let began = Instant::now();
    let response = next.run(request).await;
    app.metrics
        .answer(route, response.status().as_u16(), began.elapsed());
    response
}

/// From half a millisecond to sixteen seconds.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}
