//! The language of filters: `status:error model:gpt-4.1* cost>0.05 -user:cus_1 since:2h "refund"`.
//!
//! A filter is words apart by blanks, and a trace must have all that they ask for. A word is a condition,
//! `KEY:VALUE[,VALUE…]`, a comparison, `MEASURE>NUMBER`, a bound in time, `since:WHEN` or `until:WHEN`, or text that
//! stands somewhere in the trace. A minus before it turns it around.

mod error;
mod number;
mod parse;
mod words;
mod write;
mod written;

use std::time::Duration;

use jiff::Timestamp;

pub use error::{FilterError, FilterProblem};
pub(crate) use parse::unescaped;
pub(crate) use words::key;
pub use words::{KEYS, MEASURES, WordInfo};
pub(crate) use write::quoted;
pub(crate) use written::{Place, Written};

/// What a trace must have to be listed; all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The terms, in the order in which they were written.
    pub terms: Vec<Term>,
}

/// One word of a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Whether the trace must not pass the test.
    pub negated: bool,
    /// The test.
    pub test: Test,
}

/// What a trace is tested for.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// What the key looks at is one of these. A trace of which it is not known passes no such test.
    Is(Key, Vec<Pattern>),
    /// What the measure counts compares so with a number. A trace of which it is not known passes no such test.
    Measures(Measure, Comparison, f64),
    /// It began then, or later.
    Since(Moment),
    /// It began before.
    Until(Moment),
    /// The text is in the name, an input, an output, an error's type or message, or a message's content, of the trace or
    /// of one of its spans; an empty text is in every trace.
    ///
    /// Letters are compared in any case of any script (`char::to_lowercase`, and `ς` is `σ`), blanks and control
    /// characters in a row are one blank. Of a JSON value, its strings with their escapes resolved, the names of its
    /// members with a colon behind, and its literals but `null` are one text, with a blank between. Of each value, the
    /// first 64 KiB of that are looked at.
    Contains(String),
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Just this.
    Exactly(String),
    /// These pieces with anything between them, from the beginning to the end: `["gpt-", ""]` for `gpt-*`. At least two.
    Wildcard(Vec<String>),
}

impl Pattern {
    /// Whether a value is like that.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exactly(text) => text == value,
            Self::Wildcard(pieces) => {
                let [first, between @ .., last] = &pieces[..] else {
                    return false;
                };
                let Some(mut rest) = value.strip_prefix(first.as_str()) else {
                    return false;
                };
                for piece in between {
                    let Some(at) = rest.find(piece.as_str()) else {
                        return false;
                    };
                    rest = &rest[at + piece.len()..];
                }
                rest.ends_with(last.as_str())
            }
        }
    }
}

/// A moment that is fixed, or moves along with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// That one.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// When that is, where it is `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => now.checked_sub(age).unwrap_or(Timestamp::MIN),
        }
    }
}

/// How a measure compares with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
}

impl Comparison {
    /// How it is written, here and in SQL.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        }
    }
}

/// What a condition looks at. Values are compared exactly, capitals and all; one that is empty is a value like any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The trace's id, or the caller's own.
    Id,
    /// The trace's status.
    Status,
    /// The trace's name.
    Name,
    /// The type of one of its spans; of one that says none, `span`.
    Type,
    /// The name of one of its spans.
    Span,
    /// The name of one of its spans of the type `tool`.
    Tool,
    /// The model of one of its spans.
    Model,
    /// Who serves the model of one of its spans.
    Provider,
    /// The type of its error, or of one of its spans'.
    Error,
    /// Its user.
    User,
    /// Its account.
    Account,
    /// Its session.
    Session,
    /// Its conversation.
    Conversation,
    /// One of its tags.
    Tag,
    /// The agent's configured name.
    Agent,
    /// The agent's configured version.
    Version,
    /// The environment in which the agent is deployed.
    Environment,
    /// The run that it belongs to.
    Run,
    /// What it is for: `train`, `eval` or `prod`.
    Phase,
    /// The step of its run.
    Step,
    /// The id of its input.
    Datapoint,
    /// The environment of its rollout.
    Env,
    /// A grader that has scored it.
    Grader,
    /// The group that it is one sample of.
    Group,
    /// An entry of its metadata, or another attribute, of this name: a text by itself, anything else as JSON writes it.
    Meta(Box<str>),
}

/// What a comparison looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Measure {
    /// How long it took, in milliseconds; of a trace that runs, not known.
    Duration,
    /// What it cost, in US dollars; where nobody says, not known.
    Cost,
    /// All tokens of its model calls: as they say, else what they were given and what they answered; 0 where nobody says.
    Tokens,
    /// Tokens that its model calls were given; where nobody says, not known.
    Input,
    /// Tokens that its model calls answered; where nobody says, not known.
    Output,
    /// How many spans it has.
    Spans,
    /// How many of them failed.
    Errors,
    /// How many turns its rollout has; of a trace that is none, not known.
    Turns,
    /// The last score of this grader; where it has no name, that of any grader: one that compares so is enough.
    Score(Option<Box<str>>),
}
