//! The traces of a directory, read in place with no server running.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Failure;
use crate::{
    ingest,
    query::{MAX_TRACES, TraceDetail, TraceQuery},
    store::{Store, StoreError, StorePlace},
};

/// Pages of [`MAX_TRACES`] that are looked through for the beginning of an id.
const PAGES: usize = 40;

/// Where the traces are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Place {
    /// The directory that programs write to
    #[arg(
        long,
        value_name = "DIR",
        env = "ROLLOUT_DIR",
        default_value = ".rollout"
    )]
    dir: PathBuf,
    /// Where the store is, if not in the directory: sqlite:PATH or clickhouse://USER:PASSWORD@HOST:PORT/DATABASE.
    /// What programs have written in the directory is not taken in then
    #[arg(
        long,
        value_name = "STORE",
        env = "ROLLOUT_STORE",
        hide_env_values = true
    )]
    store: Option<StorePlace>,
}

/// Where a store is, with its password out of the environment if it wants one.
pub(super) fn place(place: Option<StorePlace>) -> StorePlace {
    let password = std::env::var("CLICKHOUSE_PASSWORD").ok();
    place.unwrap_or_default().or_password(password)
}

impl Place {
    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the store.
    pub(super) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        crate::open_store_at(&place(self.store.clone()), &self.dir)
    }
}

/// The traces of a directory.
pub(super) struct Local {
    dir: PathBuf,
    place: StorePlace,
    pub(super) store: Arc<dyn Store>,
}

impl Local {
    /// Opens the store of a directory and takes in what programs have written beside it.
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let dir = &place.dir;
        let reads_spool = place.store.is_none();
        if reads_spool && !dir.is_dir() {
            return Err(Failure::told(format!(
                "nothing is recorded here: {} does not exist. Run a program that calls \
                 rollout::init() in this directory, or name another one with --dir",
                dir.display()
            )));
        }
        let local = Self {
            dir: dir.clone(),
            place: self::place(place.store.clone()),
            store: place.store()?,
        };
        local.sync()?;
        Ok(local)
    }

    /// Takes in what has been written since.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        if self.place != StorePlace::Dir {
            return Ok(());
        }
        Ok(ingest::sync_once(&self.dir, &self.store)?)
    }

    /// Where the traces are, in words.
    pub(super) fn place(&self) -> String {
        match &self.place {
            StorePlace::Dir => self.dir.display().to_string(),
            place => place.to_string(),
        }
    }

    /// The trace of an id, the beginning of one, or `last`.
    pub(super) fn find(&self, wanted: &str) -> Result<TraceDetail, Failure> {
        let id = if wanted == "last" {
            self.newest()?
        } else if let Some(trace) = self.store.trace(wanted)? {
            return Ok(trace);
        } else {
            self.begins_with(wanted)?
        };
        self.store
            .trace(&id)?
            .ok_or_else(|| Failure::told(format!("the trace {id} has just been removed")))
    }

    fn newest(&self) -> Result<String, Failure> {
        let query = TraceQuery {
            limit: 1,
            ..TraceQuery::default()
        };
        let newest = self.store.traces(&query)?.traces.into_iter().next();
        newest
            .map(|trace| trace.trace_id)
            .ok_or_else(|| Failure::told(format!("no trace is recorded in {} yet", self.place())))
    }

    /// The one trace, among the newest, whose id begins so.
    fn begins_with(&self, start: &str) -> Result<String, Failure> {
        let mut found = Vec::new();
        let mut query = TraceQuery {
            limit: MAX_TRACES,
            ..TraceQuery::default()
        };
        for _ in 0..PAGES {
            let page = self.store.traces(&query)?;
            let ids = page.traces.into_iter().map(|trace| trace.trace_id);
            found.extend(ids.filter(|id| id.starts_with(start)));
            query.cursor = page.next_cursor;
            if query.cursor.is_none() || found.len() > 8 {
                break;
            }
        }
        match found.len() {
            0 => Err(Failure::told(format!(
                "no trace in {} has an id that begins with {start}; `rollout ls` lists them",
                self.place()
            ))),
            1 => Ok(found.remove(0)),
            _ => Err(Failure::told(format!(
                "several traces have an id that begins with {start}: {}",
                found.join(", ")
            ))),
        }
    }
}
