//! Which repository and commit the program runs from: what a CI system says, else what `.git` says. Git itself is never
//! run.
//!
//! What is read is what git keeps in plain files: `HEAD`, loose refs, `packed-refs`, the configuration. In a repository
//! whose refs are in a `reftable`, the commit of a branch stays unknown unless a variable says it; that of a detached
//! head is in `HEAD` there too.

mod address;
mod ci;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use self::address::normalize;
pub(crate) use self::address::said;
use crate::error::ConfigError;

/// How many refs are followed that stand for other ones; git follows five.
const MOST_LINKS: usize = 5;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Git {
    /// The repository's address, without any password.
    pub(crate) repo: Option<String>,
    /// The commit.
    pub(crate) commit: Option<String>,
}

/// Looks at the environment, then at the `.git` of the working directory or above it.
pub(crate) fn find() -> Result<Git, ConfigError> {
    let mut found = ci::find()?;
    if (found.repo.is_none() || found.commit.is_none())
        && let Some(folder) = std::env::current_dir().ok().and_then(|dir| locate(&dir))
    {
        found.repo = found.repo.or_else(|| remote(&folder));
        found.commit = found.commit.or_else(|| head(&folder));
    }
    found.repo = found.repo.map(|address| normalize(&address));
    Ok(found)
}

/// A repository's folders: `own` has `HEAD`; `common`, the same but in a linked worktree, has the configuration and the
/// refs.
struct Folder {
    own: PathBuf,
    common: PathBuf,
}

/// The nearest repository: a folder `.git` without a `HEAD` is none, and git looks further up too.
fn locate(from: &Path) -> Option<Folder> {
    from.ancestors()
        .filter_map(|dir| folder(&dir.join(".git")))
        .find(|folder| folder.own.join("HEAD").is_file())
}

fn folder(git: &Path) -> Option<Folder> {
    if git.is_dir() {
        return Some(Folder {
            own: git.to_owned(),
            common: git.to_owned(),
        });
    }
    // A linked worktree or a submodule: the file says where the folder is.
    let text = fs::read_to_string(git).ok()?;
    let own = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    let common = match fs::read_to_string(own.join("commondir")) {
        Ok(path) => own.join(path.trim()),
        Err(_) => own.clone(),
    };
    Some(Folder { own, common })
}

/// The commit that is checked out.
fn head(folder: &Folder) -> Option<String> {
    let mut text = fs::read_to_string(folder.own.join("HEAD")).ok()?;
    for _ in 0..=MOST_LINKS {
        let Some(name) = text.trim().strip_prefix("ref:").map(str::trim) else {
            return commit(&text);
        };
        let name = Path::new(name);
        // A ref is below the repository's folder, whatever a file there says.
        if !name.starts_with("refs") || name.components().any(|part| part.as_os_str() == "..") {
            return None;
        }
        let loose = fs::read_to_string(folder.own.join(name))
            .or_else(|_| fs::read_to_string(folder.common.join(name)));
        match loose {
            Ok(next) => text = next,
            Err(_) => return packed(folder, name.to_str()?),
        }
    }
    None
}

/// The commit of a ref that has no file of its own.
fn packed(folder: &Folder, name: &str) -> Option<String> {
    let file = File::open(folder.common.join("packed-refs")).ok()?;
    BufReader::new(file)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| commit(line.strip_suffix(name)?.strip_suffix(' ')?))
}

fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && matches!(text.len(), 40 | 64)).then(|| text.into())
}

/// The address of the remote `origin`, or of the only one there is.
fn remote(folder: &Folder) -> Option<String> {
    let config = fs::read(folder.common.join("config")).ok()?;
    let mut remotes: Vec<(String, String)> = Vec::new();
    let mut section = None;
    for line in String::from_utf8_lossy(&config).lines().map(str::trim) {
        if line.starts_with('[') {
            section = remote_of(line).map(str::to_owned);
        } else if let Some(name) = &section
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
            && !remotes.iter().any(|(known, _)| known == name)
        {
            let url = value.trim().trim_matches('"').to_owned();
            remotes.push((name.clone(), url));
        }
    }
    let origin = remotes.iter().position(|(name, _)| name == "origin");
    let index = origin.or((remotes.len() == 1).then_some(0))?;
    Some(remotes.swap_remove(index).1)
}

/// The name in `[remote "name"]`.
fn remote_of(line: &str) -> Option<&str> {
    let (section, rest) = line.strip_prefix('[')?.split_once('"')?;
    let (name, _) = rest.split_once('"')?;
    section
        .trim()
        .eq_ignore_ascii_case("remote")
        .then_some(name)
}
