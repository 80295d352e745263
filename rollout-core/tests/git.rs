//! Which repository and commit the program runs from, in every shape that a checkout has.
//!
//! Environment and working directory belong to the whole process, so each case is a process of its own: the ignored
//! test below is run by the others.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "that is how a test fails, and how it says what it left out"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use rollout_core::Config;
use tempfile::TempDir;

const MAIN: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";
const ORIGIN: &str = "[remote \"origin\"]\n\turl = git@host.example:owner/name.git\n";
const ADDRESS: Option<&str> = Some("https://host.example/owner/name");

#[test]
#[ignore = "run by the other tests in a process of its own"]
fn child() {
    let config = rollout_core::builder().config();
    let found = config.map(|config: Config| {
        let [repo, commit] =
            [config.git_repo(), config.git_ref()].map(|text| text.map(str::to_owned));
        (repo, commit)
    });
    let json = serde_json::to_string(&found.map_err(|error| error.to_string())).unwrap();
    println!("FOUND {json}");
}

type Found = Result<(Option<String>, Option<String>), String>;

fn found(dir: &Path, variables: &[(&str, &str)]) -> Found {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
        // Git is never run: there is none to be found.
        .env("PATH", dir.join("nothing here"))
        .current_dir(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, json) = text
        .split_once("FOUND ")
        .unwrap_or_else(|| panic!("no answer in {text}"));
    serde_json::from_str(json.lines().next().unwrap()).unwrap()
}

#[track_caller]
fn assert_found(dir: &Path, repo: Option<&str>, commit: Option<&str>) {
    let expected = (repo.map(str::to_owned), commit.map(str::to_owned));
    assert_eq!(found(dir, &[]), Ok(expected), "in {}", dir.display());
}

/// Files with these texts.
fn files(dir: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A repository on the branch `main`.
fn repository() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let main = [
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/refs/heads/main", MAIN),
        (".git/config", ORIGIN),
    ];
    files(dir.path(), &main);
    dir
}

#[test]
fn in_a_repository_and_below() {
    let dir = repository();
    assert_found(dir.path(), ADDRESS, Some(MAIN));
    let below = dir.path().join("crates/one/src");
    fs::create_dir_all(&below).unwrap();
    assert_found(&below, ADDRESS, Some(MAIN));
    // A folder of that name is not yet a repository.
    fs::create_dir(below.join(".git")).unwrap();
    assert_found(&below, ADDRESS, Some(MAIN));
}

#[test]
fn on_a_detached_head() {
    let dir = repository();
    files(dir.path(), &[(".git/HEAD", OTHER)]);
    assert_found(dir.path(), ADDRESS, Some(OTHER));
    let long = "ab".repeat(32);
    files(dir.path(), &[(".git/HEAD", &format!("{long}\n"))]);
    assert_found(dir.path(), ADDRESS, Some(&long));
}

#[test]
fn with_packed_refs() {
    let dir = repository();
    fs::remove_file(dir.path().join(".git/refs/heads/main")).unwrap();
    let packed = format!(
        "# pack-refs with: peeled fully-peeled sorted\n{OTHER} refs/heads/not/refs/heads/main\n{MAIN} refs/heads/main\n\
         {OTHER} refs/tags/v1\n^{OTHER}\n"
    );
    files(dir.path(), &[(".git/packed-refs", &packed)]);
    assert_found(dir.path(), ADDRESS, Some(MAIN));
    // A file of its own is newer.
    files(dir.path(), &[(".git/refs/heads/main", OTHER)]);
    assert_found(dir.path(), ADDRESS, Some(OTHER));
}

#[test]
fn a_ref_may_stand_for_another_one() {
    let dir = repository();
    let links = [
        (".git/HEAD", "ref: refs/heads/alias\n"),
        (".git/refs/heads/alias", "ref: refs/heads/main\n"),
    ];
    files(dir.path(), &links);
    assert_found(dir.path(), ADDRESS, Some(MAIN));
    files(
        dir.path(),
        &[(".git/refs/heads/main", "ref: refs/heads/alias\n")],
    );
    assert_found(dir.path(), ADDRESS, None);
    files(
        dir.path(),
        &[
            ("outside", MAIN),
            (".git/HEAD", "ref: refs/../../outside\n"),
        ],
    );
    assert_found(dir.path(), ADDRESS, None);
}

#[test]
fn in_a_linked_worktree() {
    let dir = repository();
    let own = dir.path().join(".git/worktrees/other");
    let linked = tempfile::tempdir().unwrap();
    files(
        dir.path(),
        &[
            (".git/worktrees/other/HEAD", "ref: refs/heads/other\n"),
            (".git/worktrees/other/commondir", "../..\n"),
            (".git/refs/heads/other", OTHER),
        ],
    );
    let pointer = format!("gitdir: {}\n", own.display());
    files(linked.path(), &[(".git", &pointer)]);
    assert_found(linked.path(), ADDRESS, Some(OTHER));
    assert_found(dir.path(), ADDRESS, Some(MAIN));
}

#[test]
fn in_a_submodule() {
    let dir = repository();
    let part = "[Remote \"origin\"]\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\tURL = \"https://host.example/owner/part.git\"\n";
    files(
        dir.path(),
        &[
            ("part/.git", "gitdir: ../.git/modules/part\n"),
            (".git/modules/part/HEAD", OTHER),
            (".git/modules/part/config", part),
        ],
    );
    assert_found(
        &dir.path().join("part"),
        Some("https://host.example/owner/part"),
        Some(OTHER),
    );
}

/// Its refs are in a file of another format: the commit of a branch is not found, that of a detached head is.
#[test]
fn with_a_reftable() {
    let dir = repository();
    fs::remove_dir_all(dir.path().join(".git/refs/heads")).unwrap();
    files(
        dir.path(),
        &[
            (".git/HEAD", "ref: refs/heads/.invalid\n"),
            (
                ".git/refs/heads",
                "this repository uses the reftable format\n",
            ),
            (
                ".git/reftable/tables.list",
                "0x000000000001-0x000000000002-aa.ref\n",
            ),
        ],
    );
    assert_found(dir.path(), ADDRESS, None);
    let said = found(dir.path(), &[("ROLLOUT_GIT_REF", MAIN)]);
    assert_eq!(said.unwrap().1.as_deref(), Some(MAIN));
}

#[test]
fn outside_of_any_repository() {
    let dir = tempfile::tempdir().unwrap();
    assert_found(dir.path(), None, None);
    files(dir.path(), &[(".git", "gitdir: gone\n")]);
    assert_found(dir.path(), None, None);
    files(dir.path(), &[(".git", "no pointer\n")]);
    assert_found(dir.path(), None, None);
}

#[test]
fn without_a_commit_or_a_remote() {
    let dir = repository();
    fs::remove_file(dir.path().join(".git/refs/heads/main")).unwrap();
    assert_found(dir.path(), ADDRESS, None);
    fs::remove_file(dir.path().join(".git/config")).unwrap();
    assert_found(dir.path(), None, None);
}

#[test]
fn the_remote_is_origin_or_the_only_one() {
    let remote = |name| format!("[remote \"{name}\"]\n\turl = https://host.example/{name}/name\n");
    let dir = repository();
    let cases = [
        (
            remote("upstream"),
            Some("https://host.example/upstream/name"),
        ),
        (remote("a") + &remote("b"), None),
        (
            remote("a") + &remote("origin"),
            Some("https://host.example/origin/name"),
        ),
    ];
    for (config, address) in cases {
        files(dir.path(), &[(".git/config", &config)]);
        assert_found(dir.path(), address, Some(MAIN));
    }
}

#[test]
fn a_password_in_an_address_is_not_recorded() {
    let dir = repository();
    for address in [
        "https://user:very-secret@host.example/owner/name.git",
        "https://very-secret@host.example/owner/name",
        "https://host.example/owner/name?private_token=very-secret",
    ] {
        let config = format!("[remote \"origin\"]\n\turl = {address}\n");
        files(dir.path(), &[(".git/config", &config)]);
        assert_found(dir.path(), ADDRESS, Some(MAIN));
        for variable in ["ROLLOUT_GIT_REPO", "TRACEROOT_GIT_REPO", "CI_PROJECT_URL"] {
            let (repo, _) = found(dir.path(), &[(variable, address)]).unwrap();
            assert_eq!(repo.as_deref(), ADDRESS, "{variable}");
        }
        let long = address.replace("name", &"n".repeat(600));
        let refused = found(dir.path(), &[("ROLLOUT_GIT_REPO", &long)]).unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }
}

/// Variables, the repository and the commit that they say.
type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, &'a str);

#[test]
fn ci_systems_say_it_in_variables() {
    let dir = repository();
    let github = "https://github.com/owner/name";
    let cases: &[Case<'_>] = &[
        (
            &[("GITHUB_REPOSITORY", "owner/name"), ("GITHUB_SHA", OTHER)],
            Some(github),
            OTHER,
        ),
        (
            &[
                ("GITHUB_REPOSITORY", "owner/name"),
                ("GITHUB_SERVER_URL", "https://git.corp.example/"),
                ("GITHUB_SHA", OTHER),
            ],
            Some("https://git.corp.example/owner/name"),
            OTHER,
        ),
        (
            &[
                ("CI_PROJECT_URL", "https://gitlab.example/g/sub/name"),
                ("CI_COMMIT_SHA", OTHER),
            ],
            Some("https://gitlab.example/g/sub/name"),
            OTHER,
        ),
        (
            &[
                ("BITBUCKET_GIT_HTTP_ORIGIN", "https://b.example/o/n"),
                ("BITBUCKET_COMMIT", OTHER),
            ],
            Some("https://b.example/o/n"),
            OTHER,
        ),
        (
            &[
                ("CIRCLE_REPOSITORY_URL", "git@github.com:owner/name.git"),
                ("CIRCLE_SHA1", OTHER),
            ],
            Some(github),
            OTHER,
        ),
        (
            &[
                ("BUILDKITE_REPO", "ssh://git@github.com/owner/name.git"),
                ("BUILDKITE_COMMIT", OTHER),
            ],
            Some(github),
            OTHER,
        ),
        (
            &[
                ("GIT_URL", "https://user:very-secret@github.com/owner/name"),
                ("GIT_COMMIT", OTHER),
            ],
            Some(github),
            OTHER,
        ),
        (
            &[
                (
                    "BUILD_REPOSITORY_URI",
                    "https://org@dev.azure.com/org/p/_git/name",
                ),
                ("BUILD_SOURCEVERSION", OTHER),
            ],
            Some("https://dev.azure.com/org/p/_git/name"),
            OTHER,
        ),
        (
            &[
                (
                    "CODEBUILD_SOURCE_REPO_URL",
                    "https://github.com/owner/name.git",
                ),
                ("CODEBUILD_RESOLVED_SOURCE_VERSION", OTHER),
            ],
            Some(github),
            OTHER,
        ),
        (
            &[("DRONE_REPO_LINK", github), ("DRONE_COMMIT_SHA", OTHER)],
            Some(github),
            OTHER,
        ),
        (
            &[("CI_REPO_URL", github), ("CI_COMMIT_SHA", OTHER)],
            Some(github),
            OTHER,
        ),
        (
            &[("SEMAPHORE_GIT_URL", github), ("SEMAPHORE_GIT_SHA", OTHER)],
            Some(github),
            OTHER,
        ),
        (
            &[
                ("CIRRUS_REPO_CLONE_URL", github),
                ("CIRRUS_CHANGE_IN_REPO", OTHER),
            ],
            Some(github),
            OTHER,
        ),
        // What one of them does not say is found in the repository.
        (&[("VERCEL_GIT_COMMIT_SHA", OTHER)], ADDRESS, OTHER),
        (&[("TRAVIS_COMMIT", OTHER)], ADDRESS, OTHER),
        (&[("APPVEYOR_REPO_COMMIT", OTHER)], ADDRESS, OTHER),
        (&[("RENDER_GIT_COMMIT", OTHER)], ADDRESS, OTHER),
        (&[("RAILWAY_GIT_COMMIT_SHA", OTHER)], ADDRESS, OTHER),
        (&[("GITHUB_REPOSITORY", "owner/name")], Some(github), MAIN),
        // What the user says goes before all of them.
        (
            &[
                ("GITHUB_SHA", OTHER),
                ("ROLLOUT_GIT_REF", "v1.2"),
                ("ROLLOUT_GIT_REPO", "mine"),
            ],
            Some("mine"),
            "v1.2",
        ),
        (
            &[
                ("GITHUB_SHA", OTHER),
                ("TRACEROOT_GIT_REF", "v1.2"),
                ("TRACEROOT_GIT_REPO", "owner/name"),
            ],
            Some(github),
            "v1.2",
        ),
        (
            &[("ROLLOUT_GIT_REF", "ours"), ("TRACEROOT_GIT_REF", "theirs")],
            ADDRESS,
            "ours",
        ),
    ];
    for (variables, repo, commit) in cases {
        let expected = (repo.map(str::to_owned), Some((*commit).to_owned()));
        assert_eq!(found(dir.path(), variables), Ok(expected), "{variables:?}");
    }
}

/// What git itself has made, and what it says of it.
#[test]
fn git_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let git = |at: &Path, arguments: &[&str]| -> Option<String> {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@host.example"])
            .args([
                "-c",
                "protocol.file.allow=always",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(at)
            .output()
            .ok()?;
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let top = dir.path().join("top");
    let part = dir.path().join("part");
    for repository in [&top, &part] {
        fs::create_dir(repository).unwrap();
        if git(repository, &["init", "--quiet"]).is_none() {
            eprintln!("skipped: git is not installed; the layouts made by hand are tested");
            return;
        }
        let message = repository.to_str().unwrap();
        git(
            repository,
            &["commit", "--quiet", "--allow-empty", "-m", message],
        );
    }
    let address = part.to_str().unwrap();
    git(
        &top,
        &[
            "remote",
            "add",
            "origin",
            "https://host.example/owner/name.git",
        ],
    );
    git(&top, &["submodule", "--quiet", "add", address, "part"]);
    git(&top, &["commit", "--quiet", "-m", "with a part"]);
    git(
        &top,
        &[
            "worktree",
            "add",
            "--quiet",
            "-b",
            "side/branch",
            "../linked",
            "HEAD~1",
        ],
    );
    let says = |at: &Path| git(at, &["rev-parse", "HEAD"]);
    let linked = dir.path().join("linked");
    let same = || {
        assert_found(&top, ADDRESS, says(&top).as_deref());
        assert_found(&linked, ADDRESS, says(&linked).as_deref());
        let inside = top.join("part");
        assert_found(&inside, Some(address), says(&inside).as_deref());
    };
    assert_ne!(says(&top), says(&linked));
    same();
    git(&top, &["pack-refs", "--all"]);
    assert!(!top.join(".git/refs/heads/main").exists());
    same();
    git(&top, &["checkout", "--quiet", "--detach", "HEAD~1"]);
    same();
}
