//! How a rollout ends.

use std::fmt;
use std::str::FromStr;

/// How a rollout ended, or that it has not.
///
/// A scope that ends with no status set is [`Completed`](Status::Completed), [`Error`](Status::Error) if its closure
/// has failed, and [`Aborted`](Status::Aborted) if it was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is not over: another request goes on with it, or its score is yet to come.
    Pending,
    /// It came to its end.
    Completed,
    /// It was cut off: too many turns, tokens or seconds.
    Truncated,
    /// Somebody gave it up.
    Aborted,
    /// The environment could not be set up.
    EnvSetupError,
    /// A step of the environment failed.
    StepError,
    /// The grader did not answer in time.
    GraderTimeout,
    /// The grader failed.
    GraderError,
    /// A tool failed in a way that the agent could do nothing about.
    ToolError,
    /// Anything else failed.
    Error,
}

const NAMES: [(Status, &str); 10] = [
    (Status::Pending, "PENDING"),
    (Status::Completed, "COMPLETED"),
    (Status::Truncated, "TRUNCATED"),
    (Status::Aborted, "ABORTED"),
    (Status::EnvSetupError, "ENV_SETUP_ERROR"),
    (Status::StepError, "STEP_ERROR"),
    (Status::GraderTimeout, "GRADER_TIMEOUT"),
    (Status::GraderError, "GRADER_ERROR"),
    (Status::ToolError, "TOOL_ERROR"),
    (Status::Error, "ERROR"),
];

impl Status {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Completed,
        Self::Truncated,
        Self::Aborted,
        Self::EnvSetupError,
        Self::StepError,
        Self::GraderTimeout,
        Self::GraderError,
        Self::ToolError,
        Self::Error,
    ];

    /// Its name, as traces have it: `COMPLETED`, `GRADER_TIMEOUT`, ….
    pub fn as_str(self) -> &'static str {
        let named = NAMES.iter().find(|(status, _)| *status == self);
        named.map_or("ERROR", |(_, name)| name)
    }

    /// Whether something failed. A rollout that was cut off or given up has not.
    pub fn is_error(self) -> bool {
        matches!(
            self,
            Self::EnvSetupError
                | Self::StepError
                | Self::GraderTimeout
                | Self::GraderError
                | Self::ToolError
                | Self::Error
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is the name of no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseStatusError(());

impl fmt::Display for ParseStatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.map(|(_, name)| name).join(", ");
        write!(f, "a status is one of {names}")
    }
}

impl std::error::Error for ParseStatusError {}

impl FromStr for Status {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, ParseStatusError> {
        let named = NAMES.iter().find(|(_, name)| *name == text);
        named.map(|(status, _)| *status).ok_or(ParseStatusError(()))
    }
}
