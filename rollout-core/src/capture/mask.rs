//! Values that look like keys, whatever they are called.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// How a secret starts, how many characters of it must follow, and what stands in its place.
const SHAPES: &[(&str, usize)] = &[
    ("sk-", 16),
    ("sk_live_", 10),
    ("sk_test_", 10),
    ("rk_live_", 10),
    ("pk-lf-", 16),
    ("sk-lf-", 16),
    ("Bearer ", 12),
    ("bearer ", 12),
    ("Basic ", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("AIza", 30),
    ("eyJ", 30),
    ("-----BEGIN ", 10),
];

/// Finds and masks what looks like a key: `sk-…`, `Bearer …`, AWS, GitHub, Slack and Google keys, JSON web tokens,
/// private keys in PEM.
#[derive(Debug, Clone)]
pub(crate) struct SecretMask {
    starts: AhoCorasick,
}

impl SecretMask {
    /// `None` only if the built-in shapes could not be compiled, which a test rules out.
    pub(crate) fn new() -> Option<Self> {
        // All text that leaves the program goes through it: the fastest one, which takes some kilobytes.
        AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .build(SHAPES.iter().map(|(start, _)| start))
            .ok()
            .map(|starts| Self { starts })
    }

    /// The text with every secret in it masked, or `None` where there is none.
    pub(crate) fn apply(&self, text: &str) -> Option<String> {
        let mut masked: Option<String> = None;
        let mut from = 0;
        for found in self.starts.find_iter(text) {
            if found.start() < from || continues_a_word(text, found.start()) {
                continue;
            }
            let Some((start, least)) = SHAPES.get(found.pattern().as_usize()) else {
                continue;
            };
            let tail = &text[found.end()..];
            let length = match *start {
                "-----BEGIN " => pem_length(tail),
                _ => tail.bytes().take_while(|b| is_key_byte(*b)).count(),
            };
            if length < *least || (*start == "eyJ" && !tail[..length].contains('.')) {
                continue;
            }
            let masked = masked.get_or_insert_with(String::new);
            masked.push_str(&text[from..found.start()]);
            masked.push_str("[redacted]");
            from = found.end() + length;
        }
        masked.map(|mut masked| {
            masked.push_str(&text[from..]);
            masked
        })
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=' | b'~')
}

/// `task-…` is no `sk-…`.
fn continues_a_word(text: &str, at: usize) -> bool {
    text[..at]
        .bytes()
        .next_back()
        .is_some_and(|b| b.is_ascii_alphanumeric())
}

/// A private key goes on to the end of its armour, or of the text.
fn pem_length(tail: &str) -> usize {
    let header = tail.lines().next().unwrap_or_default();
    if !header.contains("PRIVATE KEY") {
        return 0;
    }
    let Some(end) = tail.find("-----END ") else {
        return tail.len();
    };
    let after = end + "-----END ".len();
    tail[after..]
        .find("-----")
        .map_or(tail.len(), |i| after + i + 5)
}
