//! Writes one value in the format of [`capture`](super), within its bound.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::ser::{self, Serialize};

use super::binary::{ByteRun, Hash, media_type};
use super::serializer::{Slot, Stop};
use super::words::{Words, header, words_of};
use super::{KeyMatcher, Tag};

/// Past this multiple of the bound, what is passed over is no longer counted: the value is closed.
const COUNTED: usize = 16;

/// Containers inside one another above which one is left out. JSON readers stop at about 128.
const DEEPEST: u32 = 120;

/// Words that are kept for each later argument, however long the first ones are.
const ARGUMENT_WORDS: usize = 128;

/// Words below which no further field is begun.
const FIELD_WORDS: usize = 8;

/// Bytes of a map's key that are kept.
const KEY_BYTES: usize = 4096;

/// Whether something was left out.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Cut {
    No = 0,
    Here,
    /// And there is no use in counting on.
    Stopped,
}

/// Appends a value, or several as arguments, to a buffer.
pub(crate) struct ValueWriter<'a> {
    out: &'a mut Words,
    pub(super) keys: &'a KeyMatcher,
    /// Words there may be in the buffer. 0 while elements are passed over: so the one comparison with it sends all
    /// that is out of the ordinary out of the way.
    limit: usize,
    /// Words in the buffer from which on a sequence takes no more items.
    nearly: usize,
    /// The byte that was written last and one, or 0 if the last value was none.
    last_byte: u16,
    /// A sequence of bytes that is not written any more.
    pub(super) run: Option<ByteRun>,
    open: u32,
    muted: bool,
    cut: Cut,
    /// Words that may be written in all, and where they began.
    bound: usize,
    from: usize,
    /// Bytes that were passed over, and how many of them before the argument at hand.
    skipped: usize,
    skipped_before: usize,
    /// Elements that were passed over of the one container that is full and not itself inside another such.
    passed: u64,
}

impl<'a> ValueWriter<'a> {
    /// A writer that takes at most `bound` bytes.
    #[inline]
    pub(crate) fn new(out: &'a mut Words, keys: &'a KeyMatcher, bound: usize) -> Self {
        let from = out.len();
        // Lengths are of 32 bits.
        let bound = bound.min(u32::MAX as usize) / 8;
        Self {
            out,
            keys,
            limit: from + bound,
            nearly: from + bound - bound / 8,
            last_byte: 0,
            run: None,
            open: 0,
            muted: false,
            cut: Cut::No,
            bound,
            from,
            skipped: 0,
            skipped_before: 0,
            passed: 0,
        }
    }

    /// The value begins here.
    #[inline]
    pub(crate) fn start_over(&mut self) {
        self.from = self.out.len();
        self.limit = self.from + self.bound;
        self.nearly = self.limit - self.bound / 8;
        self.cut = Cut::No;
        (self.skipped, self.skipped_before) = (0, 0);
    }

    /// Writes a serializable value. One that fails or panics costs itself: a marker says so.
    #[inline]
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.keyed(0, value);
    }

    /// Writes a value under a name, or a marker that it is redacted.
    #[inline]
    pub(crate) fn argument<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(key) = self.begin_argument(name) {
            self.keyed(key, value);
        }
    }

    /// The same for what `Debug` prints.
    pub(crate) fn argument_debug<T: fmt::Debug + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(key) = self.begin_argument(name) {
            self.keyed_debug(key, value);
        }
    }

    /// Writes what `Debug` prints of a value.
    pub(crate) fn debug<T: fmt::Debug + ?Sized>(&mut self, value: &T) {
        self.keyed_debug(0, value);
    }

    #[inline]
    fn keyed<T: Serialize + ?Sized>(&mut self, key: u32, value: &T) {
        let (from, open) = (self.out.len(), self.open);
        let result = catch_unwind(AssertUnwindSafe(|| value.serialize(Slot::new(self, key))));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(stop)) => self.recover(from, open, key, stop.reason()),
            Err(_) => self.recover(from, open, key, Some("its Serialize panicked")),
        }
    }

    fn keyed_debug<T: fmt::Debug + ?Sized>(&mut self, key: u32, value: &T) {
        let (from, open) = (self.out.len(), self.open);
        let mut text = BoundedText::new(self.left());
        let result = catch_unwind(AssertUnwindSafe(|| write!(text, "{value:?}")));
        match result {
            Ok(_) => self.text_of(key, &text.kept, text.total),
            Err(_) => self.recover(from, open, key, Some("its Debug panicked")),
        }
    }

    /// Writes what `Display` prints of a value, of which no more is put together than is kept: it may have no end.
    pub(super) fn display<T: fmt::Display + ?Sized>(
        &mut self,
        key: u32,
        value: &T,
    ) -> Result<(), Stop> {
        let mut text = BoundedText::new(self.left());
        let printed = write!(text, "{value}").is_ok();
        if !printed && !text.is_far_over() {
            return Err(ser::Error::custom("its Display failed"));
        }
        if self.muted || text.is_whole() {
            return self.text(key, &text.kept);
        }
        self.text_of(key, &text.kept, text.total);
        Ok(())
    }

    /// The key of the next argument, unless that must not be written: then it is redacted already.
    #[inline]
    fn begin_argument(&mut self, name: &'static str) -> Option<u32> {
        if self.is_cut() || self.limit < self.out.len() + ARGUMENT_WORDS {
            self.next_argument();
        }
        self.static_key(name)
    }

    /// However long the first arguments are, each later one keeps some room and is counted for itself.
    #[cold]
    #[inline(never)]
    fn next_argument(&mut self) {
        let room = (self.from + self.bound).saturating_sub(self.out.len());
        let room = room.max(ARGUMENT_WORDS);
        self.limit = self.out.len() + room;
        self.nearly = self.limit - room / 8;
        if self.is_cut() {
            self.cut = Cut::Here;
        }
        self.skipped_before = self.skipped;
    }

    /// The key of a struct's field, unless its value must not be written: then it is redacted already.
    #[inline]
    pub(super) fn static_key(&mut self, name: &'static str) -> Option<u32> {
        let known = self.keys.static_name(name);
        if known.is_plain() {
            return Some(known.key());
        }
        if known.key() == 0 {
            self.key(name);
        }
        if known.is_sensitive() {
            self.put_redacted(known.key());
            return None;
        }
        Some(known.key())
    }

    /// A marker in place of a value that must not be recorded.
    pub(crate) fn redacted(&mut self) {
        self.put_redacted(0);
    }

    #[cold]
    pub(super) fn put_redacted(&mut self, key: u32) {
        // A marker is written even past the bound, so it cannot fail.
        let _ = self.put(header(Tag::Redacted as u8, key, 0));
    }

    /// Where something was cut: the bytes there were in this format, at least.
    #[inline]
    pub(crate) fn cut_from(&self) -> Option<u64> {
        self.is_cut()
            .then_some(((self.out.len() - self.from) * 8 + self.skipped) as u64)
    }

    /// The buffer, for what is no value.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Words {
        self.out
    }

    /// After a stop or a failure: a stop keeps what there is and closes it, a failure withdraws it.
    #[cold]
    fn recover(&mut self, from: usize, open: u32, key: u32, failure: Option<&str>) {
        // A panic may have come while elements were being passed over.
        if std::mem::take(&mut self.muted) {
            self.limit = self.from + self.bound;
            self.nearly = self.limit - self.bound / 8;
        }
        if let Some(reason) = failure {
            self.out.truncate(from);
            self.open = open;
            self.failed(key, reason);
        } else {
            while self.open > open {
                self.end();
            }
        }
        self.last_byte = 0;
        self.run = None;
    }

    fn failed(&mut self, key: u32, reason: &str) {
        let opening = header(Tag::Failed as u8, key, reason.len() as u32);
        self.out.push_with_bytes(opening, reason.as_bytes());
    }

    /// Opens a container; or puts a marker in its place and returns `false` where it is too deep.
    #[inline]
    pub(super) fn begin(&mut self, tag: Tag, key: u32) -> bool {
        if self.open >= DEEPEST {
            return self.too_deep(key);
        }
        self.open += 1;
        self.last_byte = 0;
        let _ = self.put(header(tag as u8, key, 0));
        true
    }

    #[cold]
    fn too_deep(&mut self, key: u32) -> bool {
        self.note_cut();
        if !self.muted {
            self.failed(key, "it is too deep");
        }
        false
    }

    /// Closes a container.
    #[inline]
    pub(super) fn end(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.last_byte = 0;
        let _ = self.put(header(Tag::End as u8, 0, 0));
    }

    /// Bytes that may still be written.
    fn left(&self) -> usize {
        self.limit.saturating_sub(self.out.len()) * 8
    }

    /// Whether a sequence may take one more item.
    #[inline]
    pub(super) fn takes_item(&self) -> bool {
        self.out.len() < self.nearly
    }

    /// Whether a struct or map may take one more field.
    #[inline]
    pub(super) fn takes_field(&self) -> bool {
        self.out.len() + FIELD_WORDS <= self.limit
    }

    /// Counts a value without writing it.
    pub(super) fn pass_over<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.note_cut();
        if self.muted {
            return value.serialize(Slot::new(self, 0));
        }
        self.passed += 1;
        let (limit, nearly) = (self.limit, self.nearly);
        (self.limit, self.nearly, self.muted) = (0, 0, true);
        let result = value.serialize(Slot::new(self, 0));
        (self.limit, self.nearly, self.muted) = (limit, nearly, false);
        result
    }

    /// The container at hand takes no more elements; unless it is inside one of which that is true already, those
    /// that follow are counted from here.
    pub(super) fn is_full(&mut self) {
        if !self.muted {
            self.passed = 0;
        }
    }

    /// The elements that the container at hand was given since it was full.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.cut == Cut::Stopped
    }

    fn is_cut(&self) -> bool {
        self.cut != Cut::No
    }

    fn note_cut(&mut self) {
        if self.cut == Cut::No {
            self.cut = Cut::Here;
        }
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted
    }

    /// Where the next word goes, for [`Self::withdraw`].
    #[inline]
    pub(super) fn mark(&self) -> usize {
        self.out.len()
    }

    /// Withdraws all that was written since the mark.
    pub(super) fn withdraw(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    /// What was written since the mark.
    pub(super) fn since(&self, mark: usize) -> &[u64] {
        self.out.get(mark..).unwrap_or_default()
    }

    /// Closes a container without an end: the binary data that it turned out to be is written in its place.
    pub(super) fn close_as_binary(&mut self, start: usize, run: &ByteRun) {
        let key = (self.out.get(start).copied().unwrap_or_default() >> 8) as u32 & KEY_MASK;
        self.withdraw(start);
        self.open = self.open.saturating_sub(1);
        self.last_byte = 0;
        self.binary(key, run.length(), run.hash(), run.media_type());
    }

    /// Notes that the value just written was this byte.
    #[inline]
    pub(super) fn wrote_byte(&mut self, byte: u8) {
        self.last_byte = u16::from(byte) + 1;
    }

    /// The byte that the last value was, if it was one.
    #[inline]
    pub(super) fn take_byte(&mut self) -> Option<u8> {
        let byte = std::mem::take(&mut self.last_byte);
        (byte != 0).then(|| (byte - 1) as u8)
    }

    /// A value of one word.
    #[inline]
    pub(super) fn put(&mut self, word: u64) -> Result<(), Stop> {
        if self.out.len() >= self.limit {
            return self.put_past_limit(word, None);
        }
        self.out.push(word);
        Ok(())
    }

    /// A value of two words.
    #[inline]
    pub(super) fn put_two(&mut self, first: u64, second: u64) -> Result<(), Stop> {
        if self.out.len() + 1 >= self.limit {
            return self.put_past_limit(first, Some(second));
        }
        self.out.push_two(first, second);
        Ok(())
    }

    /// Where a value is due, a small one is written even past the bound: containers end before long.
    #[cold]
    #[inline(never)]
    fn put_past_limit(&mut self, first: u64, second: Option<u64>) -> Result<(), Stop> {
        if self.muted {
            return self.skip(16);
        }
        self.out.push(first);
        if let Some(second) = second {
            self.out.push(second);
        }
        Ok(())
    }

    /// Passes over so many bytes. Returns an error once there is no use in counting on.
    #[cold]
    fn skip(&mut self, bytes: usize) -> Result<(), Stop> {
        self.note_cut();
        self.skipped = self.skipped.saturating_add(bytes);
        if self.skipped - self.skipped_before > (self.bound * 8).saturating_mul(COUNTED) {
            return self.stop();
        }
        Ok(())
    }

    /// There is no use in going on: the value is closed here.
    #[cold]
    pub(super) fn stop(&mut self) -> Result<(), Stop> {
        self.cut = Cut::Stopped;
        Err(Stop::bound())
    }

    /// A text, cut where it does not fit.
    #[inline]
    pub(super) fn text(&mut self, key: u32, text: &str) -> Result<(), Stop> {
        if self.out.len() + words_of(text.len()) >= self.limit {
            return self.text_past_limit(key, text);
        }
        self.put_text(key, text);
        Ok(())
    }

    #[inline]
    fn put_text(&mut self, key: u32, text: &str) {
        let opening = header(Tag::Text as u8, key, text.len() as u32);
        self.out.push_with_bytes(opening, text.as_bytes());
    }

    #[cold]
    #[inline(never)]
    fn text_past_limit(&mut self, key: u32, text: &str) -> Result<(), Stop> {
        if self.muted {
            return self.skip(text.len() + 8);
        }
        self.text_of(key, text, text.len() as u64);
        Ok(())
    }

    /// A text of which `head` is at hand and `total` bytes there were.
    fn text_of(&mut self, key: u32, head: &str, total: u64) {
        if total == head.len() as u64 && self.out.len() + words_of(head.len()) < self.limit {
            return self.put_text(key, head);
        }
        if let Some(media_type) = data_url_media_type(head) {
            return self.binary(key, total, Hash::of(head.as_bytes()), media_type);
        }
        let kept = &head[..head.floor_char_boundary(head.len().min(self.left() / 2))];
        self.note_cut();
        self.skipped = self
            .skipped
            .saturating_add(usize::try_from(total).unwrap_or(usize::MAX) - kept.len());
        let opening = header(Tag::CutText as u8, key, kept.len() as u32);
        self.out.push(opening);
        self.out.push_with_bytes(total, kept.as_bytes());
    }

    /// Bytes that are no text.
    pub(super) fn bytes(&mut self, key: u32, bytes: &[u8]) -> Result<(), Stop> {
        if self.muted {
            return self.skip(32);
        }
        self.binary(key, bytes.len() as u64, Hash::of(bytes), media_type(bytes));
        Ok(())
    }

    fn binary(&mut self, key: u32, length: u64, hash: Hash, media_type: &str) {
        if self.muted {
            return;
        }
        let opening = header(Tag::Binary as u8, key, media_type.len() as u32);
        self.out.push_two(opening, length);
        self.out
            .push_with_bytes(hash.to_u64(), media_type.as_bytes());
    }

    /// The digits of an integer that 64 bits do not hold.
    pub(super) fn number(&mut self, key: u32, digits: &str) -> Result<(), Stop> {
        if self.muted {
            return self.skip(digits.len() + 8);
        }
        let opening = header(Tag::Number as u8, key, digits.len() as u32);
        self.out.push_with_bytes(opening, digits.as_bytes());
        Ok(())
    }

    /// The key of the value that follows, where it is no name that lives as long as the program.
    pub(super) fn key(&mut self, key: &str) {
        // A key is no place to cut: a longer one than any reader shows is cut all the same.
        let key = &key[..key.floor_char_boundary(key.len().min(KEY_BYTES))];
        if self.muted {
            self.skipped = self.skipped.saturating_add(key.len() + 8);
            return;
        }
        let opening = header(Tag::Key as u8, 0, key.len() as u32);
        self.out.push_with_bytes(opening, key.as_bytes());
    }

    /// Says how many elements or fields were passed over.
    pub(super) fn cut_here(&mut self, tag: Tag, count: u64) {
        if !self.muted {
            self.out.push_two(header(tag as u8, 0, 0), count);
        }
    }
}

/// The bits of a key.
const KEY_MASK: u32 = (1 << 24) - 1;

/// `image/png` of `data:image/png;base64,…`.
fn data_url_media_type(text: &str) -> Option<&str> {
    let (media_type, _) = text.strip_prefix("data:")?.split_once([';', ','])?;
    (media_type.len() < 100).then_some(media_type)
}

/// Takes text up to a bound, and counts the rest.
pub(super) struct BoundedText {
    pub(super) kept: String,
    left: usize,
    total: u64,
}

impl BoundedText {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            kept: String::new(),
            left: bound,
            total: 0,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.total == self.kept.len() as u64
    }

    /// Whether it is so long that the rest is not even counted.
    fn is_far_over(&self) -> bool {
        self.total > (self.kept.len() as u64).saturating_mul(COUNTED as u64) + 4096
    }
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
        if self.is_far_over() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
