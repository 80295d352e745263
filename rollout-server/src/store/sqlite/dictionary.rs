//! The texts that filters look at, each by a number.
//!
//! Facts of a trace hold numbers instead of texts, so that a filter compares numbers over millions of traces. What it
//! compares is a code: the number, and which facet of a trace the text is of.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::bits::Bits;
use crate::{
    query::{Key, Pattern},
    store::StoreError,
};

/// Bytes of a text that has a number at most: an id or a name is never longer, an entry of metadata may be.
const LONGEST: usize = 1280;
/// Bits of a code that say the facet.
const FACET_BITS: u32 = 5;
const FACET: u32 = (1 << FACET_BITS) - 1;
/// Numbers from here on find no room in a code.
const NUMBERS: i64 = 1 << (32 - FACET_BITS);
/// Texts whose numbers are remembered.
const REMEMBERED: usize = 100_000;
/// Texts that are removed in one transaction at most.
const FORGOTTEN: usize = 50_000;

/// What of a trace a text is. The numbers are in files: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Facet {
    Status = 0,
    Name = 1,
    User = 2,
    Session = 3,
    Conversation = 4,
    Account = 5,
    Agent = 6,
    Tag = 7,
    Error = 8,
    Version = 9,
    Environment = 10,
    Run = 11,
    Phase = 12,
    Step = 13,
    Datapoint = 14,
    Env = 15,
    Group = 16,
    Grader = 17,
    Meta = 18,
    Type = 19,
    Span = 20,
    Tool = 21,
    Model = 22,
    Provider = 23,
    SpanError = 24,
}

impl Facet {
    /// Whether it is one of the trace's spans'.
    pub(super) const fn is_of_span(code: u32) -> bool {
        code & FACET >= Self::Type as u32
    }

    /// Whether it is of what the trace is a rollout of.
    pub(super) const fn is_of_rollout(code: u32) -> bool {
        let facet = code & FACET;
        facet >= Self::Run as u32 && facet <= Self::Group as u32
    }

    /// Whether a code is of this facet.
    pub(super) const fn has(self, code: u32) -> bool {
        code & FACET == self as u32
    }

    /// The facets that a key looks at, and the name among their entries; none for ids.
    pub(super) fn of(key: &Key) -> (&'static [Self], &str) {
        let facets: &[Self] = match key {
            Key::Id => &[],
            Key::Status => &[Self::Status],
            Key::Name => &[Self::Name],
            Key::User => &[Self::User],
            Key::Session => &[Self::Session],
            Key::Conversation => &[Self::Conversation],
            Key::Account => &[Self::Account],
            Key::Agent => &[Self::Agent],
            Key::Tag => &[Self::Tag],
            Key::Error => &[Self::Error, Self::SpanError],
            Key::Version => &[Self::Version],
            Key::Environment => &[Self::Environment],
            Key::Run => &[Self::Run],
            Key::Phase => &[Self::Phase],
            Key::Step => &[Self::Step],
            Key::Datapoint => &[Self::Datapoint],
            Key::Env => &[Self::Env],
            Key::Group => &[Self::Group],
            Key::Grader => &[Self::Grader],
            Key::Type => &[Self::Type],
            Key::Span => &[Self::Span],
            Key::Tool => &[Self::Tool],
            Key::Model => &[Self::Model],
            Key::Provider => &[Self::Provider],
            Key::Meta(name) => return (&[Self::Meta], name),
        };
        (facets, "")
    }
}

const fn code(facet: Facet, number: i64) -> u32 {
    ((number as u32) << FACET_BITS) | facet as u32
}

/// The number of a code's text.
pub(super) const fn number(code: u32) -> u32 {
    code >> FACET_BITS
}

/// Gives texts their numbers, and remembers them. Of one thread that writes.
#[derive(Default)]
pub(super) struct Dictionary {
    known: HashMap<Facet, HashMap<String, u32>>,
    remembered: usize,
    text: String,
}

impl Dictionary {
    /// Forgets what is remembered: a transaction was rolled back, or somebody else has written.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.remembered = 0;
    }

    /// The code of a text, which gets a number if it has none. `None` if it is too long.
    pub(super) fn code(
        &mut self,
        connection: &Connection,
        facet: Facet,
        name: &str,
        value: &str,
    ) -> Result<Option<u32>, StoreError> {
        if name.len() + value.len() > LONGEST {
            return Ok(None);
        }
        let known = self.known.entry(facet).or_default();
        self.text.clear();
        if !name.is_empty() {
            self.text.push_str(name);
            self.text.push('\0');
        }
        self.text.push_str(value);
        if let Some(code) = known.get(&self.text) {
            return Ok(Some(*code));
        }
        let found: Option<i64> = connection
            .prepare_cached(
                "SELECT id FROM dictionary WHERE facet = ?1 AND name = ?2 AND value = ?3",
            )?
            .query_row(params![facet as u8, name, value], |row| row.get(0))
            .optional()?;
        let number = if let Some(number) = found {
            number
        } else {
            connection
                .prepare_cached("INSERT INTO dictionary (facet, name, value) VALUES (?1, ?2, ?3)")?
                .execute(params![facet as u8, name, value])?;
            connection.last_insert_rowid()
        };
        if number >= NUMBERS {
            return Ok(None);
        }
        let code = code(facet, number);
        if self.remembered >= REMEMBERED {
            self.forget();
        }
        let known = self.known.entry(facet).or_default();
        known.insert(self.text.clone(), code);
        self.remembered += 1;
        Ok(Some(code))
    }

    /// Removes texts that no trace has any more, some of them. `used` says which numbers are in use.
    pub(super) fn remove_unused(
        &mut self,
        connection: &Connection,
        used: &Bits,
    ) -> Result<(), StoreError> {
        self.forget();
        let unused: Vec<i64> = {
            let mut statement = connection.prepare_cached("SELECT id FROM dictionary")?;
            let ids = statement.query_map([], |row| row.get::<_, i64>(0))?;
            let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
            let is_unused = |id: &i64| !usize::try_from(*id).is_ok_and(|id| used.has(id));
            ids.into_iter().filter(is_unused).take(FORGOTTEN).collect()
        };
        let mut remove = connection.prepare_cached("DELETE FROM dictionary WHERE id = ?1")?;
        for id in unused {
            remove.execute([id])?;
        }
        Ok(())
    }
}

/// The codes of the texts of a facet that are like one of the patterns.
pub(super) fn matching(
    connection: &Connection,
    (facets, name): (&[Facet], &str),
    any_of: &[Pattern],
) -> Result<Vec<u32>, StoreError> {
    let mut codes = Vec::new();
    for facet in facets {
        for pattern in any_of {
            match pattern {
                Pattern::Exactly(text) => {
                    let found: Option<i64> = connection
                        .prepare_cached(
                            "SELECT id FROM dictionary WHERE facet = ?1 AND name = ?2 AND value = ?3",
                        )?
                        .query_row(params![*facet as u8, name, text], |row| row.get(0))
                        .optional()?;
                    codes.extend(found.map(|number| code(*facet, number)));
                }
                Pattern::Wildcard(pieces) => {
                    let start = pieces.first().map_or("", String::as_str);
                    let mut statement = connection.prepare_cached(
                        "SELECT id, value FROM dictionary WHERE facet = ?1 AND name = ?2 AND value >= ?3
                         ORDER BY value",
                    )?;
                    let mut rows = statement.query(params![*facet as u8, name, start])?;
                    while let Some(row) = rows.next()? {
                        let value = row.get_ref(1)?.as_str().unwrap_or_default();
                        if !value.starts_with(start) {
                            break;
                        }
                        if pattern.matches(value) {
                            codes.push(code(*facet, row.get(0)?));
                        }
                    }
                }
            }
        }
    }
    codes.sort_unstable();
    codes.dedup();
    Ok(codes)
}

/// The text of a number, and its name among the metadata.
pub(super) fn text(
    connection: &Connection,
    number: u32,
) -> Result<Option<(String, String)>, StoreError> {
    let found = connection
        .prepare_cached("SELECT name, value FROM dictionary WHERE id = ?1")?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}
