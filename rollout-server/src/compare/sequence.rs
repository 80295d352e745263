//! Which of one parent's children are which of another's.
//!
//! Short lists (up to [`CELLS`] pairs) are aligned for the best score: a pair of the same type and name counts, one that
//! was given the same counts more, one that did the same throughout counts most. So of fifty calls of one tool with one
//! more in the middle, one is added and none has changed, which the longest common subsequence of names alone cannot tell.
//! Longer lists are cut at anchors first, as patience does, but the nth that did the same is paired with the nth, so that
//! lists of alike steps have anchors too. That takes n log n, and what lies between anchors is aligned in turn; lists
//! that are long even then are paired by the anchors alone. With n children in both lists together, no more than
//! 512 n cells are computed.

use std::collections::HashMap;

/// Pairs that are weighed for one stretch at most: 512 by 512.
const CELLS: usize = 1 << 18;

/// What is looked at of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// Of what it did and what all below it did.
    pub(super) subtree: u64,
    /// Of its type and name, and what it was given; 0 where nothing was captured.
    pub(super) given: u64,
    /// Of its type and name.
    pub(super) key: u64,
    /// Of the types and names of all below it.
    pub(super) shape: u64,
}

/// What anchors are found by, in turn.
type Look = fn(&Item) -> u64;
const LOOKS: [Look; 3] = [|item| item.subtree, |item| item.given, |item| item.key];

/// Pairs of indices in rising order on both sides. The same pairs, turned around, for the lists turned around.
pub(super) fn pairs(a: &[Item], b: &[Item]) -> Vec<(usize, usize)> {
    // Where several alignments are equally good, the one that is chosen must not depend on which list is first.
    let turned = (a.len(), a) > (b.len(), b);
    let (a, b) = if turned { (b, a) } else { (a, b) };
    let mut found = Vec::with_capacity(a.len().min(b.len()));
    stretch(
        &Lists { a, b },
        (0, a.len()),
        (0, b.len()),
        &LOOKS,
        &mut found,
    );
    if turned {
        for pair in &mut found {
            *pair = (pair.1, pair.0);
        }
    }
    found.sort_unstable();
    found
}

struct Lists<'a> {
    a: &'a [Item],
    b: &'a [Item],
}

fn stretch(
    lists: &Lists<'_>,
    (mut a, mut a_end): (usize, usize),
    (mut b, mut b_end): (usize, usize),
    looks: &[Look],
    found: &mut Vec<(usize, usize)>,
) {
    while a < a_end && b < b_end && lists.a[a].subtree == lists.b[b].subtree {
        found.push((a, b));
        (a, b) = (a + 1, b + 1);
    }
    while a < a_end && b < b_end && lists.a[a_end - 1].subtree == lists.b[b_end - 1].subtree {
        (a_end, b_end) = (a_end - 1, b_end - 1);
        found.push((a_end, b_end));
    }
    let (left, right) = (&lists.a[a..a_end], &lists.b[b..b_end]);
    if left.is_empty() || right.is_empty() {
        return;
    }
    if left.len().saturating_mul(right.len()) <= CELLS {
        found.extend(best(left, right).into_iter().map(|(i, j)| (a + i, b + j)));
        return;
    }
    let Some((look, rest)) = looks.split_first() else {
        return;
    };
    let (mut from_a, mut from_b) = (a, b);
    for (i, j) in anchors(left, right, *look) {
        let (i, j) = (a + i, b + j);
        stretch(lists, (from_a, i), (from_b, j), rest, found);
        found.push((i, j));
        (from_a, from_b) = (i + 1, j + 1);
    }
    stretch(lists, (from_a, a_end), (from_b, b_end), rest, found);
}

/// What a pair is worth; 0 where they cannot be one.
fn score(a: &Item, b: &Item) -> u32 {
    if a.key != b.key {
        return 0;
    }
    let given = a.given == b.given && a.given != 0;
    2 + u32::from(a.shape == b.shape) + 3 * u32::from(given) + 5 * u32::from(a.subtree == b.subtree)
}

/// The alignment of the highest score, early pairs first.
fn best(a: &[Item], b: &[Item]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    // What is reached from here to the end.
    let mut reached = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let at = i * width + j;
            let apart = reached[at + width].max(reached[at + 1]);
            let score = score(&a[i], &b[j]);
            let together = if score > 0 {
                reached[at + width + 1] + score
            } else {
                0
            };
            reached[at] = apart.max(together);
        }
    }
    let mut found = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let at = i * width + j;
        let score = score(&a[i], &b[j]);
        if score > 0 && reached[at] == reached[at + width + 1] + score {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if reached[at] == reached[at + width] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

/// The longest rising run of pairs of which each is the nth of its kind on both sides.
fn anchors(a: &[Item], b: &[Item], look: Look) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (j, item) in b.iter().enumerate() {
        places.entry(look(item)).or_default().push(j);
    }
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let mut candidates = Vec::new();
    for (i, item) in a.iter().enumerate() {
        let kind = look(item);
        // Nothing captured is nothing in common.
        if kind == 0 {
            continue;
        }
        let nth = seen.entry(kind).or_default();
        if let Some(j) = places.get(&kind).and_then(|places| places.get(*nth)) {
            candidates.push((i, *j));
        }
        *nth += 1;
    }
    rising(&candidates)
}

/// The longest run that rises on the right, of pairs that rise on the left.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; pairs.len()];
    for (at, (_, j)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *j);
        before[at] = length.checked_sub(1).map(|length| ends[length]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(index) = at {
        run.push(pairs[index]);
        at = before[index];
    }
    run.reverse();
    run
}
