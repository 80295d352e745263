//! What differs between two texts, line by line, with the words that do.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use serde::Serialize;
use similar::{Algorithm, DiffOp};

use super::words;

/// Lines around what differs.
const AROUND: usize = 3;
/// Lines of each text, between what they begin and end with in common, that are compared at most.
const COMPARED: usize = 20_000;
/// Lines of a diff at most.
const SHOWN: usize = 1_000;
/// Characters of a line at most: longer ones are told in pieces, cut behind a sentence where there is one.
const LINE: usize = 400;
/// How long one text may take; what is left by then counts as replaced.
const TIME: Duration = Duration::from_millis(400);

/// What differs between two texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TextDiff {
    /// The places where they differ, with some lines around.
    pub hunks: Vec<Hunk>,
    /// Lines that only the first has.
    pub removed: usize,
    /// Lines that only the second has.
    pub added: usize,
    /// Lines of the diff that are left out, because there are too many.
    pub left_out: usize,
}

/// One place where two texts differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Hunk {
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Which of the two texts has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Both.
    Both,
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// The mark that stands before it.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Both => " ",
            Self::A => "-",
            Self::B => "+",
        }
    }
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who has it.
    pub side: Side,
    /// Its number in the first text, from 1.
    pub a: Option<usize>,
    /// Its number in the second.
    pub b: Option<usize>,
    /// Its words in pieces; `true` marks those that the line in its place does not have.
    pub pieces: Vec<(bool, String)>,
}

impl Line {
    /// Its words.
    pub fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|(_, piece)| piece.as_str())
            .collect()
    }
}

impl TextDiff {
    /// Compares two texts.
    pub(super) fn of(a: &str, b: &str) -> Self {
        let (a, b) = (lines(a), lines(b));
        let alike = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let ends = a[alike..].iter().rev().zip(b[alike..].iter().rev());
        let ends = ends.take_while(|(a, b)| a == b).count();
        // Enough of what is alike stays to be shown around what is not.
        let (before, after) = (alike.saturating_sub(AROUND), ends.saturating_sub(AROUND));
        let middle = |lines: &[&'_ str]| -> (usize, usize) {
            let end = lines.len() - after;
            (
                end.min(before + COMPARED),
                end.saturating_sub(before + COMPARED),
            )
        };
        let ((a_end, a_cut), (b_end, b_cut)) = (middle(&a), middle(&b));
        let mut diff = Self::between(&a[before..a_end], &b[before..b_end], before);
        diff.left_out += a_cut + b_cut;
        diff
    }

    fn between(a: &[&str], b: &[&str], before: usize) -> Self {
        let until = Instant::now() + TIME;
        let diff = similar::TextDiff::configure()
            .algorithm(Algorithm::Patience)
            .deadline(until)
            .diff_slices(a, b);
        let mut found = Self::default();
        let mut shown = 0;
        for group in diff.grouped_ops(AROUND) {
            let mut hunk = Hunk::default();
            for op in &group {
                let (left, right) = (op.old_range(), op.new_range());
                if !matches!(op, DiffOp::Equal { .. }) {
                    found.removed += left.len();
                    found.added += right.len();
                }
                let lines = match op {
                    DiffOp::Equal { .. } => both(left, right, a, before),
                    DiffOp::Replace { .. } => {
                        let (marked_a, marked_b) =
                            words::marked(&a[left.clone()], &b[right.clone()]);
                        let mut lines = side(Side::A, left, marked_a, before);
                        lines.extend(side(Side::B, right, marked_b, before));
                        lines
                    }
                    DiffOp::Delete { .. } => {
                        side(Side::A, left.clone(), words::plain(&a[left]), before)
                    }
                    DiffOp::Insert { .. } => {
                        side(Side::B, right.clone(), words::plain(&b[right]), before)
                    }
                };
                let room = SHOWN.saturating_sub(shown);
                found.left_out += lines.len().saturating_sub(room);
                shown += lines.len();
                hunk.lines.extend(lines.into_iter().take(room));
            }
            if !hunk.lines.is_empty() {
                found.hunks.push(hunk);
            }
        }
        found
    }

    /// All lines of one text, as what only one of two has.
    pub(super) fn only(side: Side, text: &str) -> Self {
        match side {
            Side::A => Self::of(text, ""),
            Side::Both | Side::B => Self::of("", text),
        }
    }
}

/// Lines that both have.
fn both(left: Range<usize>, right: Range<usize>, a: &[&str], before: usize) -> Vec<Line> {
    let lines = left.zip(right).map(|(i, j)| Line {
        side: Side::Both,
        a: Some(before + i + 1),
        b: Some(before + j + 1),
        pieces: vec![(false, a[i].to_owned())],
    });
    lines.collect()
}

/// Lines that one has.
fn side(
    side: Side,
    range: Range<usize>,
    pieces: Vec<Vec<(bool, String)>>,
    before: usize,
) -> Vec<Line> {
    let lines = range.zip(pieces).map(|(at, pieces)| Line {
        side,
        a: (side == Side::A).then_some(before + at + 1),
        b: (side == Side::B).then_some(before + at + 1),
        pieces,
    });
    lines.collect()
}

/// The lines of a text, long ones in pieces.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    if text.is_empty() {
        return lines;
    }
    for line in text.split('\n') {
        let mut rest = line.strip_suffix('\r').unwrap_or(line);
        while let Some((limit, _)) = rest.char_indices().nth(LINE) {
            let end = cut(rest, limit);
            lines.push(&rest[..end]);
            rest = &rest[end..];
        }
        lines.push(rest);
    }
    lines
}

/// Where a long line is cut: behind its first sentence, so that what comes before and behind a difference is cut alike
/// in both texts; else behind the last blank before `limit`.
fn cut(line: &str, limit: usize) -> usize {
    let head = &line[..limit];
    let sentence = [". ", "! ", "? ", "; ", "。", "！", "？"]
        .into_iter()
        .filter_map(|end| head.find(end).map(|at| at + end.len()))
        .min();
    sentence
        .or_else(|| head.rfind(' ').map(|at| at + 1))
        .unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(a: &str, b: &str) -> String {
        let diff = TextDiff::of(a, b);
        let mut text = String::new();
        for (at, hunk) in diff.hunks.iter().enumerate() {
            if at > 0 {
                text.push_str("…\n");
            }
            for line in &hunk.lines {
                text.push_str(line.side.mark());
                for (marked, piece) in &line.pieces {
                    if *marked {
                        text.extend(["[", piece.as_str(), "]"]);
                    } else {
                        text.push_str(piece);
                    }
                }
                text.push('\n');
            }
        }
        text
    }

    #[test]
    fn the_words_that_differ_are_marked() {
        insta::assert_snapshot!(
            told("a\nYour order is delayed by the carrier.\nc", "a\nYour order is lost by the carrier.\nc"),
            @r"
         a
        -Your order is [delayed] by the carrier.
        +Your order is [lost] by the carrier.
         c
        "
        );
    }

    #[test]
    fn texts_that_are_alike_have_no_hunks() {
        assert_eq!(TextDiff::of("a\nb", "a\nb"), TextDiff::default());
        assert_eq!(TextDiff::of("", ""), TextDiff::default());
    }

    #[test]
    fn what_is_far_from_a_difference_is_left_out() {
        let text = |middle: &str| {
            let lines: Vec<String> = (0..50_000).map(|n| format!("line {n}")).collect();
            format!("{}\n{middle}\n{}", lines.join("\n"), lines.join("\n"))
        };
        let diff = TextDiff::of(&text("old"), &text("new"));
        assert_eq!((diff.removed, diff.added, diff.left_out), (1, 1, 0));
        assert_eq!(diff.hunks[0].lines.len(), 8);
        assert_eq!(diff.hunks[0].lines[0].a, Some(49_998));
    }

    #[test]
    fn a_word_in_a_long_paragraph_is_found() {
        let sentence = |n: usize| format!("Sentence {n} of a long answer without any break. ");
        let text = |word: &str| {
            let before: String = (0..500).map(sentence).collect();
            let after: String = (500..900).map(sentence).collect();
            format!("{before}It is {word}. {after}")
        };
        let diff = TextDiff::of(&text("so"), &text("not so"));
        assert_eq!((diff.removed, diff.added), (1, 1));
    }

    #[test]
    fn a_diff_is_bounded() {
        let text = |word: &str| {
            let lines: Vec<_> = (0..30_000).map(|n| format!("\n{word} {n}")).collect();
            lines.concat()
        };
        let diff = TextDiff::of(&text("a"), &text("b"));
        let shown: usize = diff.hunks.iter().map(|hunk| hunk.lines.len()).sum();
        assert_eq!(shown, SHOWN);
        // The first line, which is empty, is the same.
        assert_eq!(shown + diff.left_out, 60_001);
    }
}
