//! On which day a trace began: all of it goes into that day's partition.

use std::collections::{HashMap, VecDeque};

/// So many traces are remembered.
const MOST: usize = 16 * 1024;

/// Nanoseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;

/// The days of the traces that were heard of last.
#[derive(Debug, Default)]
pub(super) struct Days {
    of: HashMap<String, u16>,
    in_order: VecDeque<String>,
}

impl Days {
    /// The day of a trace, of which something is heard that began then (nanoseconds since 1970). Where a trace is not
    /// known, as after a crash, it is the day of that.
    pub(super) fn of(&mut self, trace: &str, began: i64) -> u16 {
        if let Some(day) = self.of.get(trace) {
            return *day;
        }
        let day = day(began);
        self.of.insert(trace.to_owned(), day);
        self.in_order.push_back(trace.to_owned());
        if self.in_order.len() > MOST
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.of.remove(&oldest);
        }
        day
    }
}

/// Days since 1970, as far as ClickHouse's `Date` goes.
pub(super) fn day(nanoseconds: i64) -> u16 {
    u16::try_from(nanoseconds.max(0) / DAY).unwrap_or(u16::MAX)
}
