//! The runtime of rollout.

pub mod event;
