//! What tracing costs the program that is traced, side by side with the peers.
//!
//! `cargo run --release -p rollout-bench` prints what `docs/performance.md` shows; `-- --help` lists its parts.
//! `cargo bench -p rollout-bench` is Criterion's look at the caller's side alone, and the examples are about model
//! calls and about the compiler.
//!
//! A [`contender`] records trees in some [`shape`](contender::Shape); a [`part`] measures contenders, each in a
//! [`child`] process of its own, since most of them set something global, and puts [tables](table) together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a program that measures, which may fail loudly"
)]

pub mod child;
pub mod contender;
pub mod events;
pub mod graph;
pub mod machine;
pub mod measure;
pub mod part;
pub mod server;
pub mod table;
