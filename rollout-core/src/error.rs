//! What can go wrong, for those who ask. Nothing here ever reaches an annotated function.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A setting that cannot be used: which one, what was given, what is allowed.
///
/// Its text never holds a secret: the value of a key is shown as `[redacted]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    setting: Box<str>,
    value: Option<Box<str>>,
    problem: Box<str>,
    integration: Option<IntegrationError>,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Box<str>>,
        value: Option<&str>,
        problem: impl Into<Box<str>>,
    ) -> Self {
        Self {
            setting: setting.into(),
            value: value.map(Into::into),
            problem: problem.into(),
            integration: None,
        }
    }

    /// The same, because of an integration that it names.
    pub(crate) fn because_of(mut self, integration: Option<IntegrationError>) -> Self {
        self.integration = integration;
        self
    }

    /// Which integration cannot be used, where that is what is wrong; also its [`source`](Error::source).
    pub fn integration(&self) -> Option<&IntegrationError> {
        self.integration.as_ref()
    }

    /// The setting as it was given: an environment variable, a key of `rollout.toml`, or a
    /// setter of the builder.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// The value that was given, `[redacted]` for keys; `None` if there was none.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What is wrong with it, or what is allowed.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} is {value:?}: {}", self.setting, self.problem),
            None => write!(f, "{}: {}", self.setting, self.problem),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.integration.as_ref()?)
    }
}

/// An integration or a provider that is named while the program runs, and cannot be used. What is named in code is
/// checked by the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntegrationError {
    /// There is none of this name.
    Unsupported {
        /// The name that was given.
        name: String,
        /// The names that can be, with commas.
        supported: String,
    },
    /// There is one, but the program was built without it.
    MissingDependency {
        /// The name that was given.
        name: String,
        /// The cargo feature of `rollout` that it takes.
        feature: &'static str,
    },
}

impl fmt::Display for IntegrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { name, supported } => {
                write!(f, "{name:?} cannot be recorded; what can: {supported}")
            }
            Self::MissingDependency { name, feature } => write!(
                f,
                "{name:?} needs the cargo feature `{feature}` of rollout, which this program was \
                 built without"
            ),
        }
    }
}

impl Error for IntegrationError {}

/// Why a flush could not report.
///
/// A flush whose time was too short for delivery is no error: its [`FlushReport`] says so.
///
/// [`FlushReport`]: crate::FlushReport
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// The client was shut down before; what it had then is delivered or in the spool.
    Closed,
    /// The worker thread was too busy with what is recorded to say in time how far it is. Nothing is lost by that; a
    /// process that ends now loses what is not yet in the spool.
    Busy,
    /// The worker thread is gone: the system refused to start it, or the process is a fork.
    NoWorker,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the client is shut down: flush before shutdown",
            Self::Busy => {
                "the worker is still writing what was recorded and did not answer in time: allow \
                 it more"
            }
            Self::NoWorker => {
                "the client has no worker thread: it could not be started, or this process is a \
                 fork of the one that started it; start a client of its own here"
            }
        })
    }
}

impl Error for FlushError {}

/// Why an exporter could not hand a batch over, and so what happens to the batch next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// The other side cannot take it now. The same batch is sent again, without end, after
    /// `after` or, where that is `None`, after an exponential back-off with jitter.
    Retry {
        /// The least time to wait, where the other side named one.
        after: Option<Duration>,
        /// Why, for the warning.
        reason: String,
    },
    /// The batch is too big for the other side: it is sent in halves. One event that is too
    /// big by itself counts as rejected.
    TooLarge {
        /// Why, for the warning.
        reason: String,
    },
    /// Something in the batch is wrong: its events are sent one by one, and those that fail
    /// again count as rejected.
    Invalid {
        /// A short word for the statistics, such as `http_400`.
        code: String,
        /// Why, for the warning.
        reason: String,
    },
    /// The whole batch is refused, and would be again: its events count as rejected.
    Rejected {
        /// A short word for the statistics, such as `http_404`.
        code: String,
        /// Why, for the warning.
        reason: String,
    },
    /// The other side will take nothing at all, for example because the key is wrong. This
    /// exporter stops until the process starts again; events stay in the spool.
    Stop {
        /// Why, for the warning.
        reason: String,
    },
}

impl ExportError {
    /// Try again after the usual back-off.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry {
            after: None,
            reason: reason.into(),
        }
    }

    /// Why, in words.
    pub fn reason(&self) -> &str {
        match self {
            Self::Retry { reason, .. }
            | Self::TooLarge { reason }
            | Self::Invalid { reason, .. }
            | Self::Rejected { reason, .. }
            | Self::Stop { reason } => reason,
        }
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for ExportError {}
