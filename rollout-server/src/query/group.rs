//! Users, sessions and conversations.

use jiff::Timestamp;
use rollout_core::event::Usage;
use serde::{Deserialize, Serialize};

use super::Filter;

/// How many groups a page holds at most.
pub const MAX_GROUPS: u64 = 500;

/// What traces are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Their users.
    User,
    /// Their sessions.
    Session,
    /// Their conversations.
    Conversation,
}

/// Which groups are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupQuery {
    /// What the traces are grouped by. Those without one are in no group.
    pub by: GroupBy,
    /// What the traces must have.
    pub filter: Filter,
    /// How many groups at most, from 1 to [`MAX_GROUPS`].
    pub limit: u64,
    /// The [`GroupPage::next_cursor`] of the page before.
    pub cursor: Option<String>,
}

/// One page of groups, those with the newest trace first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupPage {
    /// The groups.
    pub groups: Vec<GroupSummary>,
    /// Asks for the page after this one; absent on the last.
    pub next_cursor: Option<String>,
}

/// Traces that have a user, a session or a conversation in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// The id that they have in common.
    pub id: String,
    /// How many there are.
    pub traces: u64,
    /// How many of them failed.
    pub errors: u64,
    /// When the first one began.
    pub first_at: Option<Timestamp>,
    /// When the last one began.
    pub last_at: Option<Timestamp>,
    /// The sum over their model calls.
    pub usage: Usage,
    /// What they cost, in US dollars, as far as that is known.
    pub cost_usd: Option<f64>,
    /// The user of the newest one that has one.
    pub user_id: Option<String>,
    /// What the newest one was given, in one line.
    pub input_preview: Option<String>,
}

/// Which values of a key are asked for, to complete a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueQuery {
    /// The key.
    pub key: super::Key,
    /// How they begin, in any case.
    pub prefix: String,
    /// How many at most.
    pub limit: u64,
}

/// A value of a key, and how often it is seen among the newest traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// How many of the newest traces have it.
    pub count: u64,
}
