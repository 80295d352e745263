//! The last steps before a value is written: what looks like a key, then the user's own mask.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::capture::{Decoder, SecretMask};
use crate::config::Mask;

/// Both masks of a client.
pub(crate) struct Masks {
    pub(crate) secrets: Option<SecretMask>,
    pub(crate) user: Option<Mask>,
}

impl Masks {
    /// A text of a program's own with what looks like a key masked, or `None` where there is nothing.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        self.secrets.as_ref()?.apply(text)
    }

    /// Appends a captured value as JSON.
    pub(super) fn captured(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        Decoder::new(bytes, self.secrets.as_ref()).json(out);
        self.user(from, out);
    }

    /// Appends captured arguments as a JSON object.
    pub(super) fn arguments(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        Decoder::new(bytes, self.secrets.as_ref()).arguments(out);
        self.user(from, out);
    }

    /// Lets the user's mask have the value that begins at `from`.
    fn user(&self, from: usize, out: &mut Vec<u8>) {
        let Some(mask) = &self.user else { return };
        let masked = serde_json::from_slice::<serde_json::Value>(&out[from..])
            .ok()
            .and_then(|mut value| {
                catch_unwind(AssertUnwindSafe(|| mask(&mut value))).ok()?;
                serde_json::to_vec(&value).ok()
            });
        out.truncate(from);
        match masked {
            Some(json) => out.extend_from_slice(&json),
            None => out.extend_from_slice(b"\"[withheld: the mask failed]\""),
        }
    }
}
