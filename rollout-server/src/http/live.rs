//! `/live`: tells open pages that something has changed. Only that: a page then asks again for
//! what it shows, so that a stream can be cut and resumed anywhere and costs a few bytes.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::pages::Pages;
use crate::{
    present::{self, Tone},
    store::Store,
};

/// Streams at once; a page that gets none still reads, and tries again.
pub(super) const STREAMS: usize = 256;
/// The least time between two words on one stream.
const PACE: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Only changes of this trace.
    trace: Option<String>,
    /// The last revision that the page has seen.
    since: Option<String>,
}

struct Stream {
    store: Arc<dyn Store>,
    trace: Option<String>,
    revisions: watch::Receiver<u64>,
    /// What the page knows; none before the first word.
    told: Option<String>,
    state: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

/// `GET /live`: an event `revision` at the start and after changes, at most five a second. Its
/// id is the revision; its data is `start` when it only says where the stream stands.
pub(super) async fn live(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let Ok(permit) = Arc::clone(pages.streams()).try_acquire_owned() else {
        let words = "too many pages are open: this one does not update by itself\n";
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "5")],
            words,
        )
            .into_response();
    };
    let resumed = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned);
    let stream = Stream {
        revisions: pages.store().revision(),
        store: Arc::clone(pages.store()),
        trace: asked.trace,
        told: resumed.or(asked.since),
        state: None,
        _permit: permit,
    };
    let events = stream::unfold((stream, true), |(mut stream, first)| async move {
        let event = if first {
            stream.begin().await
        } else {
            stream.next().await?
        };
        Some((Ok::<_, Infallible>(event), (stream, false)))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}

impl Stream {
    /// Says where the stream stands, and whether that is news to the page.
    async fn begin(&mut self) -> Event {
        let revision = self.revisions.borrow_and_update().to_string();
        self.state = self.look().await;
        let known = self.told.as_ref().is_none_or(|told| *told == revision);
        Event::default()
            .event("revision")
            .id(revision)
            .data(if known { "start" } else { "change" })
    }

    /// Waits for the next change that the page is to hear of; `None` when the store is gone.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::time::sleep(PACE).await;
            self.revisions.changed().await.ok()?;
            let revision = self.revisions.borrow_and_update().to_string();
            let state = self.look().await;
            // Changes of other traces do not concern a page whose own stands still.
            if self.trace.is_some() && state.is_some() && state == self.state {
                continue;
            }
            self.state = state;
            return Some(
                Event::default()
                    .event("revision")
                    .id(revision)
                    .data("change"),
            );
        }
    }

    /// A number for all that is known of the page's trace; none while it runs, since its spans
    /// may change unseen.
    async fn look(&self) -> Option<u64> {
        let id = self.trace.clone()?;
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || {
            let trace = store.trace(&id).ok()??;
            if present::status_tone(&trace.summary.status) == Tone::Running {
                return None;
            }
            let mut hash = DefaultHasher::new();
            serde_json::to_string(&trace).ok()?.hash(&mut hash);
            Some(hash.finish())
        })
        .await
        .ok()?
    }
}

/// The permits of all streams of one server.
pub(super) fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(STREAMS))
}
