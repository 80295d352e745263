//! Which field names are sensitive.

use std::cell::Cell;
use std::sync::{PoisonError, RwLock};

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

/// A name that lives as long as the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaticName {
    /// Its number, for [`static_name`].
    pub(crate) id: u32,
    pub(crate) sensitive: bool,
}

/// All such names that were met.
static NAMES: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// The name of a number.
pub(crate) fn static_name(id: u32) -> Option<&'static str> {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    names.get(id as usize).copied()
}

#[cold]
fn number(name: &'static str) -> u32 {
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    let known = names.iter().position(|known| *known == name);
    let index = known.unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    index as u32
}

const SEEN: usize = 64;

thread_local! {
    static CACHE: [Cell<Seen>; SEEN] = const {
        [const { Cell::new(Seen { address: 0, length: 0, matcher: 0, name: StaticName { id: 0, sensitive: false } }) }; SEEN]
    };
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

    /// The number of a name that lives as long as the program, and the verdict on it, both remembered.
    #[inline]
    pub(crate) fn static_name(&self, name: &'static str) -> StaticName {
        let (address, length) = (name.as_ptr() as usize, name.len());
        let slot = (address ^ (address >> 6) ^ length) % SEEN;
        CACHE.with(|cache| {
            let seen = cache[slot].get();
            if seen.address == address && seen.length == length && seen.matcher == self.id {
                return seen.name;
            }
            let name = self.meet(name);
            cache[slot].set(Seen {
                address,
                length,
                matcher: self.id,
                name,
            });
            name
        })
    }

    #[cold]
    fn meet(&self, name: &'static str) -> StaticName {
        StaticName {
            id: number(name),
            sensitive: self.is_sensitive(name),
        }
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
