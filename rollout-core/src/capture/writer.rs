//! Writes one value in the binary format, within its bound.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::binary::{Hash, media_type};
use super::serializer::Stop;
use super::{KeyMatcher, Tag};

/// Past this multiple of the bound, what is passed over is no longer counted: the value is closed.
const COUNTED: usize = 16;

/// Containers inside one another above which one is left out. JSON readers stop at about 128.
const DEEPEST: u32 = 120;

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Where something was cut: the bytes there were in this format, at least.
    pub(crate) cut_from: Option<u64>,
}

/// Appends one value to a buffer.
pub(crate) struct ValueWriter<'a> {
    out: &'a mut Vec<u8>,
    pub(super) keys: &'a KeyMatcher,
    bound: usize,
    /// Where the value began in the buffer.
    from: usize,
    /// Elements are passed over: they are counted and not written.
    muted: bool,
    /// What was passed over.
    skipped: usize,
    cut: bool,
    /// The byte that was written last, if the last value was one.
    pub(super) last_byte: Option<u8>,
    open: u32,
    stopped: bool,
}

impl<'a> ValueWriter<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut Vec<u8>, keys: &'a KeyMatcher, bound: usize) -> Self {
        let from = out.len();
        Self {
            out,
            keys,
            bound,
            from,
            muted: false,
            skipped: 0,
            cut: false,
            last_byte: None,
            open: 0,
            stopped: false,
        }
    }

    /// Writes a serializable value. One that fails or panics costs itself: a marker says so.
    #[inline]
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        let (from, open) = (self.out.len(), self.open);
        let result = catch_unwind(AssertUnwindSafe(|| value.serialize(&mut *self)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(stop)) => self.recover(from, open, stop.reason()),
            Err(_) => self.recover(from, open, Some("its Serialize panicked")),
        }
    }

    /// Writes what `Debug` prints of a value.
    pub(crate) fn debug<T: fmt::Debug + ?Sized>(&mut self, value: &T) {
        let from = self.out.len();
        let mut text = BoundedText {
            kept: String::new(),
            left: self.left(),
            total: 0,
        };
        let result = catch_unwind(AssertUnwindSafe(|| write!(text, "{value:?}")));
        match result {
            Ok(_) => self.text_of(&text.kept, text.total),
            Err(_) => self.recover(from, self.open, Some("its Debug panicked")),
        }
    }

    /// Opens a map at the top, for arguments by their names.
    pub(crate) fn open_map(&mut self) {
        self.tag(Tag::Map);
        self.open += 1;
    }

    /// The key of the next value, or `false` where that value must not be written: it has been redacted.
    #[inline]
    pub(crate) fn field(&mut self, key: &'static str) -> bool {
        let name = self.keys.static_name(key);
        if self.muted {
            self.skipped = self.skipped.saturating_add(5);
            return true;
        }
        self.put_header(Tag::StaticKey, name.id as usize);
        if name.sensitive {
            self.tag(Tag::Redacted);
        }
        !name.sensitive
    }

    /// A marker in place of a value that must not be recorded.
    pub(crate) fn redacted(&mut self) {
        self.tag(Tag::Redacted);
    }

    /// Ends the map.
    pub(crate) fn close_map(&mut self) {
        self.close();
    }

    /// What became of the value.
    #[inline]
    pub(crate) fn finish(self) -> Written {
        Written {
            cut_from: self
                .cut
                .then_some((self.out.len() - self.from + self.skipped) as u64),
        }
    }

    /// After a stop or a failure: a stop keeps what there is and closes it, a failure withdraws it.
    fn recover(&mut self, from: usize, open: u32, failure: Option<&str>) {
        if let Some(reason) = failure {
            self.out.truncate(from);
            self.open = open;
            self.put_tagged(Tag::Failed, reason.as_bytes());
        } else {
            while self.open > open {
                self.close();
            }
        }
        self.last_byte = None;
    }

    /// Opens a container; or puts a marker in its place and returns `false` where it is too deep.
    #[inline]
    pub(super) fn begin(&mut self, tag: Tag) -> bool {
        if self.open >= DEEPEST {
            self.cut = true;
            if !self.muted {
                self.put_tagged(Tag::Failed, b"it is too deep");
            }
            return false;
        }
        self.tag(tag);
        self.open += 1;
        true
    }

    #[inline]
    pub(super) fn close(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.last_byte = None;
        self.tag(Tag::End);
    }

    /// What may still be written.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.bound.saturating_sub(self.out.len() - self.from)
    }

    /// Whether a container should take no more elements.
    #[inline]
    pub(super) fn is_nearly_full(&self) -> bool {
        self.left() < self.bound / 8
    }

    /// Counts a value without writing it.
    pub(super) fn pass_over<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.cut = true;
        let muted = std::mem::replace(&mut self.muted, true);
        let result = value.serialize(&mut *self);
        self.muted = muted;
        result
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Where the next byte goes, for [`Self::withdraw`].
    pub(super) fn mark(&self) -> usize {
        self.out.len()
    }

    /// Withdraws all that was written since the mark.
    pub(super) fn withdraw(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    /// Withdraws a container that was opened at the mark.
    pub(super) fn withdraw_open(&mut self, mark: usize) {
        self.withdraw(mark);
        self.open = self.open.saturating_sub(1);
    }

    /// Passes over so many bytes. Returns an error once there is no use in counting on.
    #[cold]
    fn skip(&mut self, bytes: usize) -> Result<(), Stop> {
        self.cut = true;
        self.skipped = self.skipped.saturating_add(bytes);
        if self.skipped > self.bound.saturating_mul(COUNTED) {
            self.stopped = true;
            return Err(Stop::bound());
        }
        Ok(())
    }

    /// A tag closes and opens, so it is written even where nothing is left, unless elements are passed over.
    #[inline]
    pub(super) fn tag(&mut self, tag: Tag) {
        if self.muted {
            self.skipped = self.skipped.saturating_add(1);
            return;
        }
        self.out.push(tag as u8);
    }

    /// A tag with `N` bytes.
    #[inline]
    pub(super) fn fixed<const N: usize>(&mut self, tag: Tag, bytes: [u8; N]) -> Result<(), Stop> {
        if self.muted {
            return self.skip(N + 1);
        }
        // Where a value is due, a small one is written even past the bound: containers end before long.
        // One append, since each has to know where the one before ended.
        let mut tagged = [0; 16];
        if let Some((first, rest)) = tagged.split_first_mut()
            && let Some(place) = rest.first_chunk_mut::<N>()
        {
            *first = tag as u8;
            *place = bytes;
        }
        self.out.extend_from_slice(&tagged[..=N]);
        Ok(())
    }

    /// A text, cut where it does not fit.
    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Result<(), Stop> {
        if self.muted {
            return self.skip(text.len() + 5);
        }
        if text.len() + 5 <= self.left() {
            self.put_tagged(Tag::Text, text.as_bytes());
        } else {
            self.text_of(text, text.len() as u64);
        }
        Ok(())
    }

    /// A text of which `head` is at hand and `total` bytes there were.
    fn text_of(&mut self, head: &str, total: u64) {
        if total == head.len() as u64 && head.len() + 5 <= self.left() {
            self.put_tagged(Tag::Text, head.as_bytes());
            return;
        }
        if let Some(media_type) = data_url_media_type(head) {
            self.binary(total, Hash::of(head.as_bytes()), media_type);
            return;
        }
        let kept = head.floor_char_boundary(head.len().min(self.left() / 2));
        self.cut = true;
        self.skipped = self
            .skipped
            .saturating_add(usize::try_from(total).unwrap_or(usize::MAX) - kept);
        self.out.push(Tag::CutText as u8);
        self.out.extend_from_slice(&(kept as u32).to_le_bytes());
        self.out.extend_from_slice(&total.to_le_bytes());
        self.out.extend_from_slice(&head.as_bytes()[..kept]);
    }

    /// Bytes that are no text.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let media_type = media_type(bytes);
        if self.muted {
            return self.skip(21 + media_type.len());
        }
        self.binary(bytes.len() as u64, Hash::of(bytes), media_type);
        Ok(())
    }

    pub(super) fn binary(&mut self, length: u64, hash: Hash, media_type: &str) {
        if self.muted {
            return;
        }
        self.out.push(Tag::Binary as u8);
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(&hash.to_u64().to_le_bytes());
        self.put_length(media_type.len());
        self.out.extend_from_slice(media_type.as_bytes());
    }

    /// The digits of an integer that 64 bits do not hold.
    pub(super) fn number(&mut self, digits: &str) -> Result<(), Stop> {
        if self.muted {
            return self.skip(digits.len() + 5);
        }
        self.put_tagged(Tag::Number, digits.as_bytes());
        Ok(())
    }

    /// The key of a map's entry.
    #[inline]
    pub(super) fn key(&mut self, key: &str) {
        // A key is no place to cut: a longer one than any reader shows is cut all the same.
        let key = &key[..key.floor_char_boundary(key.len().min(4096))];
        if self.muted {
            self.skipped = self.skipped.saturating_add(key.len() + 5);
            return;
        }
        self.put_tagged(Tag::Key, key.as_bytes());
    }

    /// Says how many elements or fields were passed over.
    pub(super) fn cut_here(&mut self, tag: Tag, count: u64) {
        if self.muted {
            return;
        }
        self.out.push(tag as u8);
        self.out.extend_from_slice(&count.to_le_bytes());
    }

    #[inline]
    fn put_tagged(&mut self, tag: Tag, bytes: &[u8]) {
        self.put_header(tag, bytes.len());
        append(self.out, bytes);
    }

    #[inline]
    fn put_header(&mut self, tag: Tag, number: usize) {
        let [a, b, c, d] = (number as u32).to_le_bytes();
        self.out.extend_from_slice(&[tag as u8, a, b, c, d]);
    }

    fn put_length(&mut self, length: usize) {
        self.out.extend_from_slice(&(length as u32).to_le_bytes());
    }
}

/// Appends bytes. Most are few, and a call to copy them would take longer than that takes (measured,
/// `benches/span.rs`).
#[inline]
fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    const FEW: usize = 24;
    if bytes.len() > FEW {
        return out.extend_from_slice(bytes);
    }
    out.reserve(FEW);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        out.extend_from_slice(word);
    }
    for byte in rest {
        out.push(*byte);
    }
}

/// `image/png` of `data:image/png;base64,…`.
fn data_url_media_type(text: &str) -> Option<&str> {
    let (media_type, _) = text.strip_prefix("data:")?.split_once([';', ','])?;
    (media_type.len() < 100).then_some(media_type)
}

/// Takes text up to a bound, and counts the rest.
struct BoundedText {
    kept: String,
    left: usize,
    total: u64,
}

impl fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.total += text.len() as u64;
        let kept = text.floor_char_boundary(text.len().min(self.left));
        self.kept.push_str(&text[..kept]);
        self.left -= kept;
        if kept < text.len() {
            self.left = 0;
        }
        // Counting goes on, but not for ever.
        if self.total > (self.kept.len() as u64).saturating_mul(COUNTED as u64) + 4096 {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
