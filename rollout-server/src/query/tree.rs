//! The order of a tree.

use std::collections::HashMap;

/// A node before it has its place: its id, and its parent's where it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) id: &'a str,
    pub(crate) parent: Option<&'a str>,
}

/// The place of a node: its index in what was given, its depth, and its parent's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) depth: u32,
    pub(crate) parent: Option<usize>,
}

/// Orders nodes so that children follow their parents; siblings stay in the order given.
///
/// A node whose parent is not among them is on top. So is the first node of a circle.
pub(crate) fn order(nodes: &[Node<'_>]) -> Vec<Place> {
    let by_id: HashMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| (node.id, index))
        .collect();
    let parents: Vec<Option<usize>> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let parent = by_id.get(node.parent?).copied();
            parent.filter(|parent| *parent != index)
        })
        .collect();
    // Chains of siblings, built from the back so that they run forward.
    let mut first_child = vec![None; nodes.len()];
    let mut next_sibling = vec![None; nodes.len()];
    for index in (0..nodes.len()).rev() {
        if let Some(parent) = parents[index] {
            next_sibling[index] = first_child[parent].replace(index);
        }
    }
    let mut placed = vec![false; nodes.len()];
    let mut places = Vec::with_capacity(nodes.len());
    let tops = (0..nodes.len()).filter(|index| parents[*index].is_none());
    for top in tops.chain(0..nodes.len()) {
        let mut stack = vec![(top, 0, None)];
        while let Some((index, depth, parent)) = stack.pop() {
            if depth > 0
                && let Some(sibling) = next_sibling[index]
            {
                stack.push((sibling, depth, parent));
            }
            if placed[index] {
                continue;
            }
            placed[index] = true;
            places.push(Place {
                index,
                depth,
                parent,
            });
            if let Some(child) = first_child[index] {
                stack.push((child, depth + 1, Some(index)));
            }
        }
    }
    places
}
