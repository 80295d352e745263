//! The directory that programs write to, its disk, and the clock.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use rollout::Config;

use super::Finding;
use crate::{STORE_FILE, present, store::SqliteStore};

/// Less room than this, and something will fail soon.
const LITTLE: u64 = 64 << 20;

/// How far the clock may be from that of the file system, in seconds; some of them tell whole seconds.
const SKEW: f64 = 2.0;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let dir = config.dir();
    let mut findings = Vec::new();
    // What is not there yet is made by the first program in the nearest folder that is.
    let there = dir.ancestors().find(|folder| {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        folder.is_dir()
    });
    let there = match there {
        Some(there) if !there.as_os_str().is_empty() => there,
        _ => Path::new("."),
    };
    match probe(there) {
        Ok(skew) => {
            let note = if dir.is_dir() { "" } else { ", made when a program first records" };
            findings.push(Finding::ok(
                "directory",
                format!("{} can be written{note}", dir.display()),
            ));
            findings.push(clock(skew));
        }
        Err(error) => findings.push(Finding::problem(
            "directory",
            format!("{} cannot be written: {error}", there.display()),
            "give the program's user the right to write there, or name another directory in ROLLOUT_DIR",
        )),
    }
    findings.extend(room(there, config));
    if dir.is_dir() {
        findings.push(spool(dir, config));
        let file = dir.join(STORE_FILE);
        if file.exists() {
            findings.push(store(&file));
        }
    }
    findings
}

/// Writes a file, removes it, and tells how many seconds the file system's clock is ahead.
fn probe(folder: &Path) -> io::Result<f64> {
    let path = folder.join(format!(".rollout-doctor-{}", std::process::id()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        file.write_all(b"rollout doctor\n")?;
        file.sync_all()?;
        file.metadata()?.modified()
    })();
    // Where it could not be made, there is nothing to remove.
    let _ = fs::remove_file(&path);
    let now = SystemTime::now();
    Ok(match written?.duration_since(now) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    })
}

fn clock(skew: f64) -> Finding {
    let now = present::moment(jiff::Timestamp::now());
    if skew.abs() <= SKEW {
        return Finding::ok("clock", format!("{now} UTC"));
    }
    let side = if skew > 0.0 { "ahead of" } else { "behind" };
    Finding::warning(
        "clock",
        format!(
            "{now} UTC; that of the file system is {:.0} s {side} it",
            skew.abs()
        ),
        "set both by NTP: traces of several machines are put in order by their clocks",
    )
}

#[cfg(unix)]
fn room(folder: &Path, config: &Config) -> Option<Finding> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{} free", present::bytes(free));
    Some(if free < LITTLE {
        Finding::problem("disk", found, "make room: events are lost when it is full")
    } else if free < config.max_spool_bytes() {
        let bound = present::bytes(config.max_spool_bytes());
        Finding::warning(
            "disk",
            format!("{found}; the spool may take {bound}"),
            "make room, or lower ROLLOUT_MAX_SPOOL_BYTES",
        )
    } else {
        Finding::ok("disk", found)
    })
}

#[cfg(not(unix))]
fn room(_: &Path, _: &Config) -> Option<Finding> {
    None
}

fn spool(dir: &Path, config: &Config) -> Finding {
    let (bytes, bound) = (size(&dir.join("spool")), config.max_spool_bytes());
    let found = format!(
        "{} of {} in the spool",
        present::bytes(bytes),
        present::bytes(bound)
    );
    if bytes < bound / 10 * 9 {
        return Finding::ok("spool", found);
    }
    Finding::warning(
        "spool",
        format!("{found}: the oldest traces in it go first"),
        "`rollout drain` sends what waits, `rollout ls` takes in what is for this directory's store; or raise \
         ROLLOUT_MAX_SPOOL_BYTES",
    )
}

/// Bytes of the files in a folder and below.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn store(file: &Path) -> Finding {
    match SqliteStore::examine(file) {
        Ok(()) => {
            let bytes = fs::metadata(file).map_or(0, |data| data.len());
            Finding::ok(
                "store",
                format!("{} is whole, {}", file.display(), present::bytes(bytes)),
            )
        }
        Err(error) => Finding::problem(
            "store",
            format!("{}: {error}", file.display()),
            "move the file away and keep it: a new one is made, and takes in what the spool still has",
        ),
    }
}
