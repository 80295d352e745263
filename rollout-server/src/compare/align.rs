//! Two trees as one.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::{
    Divergence,
    part::{Part, Parts},
    sequence::{self, Item},
    step::Step,
};

/// A step of one trace or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// How many steps are around it.
    pub depth: u32,
    /// Its place in the first trace, in tree order.
    pub a: Option<u32>,
    /// Its place in the second.
    pub b: Option<u32>,
    /// In what they differ, where both have it.
    pub differs: Parts,
}

impl Row {
    /// What became of the step.
    pub fn change(&self) -> Change {
        match (self.a, self.b) {
            (Some(_), None) => Change::Removed,
            (None, Some(_)) => Change::Added,
            _ if self.differs.is_empty() => Change::Unchanged,
            _ if self.differs.iter().eq([Part::Order]) => Change::Moved,
            _ => Change::Changed,
        }
    }
}

/// What became of a step between the first trace and the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It did the same.
    Unchanged,
    /// It did the same in another place among its siblings.
    Moved,
    /// Both have it, and something of it differs.
    Changed,
    /// Only the first has it.
    Removed,
    /// Only the second has it.
    Added,
}

impl Change {
    /// The mark that stands before it, told apart by shape.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Unchanged => " ",
            Self::Moved => "↕",
            Self::Changed => "~",
            Self::Removed => "-",
            Self::Added => "+",
        }
    }

    /// Its word, as JSON has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Moved => "moved",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Added => "added",
        }
    }
}

/// How many rows of which kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Steps that did the same.
    pub unchanged: u64,
    /// Steps that did the same in another place.
    pub moved: u64,
    /// Steps of which something differs.
    pub changed: u64,
    /// Steps that only the first has.
    pub removed: u64,
    /// Steps that only the second has.
    pub added: u64,
}

impl Counts {
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            *match row.change() {
                Change::Unchanged => &mut counts.unchanged,
                Change::Moved => &mut counts.moved,
                Change::Changed => &mut counts.changed,
                Change::Removed => &mut counts.removed,
                Change::Added => &mut counts.added,
            } += 1;
        }
        counts
    }

    /// How many differ.
    pub fn differences(&self) -> u64 {
        self.moved + self.changed + self.removed + self.added
    }
}

/// The steps of a trace with what is known of all below them.
struct Tree<'a> {
    steps: &'a [Step],
    /// For each step, the one behind its subtree.
    end: Vec<usize>,
    items: Vec<Item>,
}

impl<'a> Tree<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let mut end = vec![steps.len(); steps.len()];
        let mut open: Vec<usize> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            while let Some(&last) = open.last().filter(|last| steps[**last].depth >= step.depth) {
                end[last] = at;
                open.pop();
            }
            open.push(at);
        }
        let mut tree = Self {
            items: steps.iter().map(Step::item).collect(),
            steps,
            end,
        };
        for at in (0..steps.len()).rev() {
            let below: Vec<(u64, u64)> = tree
                .children(Some(at))
                .map(|child| (tree.items[child].subtree, tree.items[child].shape))
                .collect();
            tree.items[at] = steps[at].with(&below);
        }
        tree
    }

    /// The children of a step, or the topmost steps.
    fn children(&self, parent: Option<usize>) -> impl Iterator<Item = usize> {
        let (mut at, end) = match parent {
            Some(parent) => (parent + 1, self.end[parent]),
            None => (0, self.steps.len()),
        };
        std::iter::from_fn(move || {
            let child = (at < end).then_some(at)?;
            at = self.end[child];
            Some(child)
        })
    }
}

/// What is still to be told, the next last.
#[derive(Clone, Copy)]
enum Task {
    Pair { a: usize, b: usize, moved: bool },
    OnlyA(usize),
    OnlyB(usize),
}

/// Every step of both, each once.
pub(super) fn rows(a: &[Step], b: &[Step]) -> Vec<Row> {
    let (a, b) = (Tree::new(a), Tree::new(b));
    let mut rows = Vec::with_capacity(a.steps.len().max(b.steps.len()));
    let mut tasks = Vec::new();
    level(&a, &b, None, &mut tasks);
    let mut tasks: Vec<(Task, u32)> = tasks.into_iter().rev().map(|task| (task, 0)).collect();
    let mut below = Vec::new();
    while let Some((task, depth)) = tasks.pop() {
        below.clear();
        let place = |at: usize| u32::try_from(at).ok();
        let mut row = Row {
            depth,
            a: None,
            b: None,
            differs: Parts::default(),
        };
        match task {
            Task::Pair {
                a: left,
                b: right,
                moved,
            } => {
                (row.a, row.b) = (place(left), place(right));
                row.differs = a.steps[left].differs(&b.steps[right]);
                row.differs.add(Part::Order, moved);
                level(&a, &b, Some((left, right)), &mut below);
            }
            Task::OnlyA(left) => {
                row.a = place(left);
                below.extend(a.children(Some(left)).map(Task::OnlyA));
            }
            Task::OnlyB(right) => {
                row.b = place(right);
                below.extend(b.children(Some(right)).map(Task::OnlyB));
            }
        }
        rows.push(row);
        tasks.extend(below.drain(..).rev().map(|task| (task, depth + 1)));
    }
    rows
}

/// Aligns the children of a pair, or the topmost steps.
fn level(a: &Tree<'_>, b: &Tree<'_>, parents: Option<(usize, usize)>, tasks: &mut Vec<Task>) {
    let left: Vec<usize> = a.children(parents.map(|(a, _)| a)).collect();
    let right: Vec<usize> = b.children(parents.map(|(_, b)| b)).collect();
    if let ([left], [right], None) = (&*left, &*right, parents) {
        // Two runs are of one program, whatever it is called by now.
        tasks.push(Task::Pair {
            a: *left,
            b: *right,
            moved: false,
        });
        return;
    }
    let items = |tree: &Tree<'_>, children: &[usize]| -> Vec<Item> {
        children.iter().map(|child| tree.items[*child]).collect()
    };
    let (left_items, right_items) = (items(a, &left), items(b, &right));
    let pairs = sequence::pairs(&left_items, &right_items);
    let moved = moved(&left_items, &right_items, &pairs);
    let has_moved: Vec<bool> = {
        let mut marks = vec![false; left.len()];
        for i in moved.values() {
            marks[*i] = true;
        }
        marks
    };
    let (mut i, mut j) = (0, 0);
    for (to_i, to_j) in pairs.into_iter().chain([(left.len(), right.len())]) {
        tasks.extend(
            (i..to_i)
                .filter(|i| !has_moved[*i])
                .map(|i| Task::OnlyA(left[i])),
        );
        tasks.extend((j..to_j).map(|j| match moved.get(&j) {
            Some(i) => Task::Pair {
                a: left[*i],
                b: right[j],
                moved: true,
            },
            None => Task::OnlyB(right[j]),
        }));
        if to_i < left.len() && to_j < right.len() {
            tasks.push(Task::Pair {
                a: left[to_i],
                b: right[to_j],
                moved: false,
            });
        }
        (i, j) = (to_i + 1, to_j + 1);
    }
}

/// Of what no order pairs: those that did the same, then those that were given the same. The right one to the left one.
fn moved(a: &[Item], b: &[Item], pairs: &[(usize, usize)]) -> HashMap<usize, usize> {
    let mut free_a = vec![true; a.len()];
    let mut free_b = vec![true; b.len()];
    for (i, j) in pairs {
        (free_a[*i], free_b[*j]) = (false, false);
    }
    let mut moved = HashMap::new();
    let looks: [fn(&Item) -> u64; 2] = [
        // A step of which nothing is known is no step that is known again.
        |item| if item.given == 0 { 0 } else { item.subtree },
        |item| item.given,
    ];
    for look in looks {
        let mut places: HashMap<u64, VecDeque<usize>> = HashMap::new();
        for i in (0..a.len()).filter(|i| free_a[*i] && look(&a[*i]) != 0) {
            places.entry(look(&a[i])).or_default().push_back(i);
        }
        for j in (0..b.len()).filter(|j| free_b[*j]).collect::<Vec<_>>() {
            if let Some(i) = places.get_mut(&look(&b[j])).and_then(VecDeque::pop_front) {
                (free_a[i], free_b[j]) = (false, false);
                moved.insert(j, i);
            }
        }
    }
    moved
}

/// Where they part in the order of events: what a step was given counts when it begins, what it returned and how it
/// ended when all below it is over.
pub(super) fn first(whole: Parts, rows: &[Row]) -> Option<Divergence> {
    let at = |row, part| {
        Some(Divergence {
            row,
            part: Some(part),
        })
    };
    if let Some(part) = whole.first(true) {
        return at(None, part);
    }
    let mut open: Vec<usize> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        while let Some(&last) = open.last().filter(|last| rows[**last].depth >= row.depth) {
            open.pop();
            if let Some(part) = rows[last].differs.first(false) {
                return at(Some(last), part);
            }
        }
        if row.a.is_none() || row.b.is_none() {
            return Some(Divergence {
                row: Some(index),
                part: None,
            });
        }
        if let Some(part) = row.differs.first(true) {
            return at(Some(index), part);
        }
        open.push(index);
    }
    while let Some(last) = open.pop() {
        if let Some(part) = rows[last].differs.first(false) {
            return at(Some(last), part);
        }
    }
    whole.first(false).and_then(|part| at(None, part))
}

#[cfg(test)]
#[path = "align_tests.rs"]
mod tests;
