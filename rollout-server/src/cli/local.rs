//! The traces of a directory, read in place with no server running.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Failure;
use crate::{
    ingest,
    query::{MAX_TRACES, TraceDetail, TraceQuery},
    store::Store,
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
}

impl Place {
    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The traces of a directory.
pub(super) struct Local {
    dir: PathBuf,
    pub(super) store: Arc<dyn Store>,
}

impl Local {
    /// Opens the store of a directory and takes in what programs have written beside it.
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let dir = &place.dir;
        if !dir.is_dir() {
            return Err(Failure::told(format!(
                "nothing is recorded here: {} does not exist. Run a program that calls \
                 rollout::init() in this directory, or name another one with --dir",
                dir.display()
            )));
        }
        let local = Self {
            dir: dir.clone(),
            store: crate::open_store(dir)?,
        };
        local.sync()?;
        Ok(local)
    }

    /// Takes in what has been written since.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        Ok(ingest::sync_once(&self.dir, &self.store)?)
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
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
        newest.map(|trace| trace.trace_id).ok_or_else(|| {
            Failure::told(format!(
                "no trace is recorded in {} yet",
                self.dir.display()
            ))
        })
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
                self.dir.display()
            ))),
            1 => Ok(found.remove(0)),
            _ => Err(Failure::told(format!(
                "several traces have an id that begins with {start}: {}",
                found.join(", ")
            ))),
        }
    }
}
