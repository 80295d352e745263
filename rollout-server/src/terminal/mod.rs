//! Traces as text: lists, trees and lines that follow what happens.
//!
//! Everything is written with colours, for a writer that takes them away where they are not
//! wanted (`anstream`), and says in words and marks what the colours say. Captured text never
//! reaches the terminal's own language: control characters are replaced.

mod diff;
mod list;
mod paint;
mod prices;
mod progress;
mod runs;
mod stats;
mod table;
mod tree;

pub use diff::{DiffView, write_diff};
pub use list::write_list;
pub use paint::words;
pub use prices::{write_price, write_prices, write_repriced};
pub use progress::{write_begin, write_end, write_span};
pub use runs::{write_datapoints, write_run, write_runs};
pub use stats::{StatsView, write_stats};
pub use tree::{TraceTree, write_tree};

/// The width to write for where there is no terminal.
pub const WIDTH: usize = 120;
