//! What `rollout::wrap` says of what it cannot wrap: see `tests/`.
