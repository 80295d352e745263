//! Columns under a line of headings.

use std::io::{self, Write};

use super::paint::{DIM, Painted};

/// A column: its heading, and whether it is of numbers.
pub(super) type Column = (&'static str, bool);

/// Writes rows in columns as wide as what stands in them. Cells are text without colours.
pub(super) fn write_table(
    out: &mut dyn Write,
    columns: &[Column],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, (heading, _))| {
            let cells = rows.iter().filter_map(|row| row.get(index));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(heading.chars().count())
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(columns).zip(&widths);
        let padded = cells.map(|((cell, (_, number)), width)| {
            if *number {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&mut columns.iter().map(|(heading, _)| *heading));
    writeln!(out, "{}", Painted(DIM, head))?;
    for row in rows {
        writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}
