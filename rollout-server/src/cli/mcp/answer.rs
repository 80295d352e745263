//! Lines for a model to read, in no more tokens than are allowed.

use std::fmt::Write as _;

use super::Failure;

/// Tokens that an answer takes at most where nobody says how many.
const BUDGET: u64 = 2_000;
/// Tokens that may be allowed.
const BUDGETS: std::ops::RangeInclusive<u64> = 300..=50_000;
/// Tokens that are kept for the last line.
const LAST_LINE: u64 = 160;

/// Quarters of a token that a text takes, rather too many than too few: tokenizers differ. Four letters are a token, two
/// digits or marks, and one character of another script.
pub(super) fn weight(text: &str) -> u64 {
    text.chars().map(weight_of).sum()
}

fn weight_of(c: char) -> u64 {
    match c {
        'a'..='z' | 'A'..='Z' | ' ' => 1,
        _ if c.is_ascii() => 2,
        _ => 4,
    }
}

/// An answer in the making.
pub(super) struct Answer {
    text: String,
    /// Quarters of tokens.
    taken: u64,
    budget: u64,
    left_out: Vec<String>,
}

impl Answer {
    /// An empty one that may take so many tokens.
    pub(super) fn within(budget: Option<u64>) -> Result<Self, Failure> {
        let budget = budget.unwrap_or(BUDGET);
        if !BUDGETS.contains(&budget) {
            return Err(Failure::told(format!(
                "`budget` is {budget}: it is the tokens that the answer may take, from {} to {}",
                BUDGETS.start(),
                BUDGETS.end()
            )));
        }
        Ok(Self {
            text: String::new(),
            taken: 0,
            budget,
            left_out: Vec::new(),
        })
    }

    /// Quarters of tokens that are left for lines.
    pub(super) fn room(&self) -> u64 {
        (self.budget - LAST_LINE)
            .saturating_mul(4)
            .saturating_sub(self.taken)
    }

    /// Adds a line. Returns whether there was room for it; if not, nothing is added.
    pub(super) fn line(&mut self, line: &str) -> bool {
        self.line_leaving(line, 0)
    }

    /// Adds a line if so many quarters of tokens are left behind it.
    pub(super) fn line_leaving(&mut self, line: &str, left: u64) -> bool {
        let takes = weight(line) + 2;
        if takes + left > self.room() {
            return false;
        }
        self.taken += takes;
        self.text.push_str(line);
        self.text.push('\n');
        true
    }

    /// Says what was left out, and how to ask for it. Two or three of these have room in the last line.
    pub(super) fn left_out(&mut self, what: impl Into<String>) {
        self.left_out.push(what.into());
    }

    /// The answer with its last line.
    pub(super) fn told(mut self) -> String {
        let left_out = if self.left_out.is_empty() {
            "nothing is left out".to_owned()
        } else {
            format!("left out: {}", self.left_out.join("; "))
        };
        let budget = self.budget;
        let tokens =
            (self.taken + weight(&left_out) + weight("[about  of  tokens; ]") + 20).div_ceil(4);
        let _ = write!(self.text, "[about {tokens} of {budget} tokens; {left_out}]");
        self.text
    }
}

/// A text in one line of at most so many characters.
pub(super) fn short(text: &str, chars: usize) -> String {
    let mut line = String::new();
    for (at, c) in text.chars().enumerate() {
        if at >= chars {
            line.push('…');
            break;
        }
        let is_blank = c.is_whitespace() || c.is_control();
        if !(is_blank && line.ends_with(' ')) {
            line.push(if is_blank { ' ' } else { c });
        }
    }
    line
}

/// The end of the longest beginning of a text that takes no more than so many quarters of tokens.
pub(super) fn beginning(text: &str, room: u64) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += weight_of(c);
        if taken > room {
            return at;
        }
    }
    text.len()
}

/// The start of the longest end of a text that takes no more than so many quarters of tokens.
pub(super) fn ending(text: &str, room: u64) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices().rev() {
        taken += weight_of(c);
        if taken > room {
            return at + c.len_utf8();
        }
    }
    0
}

/// A number of things: `1 span`, `3 spans`.
pub(super) fn number(n: usize, of: &str) -> String {
    match n {
        1 => format!("1 {of}"),
        _ => format!("{n} {of}s"),
    }
}
