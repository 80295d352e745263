//! What tracing costs the program that is traced, side by side with the peers: `cargo bench -p rollout-bench`.
