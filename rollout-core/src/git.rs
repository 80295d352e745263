//! Which repository and commit the program runs from: what a CI system says, else what `.git`
//! says. Git itself is never run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::env;
use crate::error::ConfigError;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Git {
    /// The repository's address, without any password.
    pub(crate) repo: Option<String>,
    /// The commit.
    pub(crate) commit: Option<String>,
}

/// Variables with the whole address, by CI system: GitLab, Bitbucket, CircleCI, Buildkite,
/// Jenkins, Azure Pipelines.
const REPO: [&str; 6] = [
    "CI_PROJECT_URL",
    "BITBUCKET_GIT_HTTP_ORIGIN",
    "CIRCLE_REPOSITORY_URL",
    "BUILDKITE_REPO",
    "GIT_URL",
    "BUILD_REPOSITORY_URI",
];

/// Variables with the commit: GitHub, GitLab, Bitbucket, CircleCI, Buildkite, Jenkins, Azure
/// Pipelines, Travis, Vercel, Render, Railway.
const COMMIT: [&str; 11] = [
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BITBUCKET_COMMIT",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
    "GIT_COMMIT",
    "BUILD_SOURCEVERSION",
    "TRAVIS_COMMIT",
    "VERCEL_GIT_COMMIT_SHA",
    "RENDER_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
];

/// Looks at the environment, then at the `.git` of the working directory or above it.
pub(crate) fn find() -> Result<Git, ConfigError> {
    let mut repo = match env::variable("GITHUB_REPOSITORY")? {
        Some(name) => {
            let server = env::variable("GITHUB_SERVER_URL")?;
            let server = server.as_deref().unwrap_or("https://github.com");
            Some(format!("{}/{name}", server.trim_end_matches('/')))
        }
        None => first(&REPO)?,
    };
    let mut commit = first(&COMMIT)?;
    if (repo.is_none() || commit.is_none())
        && let Some(folder) = std::env::current_dir().ok().and_then(|dir| locate(&dir))
    {
        repo = repo.or_else(|| origin(&folder));
        commit = commit.or_else(|| head(&folder));
    }
    Ok(Git {
        repo: repo.map(|address| normalize(&address)),
        commit,
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

/// A repository's folders: `own` has `HEAD`; `common`, the same but in a linked worktree, has
/// the configuration and the refs.
struct Folder {
    own: PathBuf,
    common: PathBuf,
}

fn locate(from: &Path) -> Option<Folder> {
    let git = from
        .ancestors()
        .map(|dir| dir.join(".git"))
        .find(|path| path.exists())?;
    if git.is_dir() {
        return Some(Folder {
            own: git.clone(),
            common: git,
        });
    }
    // A linked worktree or a submodule: the file says where the folder is.
    let text = fs::read_to_string(&git).ok()?;
    let own = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    let common = match fs::read_to_string(own.join("commondir")) {
        Ok(path) => own.join(path.trim()),
        Err(_) => own.clone(),
    };
    Some(Folder { own, common })
}

fn head(folder: &Folder) -> Option<String> {
    let head = fs::read_to_string(folder.own.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref:").map(str::trim) else {
        return commit(&head);
    };
    fs::read_to_string(folder.own.join(name))
        .or_else(|_| fs::read_to_string(folder.common.join(name)))
        .ok()
        .and_then(|text| commit(&text))
        .or_else(|| {
            let packed = fs::read_to_string(folder.common.join("packed-refs")).ok()?;
            packed
                .lines()
                .find_map(|line| commit(line.strip_suffix(name)?.strip_suffix(' ')?))
        })
}

fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && matches!(text.len(), 40 | 64)).then(|| text.into())
}

/// The `url` of `[remote "origin"]`.
fn origin(folder: &Folder) -> Option<String> {
    let config = fs::read_to_string(folder.common.join("config")).ok()?;
    config
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != r#"[remote "origin"]"#)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "url").then(|| value.trim().trim_matches('"').into())
        })
}

/// `git@host:owner/name.git` and `https://user:token@host/owner/name.git` both become
/// `https://host/owner/name`: one name for one repository, and no password in it.
fn normalize(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    let address = address.strip_suffix(".git").unwrap_or(address);
    let (scheme, rest) = match address.split_once("://") {
        Some(("ssh" | "git", rest)) => ("https", rest.to_owned()),
        Some((scheme, rest)) => (scheme, rest.to_owned()),
        None => match address.split_once(':') {
            // The form of scp; a path of Windows has a backslash after its letter.
            Some((host, path)) if !host.contains('/') && !path.starts_with('\\') => {
                ("https", format!("{host}/{path}"))
            }
            _ => return address.into(),
        },
    };
    let (host, path) = rest.split_once('/').unwrap_or((&rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}
