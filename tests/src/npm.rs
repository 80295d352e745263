//! Files out of packages of npm, kept on the machine for all builds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::succeed;

/// The path of a `file` of a package at a version, fetched once into a folder of the machine: the one that the
/// environment variable `setting` names, or `cache` in the user's folder for caches. npm checks what comes down, and
/// runs none of its scripts. An error says in words why there is none.
pub fn file(
    setting: &str,
    cache: &str,
    package: &str,
    version: &str,
    file: &str,
) -> Result<PathBuf, String> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let dir = folder(setting)
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join(cache)))
        .or_else(|| Some(folder("HOME")?.join(".cache").join(cache)))
        .ok_or_else(|| format!("there is no folder to keep it in: set {setting}"))?;
    let said = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(&dir).map_err(said)?;
    // Two runs at a time install it once.
    let lock = File::create(dir.join("lock")).map_err(said)?;
    lock.lock().map_err(said)?;
    let made = dir.join(version);
    let kept = made.join(Path::new(file).file_name().unwrap_or(file.as_ref()));
    if kept.exists() {
        return Ok(kept);
    }
    let fresh = tempfile::tempdir_in(&dir).map_err(said)?;
    let packed = succeed(
        Command::new("npm")
            .args(["pack", "--silent", &format!("{package}@{version}")])
            .current_dir(&fresh),
    )?;
    let archive = String::from_utf8_lossy(&packed.stdout).trim().to_owned();
    succeed(
        Command::new("tar")
            .args(["-xzf", &archive, "--strip-components=1"])
            .arg(format!("package/{file}"))
            .current_dir(&fresh),
    )?;
    let _ = fs::remove_dir_all(&made);
    fs::create_dir(&made).map_err(said)?;
    fs::rename(fresh.path().join(file), &kept).map_err(said)?;
    Ok(kept)
}
