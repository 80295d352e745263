//! Which field names are sensitive.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

/// Words that are sensitive wherever they stand in a name.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secrets",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "cookies",
    "apikey",
    "privatekey",
    "accesskey",
    "secretkey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "bearer",
    "ssn",
    "cvv",
    "cvc",
];

/// Words that are sensitive where they end a name: `access_token` is, `token_count` and `max_tokens` are not.
const LAST_WORDS: &[&str] = &["token", "auth", "pin", "otp"];

/// Pairs of words that are sensitive wherever they stand together.
const PAIRS: &[(&str, &str)] = &[
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("secret", "key"),
    ("signing", "key"),
    ("encryption", "key"),
    ("credit", "card"),
    ("card", "number"),
    ("pass", "word"),
];

/// Says whether the value of a field or map key must not be recorded, by the words of its name.
///
/// A name is cut into words at `_`, `-`, `.`, blanks and where case changes, so `apiKey`, `API_KEY` and
/// `x-api-key` are the same name, while `max_tokens` and `token_count` are not `token`.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyMatcher {
    extra: Vec<Vec<String>>,
    id: u32,
}

/// Names of struct fields and parameters live as long as the program, so that they can be known by their address.
#[derive(Clone, Copy)]
struct Seen {
    address: usize,
    length: usize,
    matcher: u32,
    name: StaticName,
}

impl Seen {
    const NONE: Self = Self {
        address: 0,
        length: 0,
        matcher: 0,
        name: StaticName(0),
    };

    #[inline]
    fn is(&self, address: usize, length: usize, matcher: u32) -> bool {
        self.address == address && self.length == length && self.matcher == matcher
    }
}

/// What is known of a name that lives as long as the program: its key, and whether it is sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaticName(u32);

impl StaticName {
    const SENSITIVE: u32 = 1 << 31;

    /// Keys have 24 bits.
    const MAX_KEY: u32 = (1 << 24) - 1;

    /// Whether it has a key and is not sensitive.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.0.wrapping_sub(1) < Self::MAX_KEY
    }

    pub(super) fn is_sensitive(self) -> bool {
        self.0 & Self::SENSITIVE != 0
    }

    /// What [`static_name`] finds it by, or 0 where there are too many names.
    #[inline]
    pub(super) fn key(self) -> u32 {
        self.0 & Self::MAX_KEY
    }
}

/// All such names that were met.
#[derive(Default)]
struct Names {
    in_order: Vec<&'static str>,
    keys: HashMap<&'static str, u32>,
}

static NAMES: LazyLock<RwLock<Names>> = LazyLock::new(RwLock::default);

/// The name of a key, which is 1 or more.
pub(crate) fn static_name(key: u32) -> Option<&'static str> {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    let index = usize::try_from(key.checked_sub(1)?).ok()?;
    names.in_order.get(index).copied()
}

#[cold]
fn key_of(name: &'static str) -> u32 {
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.keys.get(name) {
        return *known;
    }
    let key = names.in_order.len() as u32 + 1;
    if key > StaticName::MAX_KEY {
        return 0;
    }
    names.in_order.push(name);
    names.keys.insert(name, key);
    key
}

/// Places that are looked at for one name.
const PROBES: usize = 4;

/// Names that a thread remembers; a power of two.
const SEEN: usize = 128;

thread_local! {
    static CACHE: [Cell<Seen>; SEEN] = const { [const { Cell::new(Seen::NONE) }; SEEN] };
}

impl KeyMatcher {
    /// The built-in names, and `extra` ones: each a word or several (`"internal_note"`) that must follow one another.
    pub(crate) fn new<I>(extra: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let extra = extra
            .into_iter()
            .map(|name| {
                let mut words = Vec::new();
                each_word(name.as_ref(), |word| words.push(word.to_owned()));
                words
            })
            .filter(|words| !words.is_empty())
            .collect();
        Self {
            extra,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The key of a name that lives as long as the program, and the verdict on it, both remembered.
    #[inline]
    pub(crate) fn static_name(&self, name: &'static str) -> StaticName {
        let (address, length) = (name.as_ptr() as usize, name.len());
        // Multiplied by the golden ratio, neighbours end far apart: the high bits name the slot.
        let slot =
            (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SEEN.ilog2());
        let slot = slot as usize;
        // A closure this small is compiled into the caller.
        let seen = CACHE.with(|cache| cache[slot % SEEN].get());
        if seen.is(address, length, self.id) {
            return seen.name;
        }
        self.search(name, slot)
    }

    #[inline(never)]
    fn search(&self, name: &'static str, slot: usize) -> StaticName {
        let (address, length) = (name.as_ptr() as usize, name.len());
        let mut places =
            (slot + 1..slot + PROBES).map(|place| CACHE.with(|cache| cache[place % SEEN].get()));
        let found = places.find(|seen| seen.is(address, length, self.id));
        found.map_or_else(|| self.meet(name, slot), |seen| seen.name)
    }

    #[cold]
    fn meet(&self, name: &'static str, slot: usize) -> StaticName {
        let sensitive = if self.is_sensitive(name) {
            StaticName::SENSITIVE
        } else {
            0
        };
        let seen = Seen {
            address: name.as_ptr() as usize,
            length: name.len(),
            matcher: self.id,
            name: StaticName(key_of(name) | sensitive),
        };
        CACHE.with(|cache| {
            let mut places = (slot..slot + PROBES).map(|place| &cache[place % SEEN]);
            let free = places.find(|place| place.get().matcher == 0);
            // Where all places are taken, any name may make room.
            let place =
                free.unwrap_or_else(|| &cache[(slot + seen.name.key() as usize % PROBES) % SEEN]);
            place.set(seen);
        });
        seen.name
    }

    /// Whether the value under this name must not be recorded.
    pub(crate) fn is_sensitive(&self, name: &str) -> bool {
        let mut previous = String::new();
        let mut found = false;
        let mut count = 0_usize;
        each_word(name, |word| {
            count += 1;
            found |=
                WORDS.contains(&word) || PAIRS.iter().any(|(a, b)| *a == previous && *b == word);
            previous.clear();
            previous.push_str(word);
        });
        found || (count > 0 && LAST_WORDS.contains(&previous.as_str())) || self.matches_extra(name)
    }

    fn matches_extra(&self, name: &str) -> bool {
        if self.extra.is_empty() {
            return false;
        }
        let mut words = Vec::new();
        each_word(name, |word| words.push(word.to_owned()));
        self.extra
            .iter()
            .any(|pattern| words.windows(pattern.len()).any(|window| window == pattern))
    }
}

/// Calls `f` with each word of a name, in lower case.
fn each_word(name: &str, mut f: impl FnMut(&str)) {
    let mut word = String::new();
    let mut characters = name.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(|c| c.is_lowercase());
        let starts = c.is_uppercase()
            && (before.is_lowercase()
                || before.is_ascii_digit()
                || (before.is_uppercase() && next_is_lower));
        if (starts || !c.is_alphanumeric()) && !word.is_empty() {
            f(&word);
            word.clear();
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        f(&word);
    }
}
