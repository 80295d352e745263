//! `rollout import`: a file as traces.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;

use super::{Failure, local::Place};
use crate::import::{ImportError, import};

/// Take in events or spans out of a file
///
/// Reads what `rollout export` has written with --format ndjson or otlp, and what collectors and others write as
/// OTLP's JSON; compressed by gzip or zstd, too. What is there already is not taken twice. Ends with 1 if anything
/// was refused; the rest is taken.
#[derive(Debug, Clone, Args)]
pub(super) struct Import {
    /// The file; `-` is the standard input
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Import {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let file: Box<dyn Read> = if self.file.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            let opened = File::open(&self.file).map_err(|error| {
                Failure::told(format!("cannot read {}: {error}", self.file.display()))
            })?;
            Box::new(opened)
        };
        let store = self.place.store()?;
        let imported = import(file, Arc::clone(&store), &mut |line, why| {
            writeln!(say, "line {line}: {why}")
        })?;
        write!(out, "{} events taken", imported.events)?;
        match imported.spans {
            0 => writeln!(out)?,
            spans => writeln!(out, ", of {spans} spans")?,
        }
        match imported.refused {
            0 => Ok(()),
            refused => Err(Failure::told(format!("{refused} were refused"))),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Output(error) => error.into(),
            error @ ImportError::Input(..) => Self::told(error.to_string()),
        }
    }
}
