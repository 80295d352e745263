//! What CI systems and hosts say of the repository in the environment.

use super::Git;
use super::address::on_github;
use crate::config::env;
use crate::error::ConfigError;

/// Variables with the whole address: GitLab, Bitbucket, CircleCI, Buildkite, Jenkins, Azure Pipelines, AWS CodeBuild,
/// Drone, Woodpecker, Semaphore, Cirrus.
const REPO: [&str; 11] = [
    "CI_PROJECT_URL",
    "BITBUCKET_GIT_HTTP_ORIGIN",
    "CIRCLE_REPOSITORY_URL",
    "BUILDKITE_REPO",
    "GIT_URL",
    "BUILD_REPOSITORY_URI",
    "CODEBUILD_SOURCE_REPO_URL",
    "DRONE_REPO_LINK",
    "CI_REPO_URL",
    "SEMAPHORE_GIT_URL",
    "CIRRUS_REPO_CLONE_URL",
];

/// Variables with the commit: GitHub, GitLab (and Woodpecker), Bitbucket, CircleCI, Buildkite, Jenkins, Azure Pipelines,
/// AWS CodeBuild, Drone, Semaphore, Cirrus, Travis, `AppVeyor`, Vercel, Render, Railway.
const COMMIT: [&str; 16] = [
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BITBUCKET_COMMIT",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
    "GIT_COMMIT",
    "BUILD_SOURCEVERSION",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "DRONE_COMMIT_SHA",
    "SEMAPHORE_GIT_SHA",
    "CIRRUS_CHANGE_IN_REPO",
    "TRAVIS_COMMIT",
    "APPVEYOR_REPO_COMMIT",
    "VERCEL_GIT_COMMIT_SHA",
    "RENDER_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
];

/// Repository and commit, each from the first variable that is set.
pub(super) fn find() -> Result<Git, ConfigError> {
    let repo = match env::variable("GITHUB_REPOSITORY")? {
        Some(name) => Some(on_github(&name)?),
        None => first(&REPO)?,
    };
    Ok(Git {
        repo,
        commit: first(&COMMIT)?,
    })
}

fn first(names: &[&str]) -> Result<Option<String>, ConfigError> {
    for name in names {
        if let Some(value) = env::variable(name)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}
