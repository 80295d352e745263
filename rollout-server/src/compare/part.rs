//! The parts of a step in which two traces may differ.

use serde::{Serialize, Serializer};

/// A part of a span, or of a trace as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Its name.
    Name,
    /// Its place among its siblings.
    Order,
    /// The model, or who serves it.
    Model,
    /// What it was given.
    Input,
    /// What was sent to the model, where that is not the input.
    Prompt,
    /// Its attributes, as far as they are not [volatile](super::volatile).
    Attributes,
    /// What was said in the trace.
    Messages,
    /// What it returned.
    Output,
    /// How it ended.
    Status,
    /// Why it failed.
    Error,
}

impl Part {
    /// All of them: first what is known when a step begins, then what is known when it ends.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Order,
        Self::Model,
        Self::Input,
        Self::Prompt,
        Self::Attributes,
        Self::Messages,
        Self::Output,
        Self::Status,
        Self::Error,
    ];

    /// Its name, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Order => "order",
            Self::Model => "model",
            Self::Input => "input",
            Self::Prompt => "prompt",
            Self::Attributes => "attributes",
            Self::Messages => "messages",
            Self::Output => "output",
            Self::Status => "status",
            Self::Error => "error",
        }
    }

    /// Whether it is known before what a step calls happens.
    pub(super) fn at_start(self) -> bool {
        self < Self::Messages
    }
}

/// Some parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts(u16);

impl Parts {
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `part` is among them.
    pub fn has(self, part: Part) -> bool {
        self.0 & Self::bit(part) != 0
    }

    /// Each of them in the order of [`Part::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| self.has(*part))
    }

    /// The first of those that are known when a step begins, or ends.
    pub(super) fn first(self, at_start: bool) -> Option<Part> {
        self.iter().find(|part| part.at_start() == at_start)
    }

    /// Adds `part` if it differs.
    pub(super) fn add(&mut self, part: Part, differs: bool) {
        if differs {
            self.0 |= Self::bit(part);
        }
    }

    fn bit(part: Part) -> u16 {
        1 << part as u16
    }
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
