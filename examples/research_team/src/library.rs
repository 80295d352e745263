//! Where researchers look. In a program of yours, these would be calls of search services.

use std::time::Duration;

use rollout::tool;
use tokio::time::{sleep, timeout};

/// Papers on a topic.
#[tool]
pub(crate) async fn search_papers(topic: &str) -> Vec<String> {
    sleep(Duration::from_millis(35)).await;
    let papers: &[&str] = match topic {
        "B-trees" => &["The Ubiquitous B-Tree (1979)"],
        "LSM trees" => &["The Log-Structured Merge-Tree (1996)"],
        _ => &[],
    };
    papers.iter().map(ToString::to_string).collect()
}

/// Projects on a topic, with those of the archive if it answers soon enough.
#[tool]
pub(crate) async fn search_projects(topic: &str) -> Vec<String> {
    let mut projects: Vec<String> = match topic {
        "B-trees" => vec!["SQLite".to_owned(), "LMDB".to_owned()],
        "LSM trees" => vec!["RocksDB".to_owned()],
        _ => Vec::new(),
    };
    // A call that is dropped half-way is shown as cancelled.
    if let Ok(old) = timeout(Duration::from_millis(60), search_archive(topic)).await {
        projects.extend(old);
    }
    projects
}

/// Projects that are no longer kept up. The archive takes its time.
#[tool]
async fn search_archive(topic: &str) -> Vec<String> {
    sleep(Duration::from_mins(1)).await;
    vec![format!("an old project about {topic}")]
}
