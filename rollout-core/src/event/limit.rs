//! The bounds that the protocol sets. Lengths count Unicode code points.

/// Events in one batch, at most; there is at least one.
pub const BATCH_EVENTS: usize = 1000;
/// Length of `schema_version`.
pub const SCHEMA_VERSION: usize = 40;
/// Length of the envelope's `source`.
pub const SOURCE: usize = 80;
/// Length of the envelope's `sdk.name` and `sdk.version`.
pub const SDK_NAME: usize = 100;
/// Length of the envelope's `sdk.language`.
pub const SDK_LANGUAGE: usize = 50;
/// Length of every id: of batches, events, traces, spans, tool calls, users and links.
pub const ID: usize = 200;
/// Length of every short word: `event_type`, `span_type`, `status`, `role`, `content_type`.
pub const WORD: usize = 80;
/// Length of the event's `name`, of `error.signature` and of `outcome.failure_reason`.
pub const NAME: usize = 300;
/// Length of a version, provider, deployment, environment or integration.
pub const LABEL: usize = 100;
/// Length of the names of agent, model, tool and error type, and of `business_outcome`.
pub const TITLE: usize = 200;
/// Length of `error.message_preview`.
pub const ERROR_MESSAGE: usize = 1000;
