//! Segments: appended to as whole lines, read as whole lines.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::line::Line;
use super::runs::{self, Run};

/// The end of a segment's file name.
const EXTENSION: &str = "ndjson";

/// From the number of a segment to that of the next one: what stays of a segment goes to the numbers between.
pub(crate) const NUMBERS_APART: u64 = 1000;

/// How much is read at once beyond what was asked for, to find the end of a long line.
const STEP: usize = 64 * 1024;

/// Where a segment's lines are.
#[derive(Debug)]
pub(crate) enum Data {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Memory(Vec<u8>),
}

/// Some whole lines of a segment.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// The lines, each with its `\n`.
    pub(crate) lines: Vec<u8>,
    /// How many there are.
    pub(crate) events: u64,
    /// Counts what one reader is given of a writer, from 1 on.
    pub(crate) number: u64,
    /// An earlier process has handed it over.
    pub(crate) again: bool,
}

/// How much to read at most. One line is always read, however long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    pub(crate) events: u64,
}

/// The file of a segment.
pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.{EXTENSION}"))
}

/// The segments in a folder, oldest first: number, path, bytes.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != EXTENSION) {
            continue;
        }
        let number = path.file_stem().and_then(|stem| stem.to_str());
        if let Some(number) = number.and_then(|stem| stem.parse().ok()) {
            found.push((number, path, entry.metadata()?.len()));
        }
    }
    found.sort_unstable_by_key(|(number, ..)| *number);
    Ok(found)
}

impl Data {
    /// Whole lines from `offset` on, up to `end`, within `limit`; none at the end or where only
    /// a torn line is left.
    pub(crate) fn read(&self, offset: u64, end: u64, limit: Limit) -> io::Result<Chunk> {
        match self {
            Self::Memory(bytes) => {
                let end = bytes.len().min(usize::try_from(end).unwrap_or(usize::MAX));
                let from = end.min(usize::try_from(offset).unwrap_or(usize::MAX));
                let (length, events) = whole_lines(&bytes[from..end], limit);
                Ok(Chunk {
                    lines: bytes[from..from + length].to_vec(),
                    events,
                    ..Chunk::default()
                })
            }
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let mut rest = file.take(end.saturating_sub(offset));
                let mut lines = Vec::new();
                let mut want = limit.bytes;
                loop {
                    let read = (&mut rest).take(want as u64).read_to_end(&mut lines)?;
                    let (length, events) = whole_lines(&lines, limit);
                    if events > 0 || read < want {
                        lines.truncate(length);
                        return Ok(Chunk {
                            lines,
                            events,
                            ..Chunk::default()
                        });
                    }
                    want = lines.len().max(STEP);
                }
            }
        }
    }

    /// Removes the file, if it is one. What cannot be removed is bounded and removed as a dead writer's later.
    pub(super) fn remove(&self) {
        if let Self::File(path) = self {
            let _ = fs::remove_file(path);
        }
    }

    /// Whose the lines are up to `end`, as far as they can be read.
    pub(super) fn runs(&self, end: u64) -> Vec<Run> {
        let mut runs = Vec::new();
        self.each_chunk(end, |lines| {
            for run in runs::of(lines) {
                runs::push(&mut runs, run);
            }
        });
        runs
    }

    /// What the marks up to `end` tell of, but for the first `skip` lines: see [`Line::told`].
    pub(super) fn marks(&self, end: u64, mut skip: u64) -> Vec<(u128, u64)> {
        let mut told = Vec::new();
        self.each_chunk(end, |lines| {
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if skip > 0 {
                    skip -= 1;
                } else {
                    told.extend(Line::new(line).told());
                }
            }
        });
        told
    }

    fn each_chunk(&self, end: u64, mut chunk: impl FnMut(&[u8])) {
        let mut offset = 0;
        let limit = Limit {
            bytes: 1 << 20,
            events: u64::MAX,
        };
        while let Ok(read) = self.read(offset, end, limit)
            && read.events > 0
        {
            chunk(&read.lines);
            offset += read.lines.len() as u64;
        }
    }
}

/// The bytes and number of the whole lines at the start of `text`, within `limit`.
fn whole_lines(text: &[u8], limit: Limit) -> (usize, u64) {
    let (mut length, mut events) = (0, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let torn = line.last() != Some(&b'\n');
        let full = events > 0 && length + line.len() > limit.bytes;
        if torn || full || events >= limit.events {
            break;
        }
        length += line.len();
        events += 1;
    }
    (length, events)
}
