//! The grader: was the number reached, and in how few moves?

use rollout::run::Score;

use crate::environment::Abacus;

/// The grader cannot tell.
#[derive(Debug, thiserror::Error)]
#[error("no reference solution for {0}")]
pub(crate) struct NoReference(String);

/// Scores what has become of a puzzle: 1 for the target in the fewest moves, down to 0.
pub(crate) fn grade(abacus: &Abacus, moves: usize) -> Result<Score, NoReference> {
    let puzzle = abacus.puzzle();
    let fewest =
        fewest_moves(puzzle.start, puzzle.target).ok_or_else(|| NoReference(puzzle.id.clone()))?;
    let reached = abacus.value() == puzzle.target;
    let brevity = if reached && moves > 0 {
        fewest as f64 / moves as f64
    } else {
        0.0
    };
    let reward = if reached { 0.5 + 0.5 * brevity } else { 0.0 };
    Ok(Score::new(reward)
        .component("reached", f64::from(u8::from(reached)))
        .component("brevity", brevity)
        .passed(reached)
        .explanation(format!("{moves} moves, where {fewest} would do")))
}

/// Nobody has worked out the way to numbers that big.
const MOST_KNOWN: u32 = 1000;

/// The length of the shortest way, found backwards: halve what can be halved.
fn fewest_moves(start: u32, target: u32) -> Option<usize> {
    if target > MOST_KNOWN {
        return None;
    }
    let (mut value, mut moves) = (target, 0);
    while value > start {
        let half = value / 2;
        if value.is_multiple_of(2) && half >= start && half > 0 {
            value = half;
        } else {
            value -= 1;
        }
        moves += 1;
    }
    Some(moves)
}
