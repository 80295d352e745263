//! A request's body, decompressed within bounds.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::Refusal;

/// Bytes that a body may have, as it came and decoded. Not their ratio is bounded: events of
/// repeated text are compressed five hundred to one.
pub const MAX_BODY: usize = 16 << 20;

/// The largest window of zstd, as a power of two: no more memory than a body may take.
const ZSTD_WINDOW: u32 = 24;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// deflate, in the frame of zlib.
    Deflate,
    /// zstd.
    Zstd,
}

impl Encoding {
    /// The encoding that a `Content-Encoding` names; `None` for those that are not taken.
    pub fn of(header: &str) -> Option<Self> {
        match header.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

pub(super) fn decode(body: &[u8], encoding: Encoding) -> Result<Cow<'_, [u8]>, Refusal> {
    if body.len() > MAX_BODY {
        return Err(Refusal::TooLarge);
    }
    let broken = |error: io::Error| Refusal::Encoding(error.to_string());
    match encoding {
        Encoding::Identity => Ok(Cow::Borrowed(body)),
        Encoding::Gzip => read(MultiGzDecoder::new(body)),
        Encoding::Deflate => read(ZlibDecoder::new(body)),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW).map_err(broken)?;
            read(decoder)
        }
    }
}

fn read(decoder: impl Read) -> Result<Cow<'static, [u8]>, Refusal> {
    let mut decoded = Vec::new();
    decoder
        .take(MAX_BODY as u64 + 1)
        .read_to_end(&mut decoded)
        .map_err(|error| Refusal::Encoding(error.to_string()))?;
    if decoded.len() > MAX_BODY {
        return Err(Refusal::TooLarge);
    }
    Ok(Cow::Owned(decoded))
}
