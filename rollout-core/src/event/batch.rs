//! The envelope of a request, and the answer to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::time;

/// The version of the protocol that these types speak.
pub const SCHEMA_VERSION: &str = "1.0";

/// The body of a request: up to [`limit::BATCH_EVENTS`](super::limit::BATCH_EVENTS) events and
/// who sends them.
///
/// Generic in its events: a sender puts in lines of the spool as they are, a receiver takes them
/// out one by one, so that a bad one does not spoil the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch<E> {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// The kind of sender: `sdk_rust`, `sdk_python`.
    pub source: String,
    /// The library that sends.
    pub sdk: Sdk,
    /// The same on every try to send this batch.
    pub batch_id: String,
    /// When the batch was put together; the same on every try.
    #[serde(with = "time::required")]
    pub sent_at: Timestamp,
    /// The events, in the order in which they happened at the sender.
    pub events: Vec<E>,
}

/// The library that sends a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sdk {
    /// Its package.
    pub name: String,
    /// What it is written in.
    pub language: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The answer to a batch. Senders refuse an answer with a field more or less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBatchResponse {
    /// Events that are stored now, or were already.
    pub accepted: u64,
    /// Events that are not.
    pub rejected: u64,
    /// Whether sending the rejected ones again could help.
    pub retryable: bool,
    /// Why, for each rejected event.
    pub errors: Vec<EventBatchError>,
}

/// Why one event of a batch was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBatchError {
    /// Position of the event in the batch, from 0.
    pub index: u64,
    /// What is wrong, as a word for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
}
