//! Events and spans out of a file, into a store.

mod lines;
mod sink;

use std::{fmt, fmt::Write as _, io, io::Read, sync::Arc};

use serde::{Deserialize, de::IgnoredAny};

use self::{
    lines::{Line, Lines},
    sink::Sink,
};
use crate::{
    ingest::{self, Encoding, Format, MAX_BODY, Spans},
    store::{Store, StoreError},
};

/// What was read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Events that are in the store now, those that were there before included.
    pub(crate) events: u64,
    /// Spans of OpenTelemetry that some of them are of.
    pub(crate) spans: u64,
    /// Lines, events and spans that are not.
    pub(crate) refused: u64,
}

/// Why a file could not be read to its end. What was read until then is in the store.
#[derive(Debug)]
pub(crate) enum ImportError {
    Store(StoreError),
    /// The file, behind the line of that number.
    Input(u64, io::Error),
    /// Whoever is told about lines does not listen any more.
    Output(io::Error),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Input(line, error) => write!(f, "cannot read on after line {line}: {error}"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Takes in lines of events and of requests of OTLP, as they are or compressed by gzip or zstd. `refuse` is told the
/// number of each line that is refused, wholly or in part, and why.
///
/// A file that is one document of JSON over several lines is read as one line.
pub(crate) fn import(
    input: Box<dyn Read>,
    store: Arc<dyn Store>,
    refuse: &mut dyn FnMut(u64, &str) -> io::Result<()>,
) -> Result<Imported, ImportError> {
    let mut sink = Sink::new(store);
    let mut imported = Imported::default();
    let mut lines = Lines::new(input).map_err(|error| ImportError::Input(0, error))?;
    let read = loop {
        let taken = match lines.next() {
            Ok(None) => break Ok(()),
            Err(error) => break Err(ImportError::Input(lines.number(), error)),
            Ok(Some(Line::Whole(line))) => take(line, &mut sink, &mut imported)?,
            Ok(Some(Line::TooLong)) => {
                imported.refused += 1;
                Err(format!("longer than {} MiB", MAX_BODY >> 20))
            }
        };
        if let Err(why) = taken {
            refuse(lines.number(), &why).map_err(ImportError::Output)?;
        }
    };
    // What was good until then stays.
    sink.finish()?;
    read.map(|()| imported)
}

/// Takes in what a line holds, or tells in words what of it is refused.
fn take(
    line: &[u8],
    sink: &mut Sink,
    imported: &mut Imported,
) -> Result<Result<(), String>, StoreError> {
    let why = match ingest::line(line) {
        Ok(event) => {
            imported.events += 1;
            sink.push([event], line.len())?;
            return Ok(Ok(()));
        }
        Err(why) => why,
    };
    let refused = match Shape::of(line) {
        Shape {
            resource_spans: Some(IgnoredAny),
            ..
        } => match ingest::receive_spans(line, Encoding::Identity, Format::Json) {
            Ok(spans) => return take_spans(spans, sink, imported),
            Err(refusal) => refusal.to_string(),
        },
        Shape {
            events: Some(IgnoredAny),
            ..
        } => match ingest::receive(line, Encoding::Identity) {
            Ok(received) => {
                imported.events += received.events.len() as u64;
                sink.push(received.events, line.len())?;
                imported.refused += received.errors.len() as u64;
                return Ok(match received.errors.first() {
                    None => Ok(()),
                    Some(first) => Err(format!(
                        "{} events are refused; event {}: {}",
                        received.errors.len(),
                        first.index,
                        first.message
                    )),
                });
            }
            Err(refusal) => refusal.to_string(),
        },
        Shape { .. } => why,
    };
    imported.refused += 1;
    // Every line is the first one for who reads it alone.
    Ok(Err(refused.replace(" at line 1 column ", " at column ")))
}

fn take_spans(
    mut spans: Spans,
    sink: &mut Sink,
    imported: &mut Imported,
) -> Result<Result<(), String>, StoreError> {
    loop {
        let events = spans.next_events();
        if events.is_empty() {
            break;
        }
        imported.events += events.len() as u64;
        sink.push(events, 0)?;
        // One line may be of megabytes, and its events of more.
        sink.flush()?;
    }
    let rejected: u64 = spans.rejected().values().sum();
    imported.spans += spans.seen() - rejected;
    imported.refused += rejected;
    if rejected == 0 {
        return Ok(Ok(()));
    }
    let mut words = format!("{rejected} of {} spans are refused", spans.seen());
    for error in spans.explained() {
        // A text takes whatever is written to it.
        let _ = write!(words, "; span {}: {}", error.index, error.message);
    }
    Ok(Err(words))
}

/// What tells what a line is that is no event.
#[derive(Default, Deserialize)]
struct Shape {
    /// A request of OTLP.
    #[serde(rename = "resourceSpans", alias = "resource_spans")]
    resource_spans: Option<IgnoredAny>,
    /// A batch, as it goes over the wire.
    events: Option<IgnoredAny>,
}

impl Shape {
    fn of(line: &[u8]) -> Self {
        serde_json::from_slice(line).unwrap_or_default()
    }
}
