//! The environment: a number that is to become another one.

use std::sync::Mutex;

use rollout::tool;
use serde::{Deserialize, Serialize};

/// What a policy may do in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// One more.
    Increment,
    /// Twice as much.
    Double,
}

/// A datapoint: where it begins, and where it is to go.
#[derive(Debug, Clone, Serialize)]
pub struct Puzzle {
    /// Its id.
    pub id: String,
    /// The number at the start.
    pub start: u32,
    /// The number that is wanted.
    pub target: u32,
    /// Its environment breaks after so many moves.
    pub breaks_after: Option<usize>,
}

/// The tool of the environment has broken: nothing that the policy does will help.
#[derive(Debug, thiserror::Error)]
#[error("the abacus has lost its beads after {moves} moves")]
pub struct Broken {
    moves: usize,
}

/// The environment of one rollout.
#[derive(Debug)]
pub struct Abacus {
    puzzle: Puzzle,
    state: Mutex<(u32, usize)>,
}

impl Abacus {
    /// Sets the puzzle up. Some cannot be: a target below the start is never reached.
    pub fn new(puzzle: Puzzle) -> Result<Self, String> {
        if puzzle.target < puzzle.start {
            return Err(format!("{} cannot be set up: it goes down", puzzle.id));
        }
        let state = Mutex::new((puzzle.start, 0));
        Ok(Self { puzzle, state })
    }

    /// The puzzle.
    pub fn puzzle(&self) -> &Puzzle {
        &self.puzzle
    }

    /// The number as it is now.
    pub fn value(&self) -> u32 {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .0
    }

    /// Makes a move and tells the number that there is then.
    #[tool(name = "abacus")]
    pub fn apply(&self, wanted: Move) -> Result<u32, Broken> {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (value, moves) = *state;
        if self.puzzle.breaks_after == Some(moves) {
            return Err(Broken { moves });
        }
        let value = match wanted {
            Move::Increment => value + 1,
            Move::Double => value * 2,
        };
        *state = (value, moves + 1);
        Ok(value)
    }
}
