//! Where batches began, so that an exporter can say from which on it needs them once more.

use std::collections::VecDeque;

use super::cursor::Position;

/// Batches that are remembered at most. Beyond, every other one is forgotten, and the one before stands for it.
const MOST: usize = 1024;

/// The batches that one exporter was given of a writer, as far as it may still need them.
#[derive(Debug, Default)]
pub(super) struct Marks {
    batches: u64,
    began: VecDeque<(u64, Position)>,
}

impl Marks {
    /// The number of a batch that begins here: from 1 on.
    pub(super) fn begin(&mut self, at: Position) -> u64 {
        if self.began.len() >= MOST {
            let mut index = 0;
            self.began.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.batches += 1;
        self.began.push_back((self.batches, at));
        self.batches
    }

    /// The batches before this one are needed no more, and with `None`, neither are all the others. Returns where the
    /// first that is begins.
    pub(super) fn need(&mut self, batch: Option<u64>) -> Option<Position> {
        let Some(batch) = batch else {
            self.began.clear();
            return None;
        };
        while self.began.get(1).is_some_and(|(next, _)| *next <= batch) {
            self.began.pop_front();
        }
        self.first()
    }

    /// The first batch is needed no more. Returns where the next one begins.
    pub(super) fn drop_first(&mut self) -> Option<Position> {
        self.began.pop_front();
        self.first()
    }

    fn first(&self) -> Option<Position> {
        self.began.front().map(|(_, at)| *at)
    }
}
