//! The runtime of rollout.
