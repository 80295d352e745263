//! `rollout export`: traces as a file.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    Failure,
    local::{Local, Place},
};
use crate::export::{ExportError, Format, Selection, Threshold, export};

/// Write traces to a file that something else reads, the newest first
///
/// Reads the directory, with or without a server running. With --format ndjson nothing is lost: rollout import takes
/// it.
#[derive(Debug, Clone, Args)]
pub(super) struct Export {
    /// What they must have, such as status:ok user:cus_1 refund
    filter: Vec<String>,
    /// In which form
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    format: Format,
    /// Where to write; `-` is the standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Only traces that have scores, none of them lower; GRADER=SCORE looks at one grader's. May be given several
    /// times
    #[arg(long = "min-score", value_name = "SCORE")]
    scores: Vec<Threshold>,
    /// How many at most
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// With --format chat, write no `metadata`: some who train models take no more than the conversation
    #[arg(long)]
    without_metadata: bool,
    #[command(flatten)]
    place: Place,
}

impl Export {
    /// Runs the command; `say` takes what is no data.
    pub(super) fn run(&self, say: &mut dyn Write) -> Result<(), Failure> {
        let wanted = Selection {
            filter: super::ls::filter(&self.filter)?,
            scores: self.scores.clone(),
            limit: self.limit,
        };
        let local = Local::open(&self.place)?;
        let to_stdout = self.output.as_os_str() == "-";
        if to_stdout && self.format.is_binary() && io::stdout().is_terminal() {
            return Err(Failure::told(
                "this form is not for a terminal: write it to a file with -o FILE",
            ));
        }
        // What is written is taken as it is: nothing is done about colours.
        let file: Box<dyn Write + Send> = if to_stdout {
            Box::new(io::stdout())
        } else {
            let made = File::create(&self.output).map_err(|error| {
                Failure::told(format!("cannot write {}: {error}", self.output.display()))
            })?;
            Box::new(made)
        };
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let with_metadata = !self.without_metadata;
        let written = export(&*local.store, wanted, self.format, with_metadata, &mut out)?;
        out.flush()?;
        writeln!(say, "{} traces written", written.traces)?;
        for (why, count) in written.left_out {
            writeln!(say, "{count} {why}")?;
        }
        Ok(())
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            ExportError::Output(error) => error.into(),
        }
    }
}
