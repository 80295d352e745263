//! How far an exporter has come, kept in a small file beside the segments.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A byte of a segment. Everything before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Bytes from its start; always the start of a line.
    pub(crate) offset: u64,
}

impl Position {
    /// Before everything.
    pub(crate) const START: Self = Self {
        segment: 1,
        offset: 0,
    };

    /// The file of the exporter `name` in the folder of a writer.
    pub(crate) fn file_name(name: &str) -> String {
        format!("{name}.cursor")
    }
}

/// How far an exporter has come with what a writer has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// All before it is handed over.
    #[serde(flatten)]
    pub(crate) position: Position,
    /// What follows this is needed once more by the next process, if that is earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Position>,
}

impl Cursor {
    /// Where the next process begins.
    pub(crate) fn start(self) -> Position {
        self.held
            .map_or(self.position, |held| held.min(self.position))
    }

    /// Reads it; `None` if this exporter has none here. A damaged file counts as the start:
    /// sending twice is told apart by event ids, losing is not.
    pub(crate) fn load(folder: &Path, name: &str) -> Option<Self> {
        let text = fs::read(folder.join(Position::file_name(name))).ok()?;
        Some(serde_json::from_slice(&text).unwrap_or(Self {
            position: Position::START,
            held: None,
        }))
    }

    /// Those of all exporters in the folder of a writer, by name.
    pub(crate) fn all(folder: &Path) -> Vec<(String, Self)> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".cursor")?.to_owned())
        });
        names
            .filter_map(|name| Some((name.clone(), Self::load(folder, &name)?)))
            .collect()
    }

    /// Writes it whole or not at all.
    pub(crate) fn store(self, folder: &Path, name: &str) -> io::Result<()> {
        let path = folder.join(Position::file_name(name));
        let next = path.with_extension("cursor.next");
        let text = serde_json::to_vec(&self).map_err(io::Error::other)?;
        fs::write(&next, text)?;
        fs::rename(&next, &path)
    }
}
