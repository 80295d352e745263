//! A table of spans in Apache Parquet.

mod columns;

use std::{io, io::Write};

use ::parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

use self::columns::Columns;
use super::{ExportError, Writer};
use crate::{
    query::{MAX_SPANS, TraceSummary},
    store::Store,
};

/// Rows that are encoded at once, and bytes of payloads.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;
/// A group of rows closes when it takes so many bytes of memory.
const GROUP_BYTES: usize = 32 << 20;

impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => Self::Output(*error),
                Err(source) => Self::Output(io::Error::other(source)),
            },
            other => Self::Output(io::Error::other(other)),
        }
    }
}

/// Writes a row for each span.
pub(super) struct Parquet<'w> {
    writer: ArrowWriter<&'w mut (dyn Write + Send)>,
    columns: Columns,
    spanless: u64,
}

impl<'w> Parquet<'w> {
    pub(super) fn new(out: &'w mut (dyn Write + Send)) -> Result<Self, ExportError> {
        let columns = Columns::default();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("rollout ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        Ok(Self {
            writer: ArrowWriter::try_new(out, columns.schema(), Some(properties))?,
            columns,
            spanless: 0,
        })
    }

    fn encode(&mut self) -> Result<(), ExportError> {
        let batch = self.columns.batch().map_err(io::Error::other)?;
        self.writer.write(&batch)?;
        if self.writer.memory_size() > GROUP_BYTES {
            self.writer.flush()?;
        }
        Ok(())
    }
}

impl Writer for Parquet<'_> {
    fn trace(&mut self, store: &dyn Store, trace: &TraceSummary) -> Result<bool, ExportError> {
        let mut offset = 0;
        loop {
            let page = store.spans(&trace.trace_id, offset, MAX_SPANS)?;
            let page = page.unwrap_or_default();
            for row in &page.spans {
                // A span that has gone meanwhile is left out.
                let Some(span) = store.span(&trace.trace_id, &row.span_id)? else {
                    continue;
                };
                self.columns.push(trace, &span);
                if self.columns.rows() >= BATCH_ROWS || self.columns.bytes() >= BATCH_BYTES {
                    self.encode()?;
                }
            }
            offset += page.spans.len() as u64;
            if page.spans.is_empty() || offset >= page.total {
                break;
            }
        }
        self.spanless += u64::from(offset == 0);
        Ok(offset > 0)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<(&'static str, u64)>, ExportError> {
        if self.columns.rows() > 0 {
            self.encode()?;
        }
        self.writer.close()?;
        Ok(vec![("traces have no span", self.spanless)])
    }
}
