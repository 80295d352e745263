//! Colours, and text made harmless.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};

use crate::present::{self, Tone};

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const ERROR: Style = AnsiColor::Red.on_default();

/// Words in a style.
pub(super) struct Painted<T>(pub(super) Style, pub(super) T);

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0.render(), self.1, self.0.render_reset())
    }
}

/// The colour of a status.
pub(super) fn tone(tone: Tone) -> Style {
    match tone {
        Tone::Ok => AnsiColor::Green.on_default(),
        Tone::Error => ERROR,
        Tone::Running => AnsiColor::Blue.on_default(),
        Tone::Cancelled | Tone::Interrupted | Tone::Other => AnsiColor::Yellow.on_default(),
    }
}

/// The colour of a span type.
pub(super) fn kind(kind: &str) -> Style {
    match present::kind_class(kind) {
        "agent" => AnsiColor::Magenta.on_default(),
        "llm" => AnsiColor::Blue.on_default(),
        "tool" => AnsiColor::Yellow.on_default(),
        "task" => AnsiColor::Cyan.on_default(),
        "retrieval" => AnsiColor::Green.on_default(),
        _ => DIM,
    }
}

/// The mark of a status in its colour.
pub(super) fn mark(status: &str) -> Painted<&'static str> {
    let meant = present::status_tone(status);
    Painted(tone(meant), meant.mark())
}

/// Text on one line that moves no cursor and turns no text around, of at most `limit` characters.
pub(super) fn plain(text: &str, limit: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(limit));
    for (at, c) in text.chars().enumerate() {
        if at + 1 == limit && text.chars().nth(limit).is_some() {
            plain.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => plain.push(' '),
            '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}' => {}
            c if c.is_control() => plain.push('\u{fffd}'),
            c => plain.push(c),
        }
    }
    plain
}

/// Text of several lines that moves no cursor and turns no text around.
pub fn words(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| plain(line, usize::MAX)).collect();
    lines.join("\n")
}

/// An id short enough for a line and long enough to be asked for.
pub(super) fn short_id(id: &str) -> String {
    let hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain(if hex { &id[..12] } else { id }, 44)
}

/// Facts with two blanks between them.
#[derive(Default)]
pub(super) struct Facts(String);

impl Facts {
    pub(super) fn push(&mut self, fact: impl fmt::Display) {
        if !self.0.is_empty() {
            self.0.push_str("  ");
        }
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{fact}");
    }

    pub(super) fn extend(&mut self, fact: Option<impl fmt::Display>) {
        if let Some(fact) = fact {
            self.push(fact);
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
