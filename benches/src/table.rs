//! Tables, for a terminal and as Markdown.

use std::fmt::Write as _;

/// A table with what has to be said of it.
pub struct Table {
    /// What it is about.
    pub title: String,
    /// How its figures come about.
    pub note: String,
    /// Heads of its columns; the first one's cells are text, the others' figures.
    pub columns: Vec<String>,
    /// Its cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, note: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            note: note.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.chain(self.columns.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = format!("\n{}\n", self.title);
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                // Writing to a string cannot fail.
                let _ = match column {
                    0 => write!(text, "  {cell:width$}"),
                    _ => write!(text, "  {cell:>width$}"),
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// As Markdown, below a heading.
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}\n\n", self.title, self.note);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text += &line(&self.columns);
        text += "|---|";
        text += &"---:|".repeat(self.columns.len().saturating_sub(1));
        text.push('\n');
        for row in &self.rows {
            text += &line(row);
        }
        text
    }
}

/// A figure with three digits that count; `–` where there is none.
pub fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let whole = value.abs();
    let digits = match whole {
        _ if whole < 9.95 => 2,
        _ if whole < 99.5 => 1,
        _ => 0,
    };
    grouped(&format!("{value:.digits$}"))
}

/// A whole number with its thousands apart.
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A ratio, beside the most it may be.
pub fn at_most(value: f64, bar: f64, digits: usize) -> String {
    judged(value, bar, digits, "≤", value <= bar)
}

/// A figure, beside the least it must be.
pub fn at_least(value: f64, bar: f64, digits: usize) -> String {
    judged(value, bar, digits, "≥", value >= bar)
}

fn judged(value: f64, bar: f64, digits: usize, relation: &str, holds: bool) -> String {
    if !value.is_finite() {
        return format!("– (bar {relation} {bar})");
    }
    let mark = if holds { "✓" } else { "✗" };
    let value = grouped(&format!("{value:.digits$}"));
    let bar = grouped(&bar.to_string());
    format!("{value} ({relation} {bar} {mark})")
}

fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, whole) = whole.split_at(whole.len() - whole.trim_start_matches('-').len());
    let mut text = sign.to_owned();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_their_thousands_apart() {
        let figures = [0.126, 9.94, 9.96, 123.4, 1234.5, -12.34, f64::NAN].map(figure);
        assert_eq!(
            figures,
            ["0.13", "9.94", "10.0", "123", "1,234", "-12.3", "–"]
        );
        assert_eq!(count(1_000_000), "1,000,000");
    }

    #[test]
    fn a_bar_is_told_beside_its_figure() {
        assert_eq!(at_most(0.655, 0.7, 2), "0.66 (≤ 0.7 ✓)");
        assert_eq!(at_least(4_999_999.0, 5e6, 0), "4,999,999 (≥ 5,000,000 ✗)");
    }
}
