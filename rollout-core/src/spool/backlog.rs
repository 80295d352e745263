//! What writers that are gone have left undelivered.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::{Cursor, Position};
use super::folder::{self, Folder};
use super::marks::Marks;
use super::segment::{self, Chunk, Data, Limit};

/// The segments of a dead writer that one exporter has yet to hand over. Its lock is held.
#[derive(Debug)]
pub(crate) struct Backlog {
    folder: Arc<Folder>,
    exporter: String,
    segments: VecDeque<(u64, PathBuf, u64)>,
    position: Position,
    /// Bytes from there on that were read and are yet to be handed over.
    taken: u64,
    /// What earlier processes have handed over; up to there it comes again.
    sent: Position,
    marks: Marks,
    /// What the exporter needs once more if this process dies, too.
    held: Option<Position>,
}

/// Adopts every dead writer's folder below `dir` that one of `exporters` has not finished.
/// Folders with nothing in them are cleared away.
pub(crate) fn adopt(dir: &Path, exporters: &[String]) -> Vec<Backlog> {
    let mut found = Vec::new();
    for path in folder::list(dir) {
        let Ok(Some(folder)) = Folder::adopt(&path) else {
            continue;
        };
        let Ok(segments) = segment::list(&path) else {
            continue;
        };
        if segments.is_empty() {
            folder.remove();
            continue;
        }
        let folder = Arc::new(folder);
        for name in exporters {
            if let Some(cursor) = Cursor::load(&path, name) {
                found.push(Backlog {
                    folder: Arc::clone(&folder),
                    exporter: name.clone(),
                    segments: segments.clone().into(),
                    position: cursor.start(),
                    taken: 0,
                    sent: cursor.position,
                    marks: Marks::default(),
                    held: None,
                });
            }
        }
    }
    found
}

impl Backlog {
    /// The exporter it is for.
    pub(crate) fn exporter(&self) -> &str {
        &self.exporter
    }

    /// Bytes that were read and are yet to be handed over.
    pub(crate) fn taken(&self) -> u64 {
        if self.position < self.sent {
            0
        } else {
            self.taken
        }
    }

    /// The dead writer's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The dead writer's name.
    pub(crate) fn writer(&self) -> Option<Arc<str>> {
        self.folder.name()
    }

    /// The next lines; none when all is handed over. Fails where a segment is there and cannot be read.
    pub(crate) fn read(&mut self, bytes: usize, events: u64) -> io::Result<Option<Chunk>> {
        while let Some((number, path, end)) = self.segments.front().cloned() {
            let offset = match self.position.segment.cmp(&number) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Equal => self.position.offset,
                std::cmp::Ordering::Greater => end,
            };
            let sent = match self.sent.segment.cmp(&number) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Equal => self.sent.offset,
                std::cmp::Ordering::Greater => end,
            };
            let again = offset < sent;
            let to = if again { end.min(sent) } else { end };
            let mut chunk = match Data::File(path.clone()).read(offset, to, Limit { bytes, events })
            {
                Ok(chunk) => chunk,
                Err(error) if path.exists() => return Err(error),
                Err(_) if self.look_again() => continue,
                Err(_) => Chunk::default(),
            };
            if chunk.events > 0 {
                let position = Position {
                    segment: number,
                    offset,
                };
                let begins = position.segment != self.position.segment;
                self.position = position;
                if begins {
                    // Whoever makes room finds there what is under way.
                    let _ = self.store();
                }
                self.taken = chunk.lines.len() as u64;
                chunk.number = self.marks.begin(position);
                chunk.again = again;
                return Ok(Some(chunk));
            }
            if again {
                // What was handed over last was cut.
                self.sent = Position::START;
                continue;
            }
            self.segments.pop_front();
        }
        Ok(None)
    }

    /// A segment that is gone went for the spool's bound: what stays of it has another number. Returns whether there is
    /// anything from here on.
    fn look_again(&mut self) -> bool {
        let folder = self.folder.path();
        // It may have been moved along.
        if let Some(cursor) = Cursor::load(folder, &self.exporter) {
            self.position = self.position.max(cursor.position);
        }
        let from = self.position.segment;
        let segments = segment::list(folder).unwrap_or_default().into_iter();
        self.segments = segments.filter(|(number, ..)| *number >= from).collect();
        !self.segments.is_empty()
    }

    /// What was read last is handed over. The exporter needs what it was given since the batch of this number once more
    /// if this process dies.
    pub(crate) fn advance(&mut self, needed: Option<u64>) -> io::Result<()> {
        let front = self.segments.front();
        if self.taken > 0 && front.is_some_and(|(_, path, _)| !path.exists()) {
            // What is under way stays when room is made, and so does its order.
            self.look_again();
        }
        self.position.offset += std::mem::take(&mut self.taken);
        self.held = self.marks.need(needed);
        self.store()
    }

    fn store(&self) -> io::Result<()> {
        let position = self.position.max(self.sent);
        let start = self
            .held
            .map_or(self.position, |held| held.min(self.position));
        let cursor = Cursor {
            position,
            held: (start < position).then_some(start),
        };
        cursor.store(self.folder.path(), &self.exporter)
    }

    /// All is handed over: there is nothing for this exporter here any more, and the folder
    /// goes with the last exporter that had something to get.
    pub(crate) fn finish(self) {
        let path = self.folder.path().to_owned();
        // If it stays, the next process finds the cursor at the end and finishes again.
        let _ = fs::remove_file(path.join(Position::file_name(&self.exporter)));
        if self.folder.is_kept() || has_cursor(&path) {
            return;
        }
        if let Some(folder) = Arc::into_inner(self.folder) {
            folder.remove();
        }
    }
}

/// Whether any exporter, of this process or another, has yet to come through here.
fn has_cursor(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|end| end == "cursor"))
    })
}
