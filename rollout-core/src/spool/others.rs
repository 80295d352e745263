//! What the other writers below one directory take.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::folder::{self, Folder};
use super::segment;

/// How often it is looked for writers that have died: there may be thousands.
const LOOK_FOR_DEAD: Duration = Duration::from_mins(1);

/// After a look, so many times as long as it took there is no other.
const PAUSE: u32 = 10;

/// What the others take, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Others {
    dead: BTreeSet<PathBuf>,
    dead_bytes: u64,
    living: u64,
    living_bytes: u64,
    /// When the oldest segment of those that live was written last.
    oldest: Option<SystemTime>,
    next_look: Option<Instant>,
    next_look_for_dead: Option<Instant>,
}

impl Others {
    /// Bytes of writers that are gone.
    pub(super) fn dead_bytes(&self) -> u64 {
        self.dead_bytes
    }

    /// So many bytes of them were freed.
    pub(super) fn freed(&mut self, bytes: u64) {
        self.dead_bytes = self.dead_bytes.saturating_sub(bytes);
    }

    /// Writers that live, but for ourselves. What another process is about to send counts as living.
    pub(super) fn living(&self) -> u64 {
        self.living
    }

    /// Their bytes.
    pub(super) fn living_bytes(&self) -> u64 {
        self.living_bytes
    }

    /// When the oldest segment of those that live was written last.
    pub(super) fn oldest(&self) -> Option<SystemTime> {
        self.oldest
    }

    /// Looks, unless that was a moment ago. `own` is our folder, `adopted` are dead writers' folders that we hold.
    pub(super) fn look(&mut self, dir: &Path, own: Option<&Path>, adopted: &[PathBuf]) {
        let now = Instant::now();
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        let all: Vec<PathBuf> = folder::list(dir)
            .into_iter()
            .filter(|path| Some(path.as_path()) != own)
            .collect();
        if self.next_look_for_dead.is_none_or(|next| now >= next) {
            self.next_look_for_dead = Some(now + LOOK_FOR_DEAD);
            self.dead = dead(&all, adopted);
            self.dead_bytes = self.dead.iter().map(|path| bytes(path)).sum();
        }
        (self.living, self.living_bytes, self.oldest) = (0, 0, None);
        for path in all.iter().filter(|path| !self.dead.contains(*path)) {
            self.living += 1;
            self.living_bytes += bytes(path);
            let oldest = first_written(path);
            self.oldest = self.oldest.into_iter().chain(oldest).min();
        }
        self.next_look = Some(Instant::now() + now.elapsed() * PAUSE);
    }
}

/// Those whose locks nobody else holds.
fn dead(all: &[PathBuf], adopted: &[PathBuf]) -> BTreeSet<PathBuf> {
    all.iter()
        .filter(|path| adopted.contains(path) || matches!(Folder::adopt(path), Ok(Some(_))))
        .cloned()
        .collect()
}

fn bytes(folder: &Path) -> u64 {
    let segments = segment::list(folder).unwrap_or_default();
    segments.iter().map(|(.., bytes)| bytes).sum()
}

/// When the first segment in a folder was written last.
pub(super) fn first_written(folder: &Path) -> Option<SystemTime> {
    let (_, path, _) = segment::list(folder).ok()?.into_iter().next()?;
    path.metadata().ok()?.modified().ok()
}
