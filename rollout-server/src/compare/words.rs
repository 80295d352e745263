//! The words that differ between lines that stand in each other's place.

use similar::{Algorithm, DiffOp};

/// Words of both sides that are compared at most; more are not marked.
const COMPARED: usize = 6_000;
/// The part of the words that must be the same, in hundredths, for the others to be marked: where hardly anything is the
/// same, marks would say nothing.
const ALIKE: usize = 25;

/// The pieces of each line; `true` marks what differs.
type Lines = Vec<Vec<(bool, String)>>;

/// Lines without marks.
pub(super) fn plain(lines: &[&str]) -> Lines {
    let lines = lines.iter().map(|line| vec![(false, (*line).to_owned())]);
    lines.collect()
}

/// The lines of both sides with what differs marked.
pub(super) fn marked(a: &[&str], b: &[&str]) -> (Lines, Lines) {
    let (left, right) = (words(a), words(b));
    if left.len() + right.len() > COMPARED {
        return (plain(a), plain(b));
    }
    let mut marks = (vec![true; left.len()], vec![true; right.len()]);
    let mut alike = 0;
    for op in similar::capture_diff_slices(Algorithm::Myers, &left, &right) {
        if let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = op
        {
            marks.0[old_index..old_index + len].fill(false);
            marks.1[new_index..new_index + len].fill(false);
            alike += left[old_index..old_index + len]
                .iter()
                .filter(|word| is_word(word))
                .count();
        }
    }
    let count = |words: &[&str]| words.iter().filter(|word| is_word(word)).count();
    if alike == 0 || alike * 100 < ALIKE * count(&left).max(count(&right)) {
        return (plain(a), plain(b));
    }
    (pieces(&left, &mut marks.0), pieces(&right, &mut marks.1))
}

/// The words of lines, what stands between them, and a line break behind each line.
fn words<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut words = Vec::new();
    for line in lines {
        let mut rest = *line;
        while let Some(first) = rest.chars().next() {
            let end = if is_letter(first) {
                rest.find(|c| !is_letter(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            words.push(&rest[..end]);
            rest = &rest[end..];
        }
        words.push("\n");
    }
    words
}

fn is_letter(c: char) -> bool {
    // Scripts that put no blanks between words are compared letter by letter.
    (c.is_alphanumeric() || c == '_') && (c as u32) < 0x2e80
}

fn is_word(word: &str) -> bool {
    word.chars().any(char::is_alphanumeric)
}

/// Neighbours of one kind as one. What stands between two marked words and is no word is marked with them.
fn pieces(words: &[&str], marks: &mut [bool]) -> Lines {
    let mut last = None;
    for at in 0..words.len() {
        if words[at] == "\n" {
            last = None;
        } else if marks[at] {
            if let Some(last) = last.filter(|last| at - last <= 3) {
                marks[last..at].fill(true);
            }
            last = Some(at);
        } else if is_word(words[at]) {
            last = None;
        }
    }
    let mut lines = Lines::new();
    let mut line: Vec<(bool, String)> = Vec::new();
    for (word, mark) in words.iter().zip(marks) {
        if *word == "\n" {
            lines.push(std::mem::take(&mut line));
            continue;
        }
        match line.last_mut() {
            Some((marked, piece)) if marked == mark => piece.push_str(word),
            _ => line.push((*mark, (*word).to_owned())),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(a: &[&str], b: &[&str]) -> [String; 2] {
        let (a, b) = marked(a, b);
        [a, b].map(|lines| {
            let lines = lines.iter().map(|line| {
                let pieces = line.iter().map(|(marked, piece)| match marked {
                    true => format!("[{piece}]"),
                    false => piece.clone(),
                });
                pieces.collect::<String>()
            });
            lines.collect::<Vec<_>>().join("|")
        })
    }

    #[test]
    fn punctuation_is_no_part_of_a_word() {
        assert_eq!(
            told(
                &[
                    "\"state\": \"delayed\",",
                    "\"steps\": [\"packed\", \"in Leipzig\"]"
                ],
                &["\"state\": \"lost\",", "\"steps\": [\"packed\"]"],
            ),
            [
                r#""state": "[delayed]",|"steps": ["packed[", "in Leipzig]"]"#,
                r#""state": "[lost]",|"steps": ["packed"]"#
            ]
        );
    }

    #[test]
    fn neighbours_are_marked_together() {
        assert_eq!(
            told(&["I go home by bus today"], &["I go home on foot today"]),
            ["I go home [by bus] today", "I go home [on foot] today"]
        );
    }

    #[test]
    fn what_has_nothing_in_common_is_not_marked() {
        assert_eq!(
            told(&["a, b, c, d, e"], &["v, w, x, y, z"]),
            ["a, b, c, d, e", "v, w, x, y, z"]
        );
    }

    #[test]
    fn scripts_without_blanks_are_compared_by_letters() {
        assert_eq!(
            told(&["订单已经延迟"], &["订单已经丢失"]),
            ["订单已经[延迟]", "订单已经[丢失]"]
        );
    }
}
