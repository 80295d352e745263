//! Reads a spool directory as programs write to it.
//!
//! A spool is `DIR/spool/WRITER/NUMBER.ndjson`: a folder for each process, which holds `lock`
//! while it lives, with segments of events, one a line, that are only appended to. What stays of
//! one when there is no room is written under a number between its own and that of the next, and
//! then it goes. How far each is read stands in the store, and moves in one transaction with the
//! events: so any number of processes may read one spool into one store.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use super::line;
use crate::store::{Origin, SpoolPosition, SpoolRange, Store, StoreError};

/// How often a running server looks for more.
const PACE: Duration = Duration::from_millis(50);
/// Bytes that are read and committed at a time; a longer line is read whole.
const CHUNK: u64 = 4 << 20;

/// How often a folder is listed again at once because a segment in it has gone; then it is left to
/// the next look.
const MOST_LISTINGS: u32 = 16;

/// Reads what is in the spool below `dir` into the store, once, and marks what processes that
/// are gone have left open.
pub fn sync_once(dir: &Path, store: &Arc<dyn Store>) -> Result<(), StoreError> {
    Spool::new(dir, Arc::clone(store)).sync()
}

/// A thread that reads a spool until it is dropped.
pub struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to read the spool below `dir`, which may come into being later.
    pub fn start(dir: &Path, store: Arc<dyn Store>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut spool = Spool::new(dir, store);
        let thread = std::thread::Builder::new()
            .name("rollout-watch".to_owned())
            .spawn(move || {
                let mut failing = false;
                while stopped.recv_timeout(PACE) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let result = spool.sync();
                    if let (Err(error), false) = (&result, failing) {
                        log::warn!(
                            "cannot store what is in the spool below {}: {error}",
                            spool.root.display()
                        );
                    }
                    failing = result.is_err();
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

struct Spool {
    root: PathBuf,
    store: Arc<dyn Store>,
    positions: Option<HashMap<String, SpoolPosition>>,
    /// Processes that are gone and read to the end.
    finished: HashSet<String>,
}

impl Spool {
    fn new(dir: &Path, store: Arc<dyn Store>) -> Self {
        Self {
            root: dir.join("spool"),
            store,
            positions: None,
            finished: HashSet::new(),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let result = self.sync_all();
        if result.is_err() {
            // Whatever went wrong, the store knows best where to go on.
            self.positions = None;
        }
        match result {
            Err(StoreError::Overtaken) => Ok(()),
            result => result,
        }
    }

    fn sync_all(&mut self) -> Result<(), StoreError> {
        let mut positions = match self.positions.take() {
            Some(positions) => positions,
            None => self.known_positions()?,
        };
        let writers = writers(&self.root);
        for writer in &writers {
            if !self.finished.contains(writer) {
                let position = positions
                    .entry(writer.clone())
                    .or_insert_with(|| SpoolPosition {
                        writer: writer.clone(),
                        segment: 0,
                        offset: 0,
                        gone: false,
                    });
                self.sync_writer(position)?;
            }
        }
        // A folder goes when all that was in it is delivered and its process is gone.
        for position in positions.values_mut() {
            if !position.gone && !writers.contains(&position.writer) {
                self.store.writer_gone(&position.writer).wait()?;
                position.gone = true;
            }
        }
        self.positions = Some(positions);
        Ok(())
    }

    fn known_positions(&self) -> Result<HashMap<String, SpoolPosition>, StoreError> {
        let known = self.store.spool_positions()?.into_iter();
        Ok(known
            .map(|position| (position.writer.clone(), position))
            .collect())
    }

    fn sync_writer(&mut self, position: &mut SpoolPosition) -> Result<(), StoreError> {
        let folder = self.root.join(&position.writer);
        let segments = segments(&folder);
        if segments.is_empty() && position.segment == 0 {
            // A process that has only begun; nothing is to be interrupted.
            return Ok(());
        }
        // Asked first: what is read after that is all there will ever be.
        let gone = is_gone(&folder);
        if !self.sync_segments(position, segments)? {
            return Ok(());
        }
        if gone {
            if !position.gone {
                self.store.writer_gone(&position.writer).wait()?;
                position.gone = true;
            }
            self.finished.insert(position.writer.clone());
        }
        Ok(())
    }

    /// Returns whether all that was there is read.
    fn sync_segments(
        &self,
        position: &mut SpoolPosition,
        mut segments: BTreeMap<u64, PathBuf>,
    ) -> Result<bool, StoreError> {
        let folder = self.root.join(&position.writer);
        'listing: for _ in 0..MOST_LISTINGS {
            for (number, path) in segments.range(position.segment..) {
                if *number > position.segment {
                    (position.segment, position.offset) = (*number, 0);
                }
                if !self.sync_segment(position, path)? {
                    // What stays of it was there before it went, with a number that comes next.
                    segments = self::segments(&folder);
                    continue 'listing;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads the whole lines that are there. What follows the last line break is either not
    /// written yet, or never will be.
    /// Returns `false` for a segment that is gone.
    fn sync_segment(&self, position: &mut SpoolPosition, path: &Path) -> Result<bool, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                log::warn!("cannot read {}: {error}", path.display());
                return Ok(true);
            }
        };
        loop {
            let lines = match whole_lines(&mut file, position.offset) {
                Ok(lines) if lines.is_empty() => return Ok(true),
                Ok(lines) => lines,
                Err(error) => {
                    log::warn!("cannot read {}: {error}", path.display());
                    return Ok(true);
                }
            };
            let mut events = Vec::new();
            for (number, text) in lines.split(|byte| *byte == b'\n').enumerate() {
                match line(text) {
                    _ if text.is_empty() => {}
                    Ok(event) => events.push(event),
                    Err(error) => log::warn!(
                        "{}: line {} after byte {} is no event: {error}",
                        path.display(),
                        number + 1,
                        position.offset
                    ),
                }
            }
            let to = position.offset + lines.len() as u64;
            let range = SpoolRange {
                writer: position.writer.clone(),
                segment: position.segment,
                from: position.offset,
                to,
            };
            self.store.append(events, Origin::Spool(range)).wait()?;
            position.offset = to;
            position.gone = false;
        }
    }
}

/// The lines from an offset on, each with its line break: about a [`CHUNK`] of them, or none.
fn whole_lines(file: &mut File, offset: u64) -> io::Result<Vec<u8>> {
    if file.metadata()?.len() <= offset {
        return Ok(Vec::new());
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut lines = Vec::new();
    loop {
        let read = file.by_ref().take(CHUNK).read_to_end(&mut lines)?;
        if let Some(last) = lines.iter().rposition(|byte| *byte == b'\n') {
            lines.truncate(last + 1);
            return Ok(lines);
        }
        if read == 0 {
            return Ok(Vec::new());
        }
    }
}

fn writers(root: &Path) -> HashSet<String> {
    // There is no folder before the first program has run.
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn segments(folder: &Path) -> BTreeMap<u64, PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_suffix(".ndjson")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect()
}

/// Whether the process that writes to a folder is gone: it would hold the lock.
fn is_gone(folder: &Path) -> bool {
    match File::open(folder.join("lock")) {
        // The lock goes again with the file.
        Ok(lock) => match lock.try_lock_shared() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => {
                log::warn!(
                    "cannot tell whether the writer of {} lives: {error}",
                    folder.display()
                );
                false
            }
        },
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
