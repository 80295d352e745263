//! Lines of a file, decompressed, within bounds.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use serde::de::IgnoredAny;

use crate::ingest::MAX_BODY;

/// How files begin that are compressed.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// The lines of a file that say something, one after the other.
pub(super) struct Lines {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

/// A line.
pub(super) enum Line<'a> {
    /// As it is, without its end.
    Whole(&'a [u8]),
    /// One of more than [`MAX_BODY`] bytes, which was passed over.
    TooLong,
}

impl Lines {
    /// Looks at how the input begins. Fails if that cannot be read.
    pub(super) fn new(input: Box<dyn Read>) -> io::Result<Self> {
        let mut input = decompress(input)?;
        let mut first = Vec::new();
        read_line(&mut *input, &mut first)?;
        if breaks_off(&first) && first.len() <= MAX_BODY {
            let most = (MAX_BODY - first.len()) as u64 + 1;
            let mut rest = Vec::new();
            (&mut *input).take(most).read_to_end(&mut rest)?;
            let mut all = first;
            all.extend(rest);
            if all.len() <= MAX_BODY && serde_json::from_slice::<IgnoredAny>(&all).is_ok() {
                // A line break in JSON stands between its parts only.
                for byte in &mut all {
                    if matches!(byte, b'\n' | b'\r') {
                        *byte = b' ';
                    }
                }
            }
            first = all;
        }
        Ok(Self {
            input: Box::new(Cursor::new(first).chain(input)),
            line: Vec::new(),
            number: 0,
        })
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            if !read_line(&mut *self.input, &mut self.line)? {
                return Ok(None);
            }
            self.number += 1;
            if self.line.len() > MAX_BODY {
                return Ok(Some(Line::TooLong));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(Line::Whole(self.line.trim_ascii())));
            }
        }
    }
}

/// Reads a line with its end. Of one that is too long, one byte more than it may have is kept. Returns whether there
/// was any.
fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut read = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(read);
        }
        read = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.map_or(buffer.len(), |end| end + 1)];
        let room = (MAX_BODY + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let length = part.len();
        input.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Whether a line is JSON that goes on on the next one.
fn breaks_off(line: &[u8]) -> bool {
    let read = serde_json::from_slice::<IgnoredAny>(line);
    read.is_err_and(|error| error.is_eof()) && !line.trim_ascii().is_empty()
}

fn decompress(input: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    // A pipe may bring its first bytes one by one.
    let mut head = Vec::new();
    (&mut input)
        .take(ZSTD.len() as u64)
        .read_to_end(&mut head)?;
    let is_gzip = head.starts_with(GZIP);
    let is_zstd = head.starts_with(ZSTD);
    let input = Cursor::new(head).chain(input);
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input)))
    } else if is_zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(input)?;
        Box::new(BufReader::with_capacity(BUFFER, decoder))
    } else {
        Box::new(input)
    })
}
