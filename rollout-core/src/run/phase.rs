//! What rollouts are for.

use std::fmt;
use std::str::FromStr;

/// What a rollout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A model learns from it.
    Train,
    /// It is scored.
    Eval,
    /// It serves somebody.
    Prod,
}

impl Phase {
    /// Its name: `train`, `eval` or `prod`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
            Self::Prod => "prod",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is the name of no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsePhaseError(());

impl fmt::Display for ParsePhaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a phase is train, eval or prod")
    }
}

impl std::error::Error for ParsePhaseError {}

impl FromStr for Phase {
    type Err = ParsePhaseError;

    fn from_str(text: &str) -> Result<Self, ParsePhaseError> {
        match text {
            "train" => Ok(Self::Train),
            "eval" => Ok(Self::Eval),
            "prod" => Ok(Self::Prod),
            _ => Err(ParsePhaseError(())),
        }
    }
}
