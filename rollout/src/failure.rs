//! What went wrong, in words without secrets.

use std::borrow::Cow;

/// A message without what may be a key in its addresses: the query, the fragment, and who logs in.
pub(crate) fn without_keys(message: &str) -> Cow<'_, str> {
    if !message.contains("://") {
        return message.into();
    }
    let mut told = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        told.push_str(head);
        // None of these stands unescaped in an address.
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`');
        let (address, after) = tail.split_at(tail.find(ends).unwrap_or(tail.len()));
        let kept = address.split(['?', '#']).next().unwrap_or_default();
        let host = kept.split('/').next().unwrap_or_default();
        told.push_str(host.rfind('@').map_or(kept, |at| &kept[at + 1..]));
        // Client libraries put the address in brackets.
        if kept.len() < address.len() && address.ends_with(')') {
            told.push(')');
        }
        rest = after;
    }
    told.push_str(rest);
    told.into()
}

/// An error with its sources, each told once.
#[cfg(feature = "rig")]
pub(crate) fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let message = error.to_string();
        if !told.contains(&message) {
            told.push_str(": ");
            told.push_str(&message);
        }
        next = error.source();
    }
    without_keys(&told).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_what_is_no_secret() {
        for (message, told) in [
            ("no address", "no address"),
            (
                "error sending request for url (https://h:1/v1/m?key=sk)",
                "error sending request for url (https://h:1/v1/m)",
            ),
            (
                "a https://me:secret@h/p?a=)&key=b c://d#e",
                "a https://h/p c://d",
            ),
            ("\"http://h?k\" after", "\"http://h\" after"),
            ("http://h/a@b", "http://h/a@b"),
            ("://", "://"),
        ] {
            assert_eq!(without_keys(message), told);
        }
    }
}
