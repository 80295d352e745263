//! A value whose `Serialize` does what some bytes say, and what no derive would.

use std::cell::Cell;
use std::fmt;

use serde::ser::{
    Error as _, SerializeMap as _, SerializeSeq as _, SerializeStruct as _,
    SerializeStructVariant as _, SerializeTuple as _,
};
use serde::{Serialize, Serializer};

/// Follows its program; at the end of it, is nothing.
#[derive(Debug)]
pub struct Hostile<'a> {
    program: &'a [u8],
    panics: bool,
    at: Cell<usize>,
}

impl<'a> Hostile<'a> {
    /// A value that does what these bytes say; whether it may panic, where they say so.
    pub fn new(program: &'a [u8], panics: bool) -> Self {
        Self {
            program,
            panics,
            at: Cell::new(0),
        }
    }

    fn next(&self) -> u8 {
        let at = self.at.get();
        self.at.set(at + 1);
        self.program.get(at).copied().unwrap_or(0)
    }

    fn text(&self) -> String {
        let length = usize::from(self.next()) * usize::from(self.next());
        let char = ['x', '"', '\\', '\0', 'é', '\u{1f980}', '\u{2028}', '\u{7f}'];
        std::iter::repeat_n(char[usize::from(self.next()) % char.len()], length).collect()
    }
}

impl Serialize for Hostile<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.next() % 32 {
            0 => to.serialize_unit(),
            1 => to.serialize_u64(u64::from(self.next()) << 56),
            2 => to.serialize_i128(i128::MIN + i128::from(self.next())),
            3 => to.serialize_f64(f64::from_bits(u64::from(self.next()) << 55 | 0x7ff << 52)),
            4 => to.serialize_char(char::from(self.next())),
            5 => to.serialize_str(&self.text()),
            6 => to.serialize_bytes(self.text().as_bytes()),
            7 => to.serialize_some(self),
            8 => to.serialize_newtype_struct("", self),
            9 => to.serialize_newtype_variant("E", 0, "variant", self),
            // Lengths that are lies.
            10 => {
                let mut list = to.serialize_seq(Some(usize::from(self.next())))?;
                for _ in 0..self.next() {
                    list.serialize_element(self)?;
                }
                list.end()
            }
            11 => {
                let mut map = to.serialize_map(Some(usize::MAX))?;
                for _ in 0..self.next() {
                    map.serialize_entry(&self.text(), self)?;
                }
                map.end()
            }
            12 => {
                let mut tuple = to.serialize_tuple(usize::from(self.next()))?;
                for _ in 0..self.next() {
                    tuple.serialize_element(self)?;
                }
                tuple.end()
            }
            13 => {
                let mut fields = to.serialize_struct("S", 1)?;
                for _ in 0..self.next() {
                    fields.serialize_field("twice", self)?;
                    fields.skip_field("api_key")?;
                    fields.serialize_field("api_key", self)?;
                }
                fields.end()
            }
            14 => {
                let mut fields = to.serialize_struct_variant("E", 1, "", 0)?;
                fields.serialize_field("", self)?;
                fields.end()
            }
            // Keys that are no texts, or are none at all.
            15 => {
                let mut map = to.serialize_map(None)?;
                for _ in 0..self.next() {
                    map.serialize_entry(self, self)?;
                }
                map.end()
            }
            16 => {
                let mut map = to.serialize_map(None)?;
                map.serialize_key(self)?;
                map.serialize_key(self)?;
                map.end()
            }
            17 => {
                let mut map = to.serialize_map(Some(1))?;
                map.serialize_value(self)?;
                map.end()
            }
            // What begins and breaks off.
            18 => Err(S::Error::custom(self.text())),
            19 => {
                let mut list = to.serialize_seq(None)?;
                list.serialize_element(self)?;
                Err(S::Error::custom("in the middle"))
            }
            20 | 21 if !self.panics => to.serialize_none(),
            20 => panic!("on purpose"),
            21 => {
                let mut list = to.serialize_seq(Some(3))?;
                list.serialize_element(self)?;
                panic!("in the middle, on purpose")
            }
            // What never ends.
            22 => {
                let mut list = to.serialize_seq(None)?;
                loop {
                    // Not of bytes: these may be many indeed, and are read to their end for their hash.
                    list.serialize_element(&u64::from(self.next()))?;
                }
            }
            23 => {
                let mut map = to.serialize_map(None)?;
                loop {
                    map.serialize_entry("again", &1)?;
                }
            }
            24 => {
                let mut fields = to.serialize_struct("S", 0)?;
                loop {
                    fields.serialize_field("again", &())?;
                }
            }
            25 => to.collect_str(&Endless),
            26 => to.serialize_some(&Cycle),
            27 => {
                let mut list = to.serialize_seq(Some(1))?;
                list.serialize_element(&Cycle)?;
                list.end()
            }
            28 => to.collect_str(&Failing),
            // What records while it is being recorded.
            29 => {
                rollout::feedback("inside", &1);
                to.serialize_bool(true)
            }
            30 => {
                // An error of a part is none of the whole.
                let mut list = to.serialize_seq(Some(2))?;
                let _ = list.serialize_element(self);
                let _ = list.serialize_element(self);
                list.end()
            }
            _ => to.serialize_unit_variant("E", 9, "variant"),
        }
    }
}

/// A structure that holds itself, as one of `Rc` may.
struct Cycle;

impl Serialize for Cycle {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Cycle", 1)?;
        fields.serialize_field("itself", self)?;
        fields.end()
    }
}

/// A text without an end.
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("and so on, ")?;
        }
    }
}

/// A text that breaks off.
struct Failing;

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("begun")?;
        Err(fmt::Error)
    }
}
