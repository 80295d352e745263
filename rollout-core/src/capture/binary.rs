//! Binary data is kept as its length, its media type and a hash.

/// A hash of bytes that come one by one: FNV-1a, 64 bits. It tells equal payloads apart, and protects nothing.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut hash = Self::EMPTY;
        for byte in bytes {
            hash.byte(*byte);
        }
        hash
    }

    pub(super) fn to_u64(self) -> u64 {
        self.0
    }
}

/// A sequence that has turned out to be bytes, and so many of them that they are not kept one by one.
pub(super) struct ByteRun {
    length: u64,
    hash: Hash,
    head: [u8; 16],
}

impl ByteRun {
    /// A run that begins with these bytes.
    pub(super) fn new(bytes: impl Iterator<Item = u8>) -> Self {
        let mut run = Self {
            length: 0,
            hash: Hash::EMPTY,
            head: [0; 16],
        };
        bytes.for_each(|byte| run.push(byte));
        run
    }

    /// One byte more.
    pub(super) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.head.get_mut(self.length as usize) {
            *slot = byte;
        }
        self.hash.byte(byte);
        self.length += 1;
    }

    /// An element more that is no byte.
    pub(super) fn push_other(&mut self) {
        self.length += 1;
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn media_type(&self) -> &'static str {
        media_type(&self.head)
    }
}

/// The media type that the first bytes tell, or nothing.
pub(super) fn media_type(head: &[u8]) -> &'static str {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b", "application/gzip"),
        (b"ID3", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
    ];
    if head.starts_with(b"RIFF") {
        return match head.get(8..12) {
            Some(b"WEBP") => "image/webp",
            Some(b"WAVE") => "audio/wav",
            _ => "",
        };
    }
    MAGIC
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map_or("", |(_, media_type)| media_type)
}
