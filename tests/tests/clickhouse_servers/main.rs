//! The store in ClickHouse beside the one in SQLite, and several servers on one database.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

mod made;
mod same;
mod several;

use rollout_server::store::StorePlace;
use rollout_tests::clickhouse::{ClickHouse, Database};
use rollout_tests::server::TestServer;
use tempfile::TempDir;

/// The address of a database as a store.
fn place(server: &ClickHouse, database: &str) -> StorePlace {
    format!("clickhouse://{}/{database}", server.address())
        .parse()
        .unwrap()
}

/// A server with a store in a database, over a folder of its own.
fn on(database: &Database<'_>) -> (TempDir, TestServer) {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_at(dir.path(), place(database.server(), &database.name), &[]);
    (dir, server)
}
