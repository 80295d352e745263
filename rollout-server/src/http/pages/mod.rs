//! The viewer's pages, made on the server: readable without scripts, kept fresh by
//! `viewer/js`. Every captured word reaches them through escaping templates.

mod chart;
mod columns;
mod compare;
mod compare_diff;
mod detail;
mod facts;
mod groups;
mod json;
mod list;
mod markdown;
mod outline;
mod picture;
mod piece;
mod reply;
mod row;
mod runs;
mod search;
mod sessions;
mod text;
mod timeline;
mod trace;
mod turn;
mod value;

use std::{path::Path, sync::Arc};

use axum::{Router, routing::get};
use tokio::sync::Semaphore;

use super::assets;
use crate::{compare::Kept, store::Store};

/// What the pages are made from.
#[derive(Clone)]
pub struct Pages {
    store: Arc<dyn Store>,
    comparisons: Arc<Kept>,
    dir: Arc<str>,
    streams: Arc<Semaphore>,
}

impl Pages {
    /// Pages over `store`; `dir` is the folder that an empty list tells the reader about.
    pub fn new(store: Arc<dyn Store>, dir: &Path, comparisons: Arc<Kept>) -> Self {
        Self {
            store,
            comparisons,
            dir: dir.display().to_string().into(),
            streams: super::live::permits(),
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) fn streams(&self) -> &Arc<Semaphore> {
        &self.streams
    }
}

/// The routes of the viewer. What no route takes is left to the caller, with [`not_found`] as
/// the page to show.
pub fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/", get(list::page))
        .route("/traces", get(list::all))
        .route("/traces/{trace_id}", get(trace::page))
        .route("/traces/{trace_id}/detail", get(trace::part))
        .route("/traces/{trace_id}/outline", get(outline::outline))
        .route("/compare", get(compare::page))
        .route("/compare/diff", get(compare::part))
        .route("/traces/{trace_id}/value", get(piece::page))
        .route("/traces/{trace_id}/image", get(picture::image))
        .route("/runs", get(runs::list))
        .route("/runs/{run_id}", get(runs::run))
        .route("/runs/{run_id}/datapoints", get(runs::datapoints))
        .route("/sessions", get(sessions::sessions))
        .route("/sessions/{id}", get(sessions::session))
        .route("/conversations", get(sessions::conversations))
        .route("/conversations/{id}", get(sessions::conversation))
        .route("/users", get(sessions::users))
        .route("/users/{id}", get(sessions::user))
        .route("/live", get(super::live::live))
        .with_state(pages)
        .route(
            &format!("/assets/{}/{{file}}", assets::version()),
            get(assets::serve),
        )
}

pub use reply::not_found;

/// What every page's frame says.
struct Frame {
    /// Where this build's styles and scripts are.
    assets: String,
    /// This server as the browser calls it.
    origin: String,
    /// Where programs without an endpoint write.
    dir: String,
}
