//! rollout.
