//! The binary `rollout`.

fn main() {}
