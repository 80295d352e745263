//! A small file system of its own for a test: one that is full, or read-only, for real. Who may not mount one runs the
//! test again in a namespace of its own, where everybody may, if the system has them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A file system in memory, mounted until it is dropped.
pub struct Tmpfs {
    dir: TempDir,
}

impl Tmpfs {
    /// Mounts one of this size. `None` where that is not allowed: then the test, whose thread this is, has run and
    /// passed in a namespace; or else, after a word on stderr, it is skipped, which is a failure with
    /// `ROLLOUT_REQUIRE_MOUNT` set.
    pub fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let size = format!("size={bytes},mode=777");
        let mounted = mount(
            Some("tmpfs"),
            dir.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(size.as_str()),
        );
        let Err(error) = mounted else {
            return Some(Self { dir });
        };
        let is_required = std::env::var_os("ROLLOUT_REQUIRE_MOUNT").is_some();
        if std::env::var_os(IN_NAMESPACE).is_none() && passes_in_namespace() {
            return None;
        }
        assert!(
            !is_required,
            "ROLLOUT_REQUIRE_MOUNT is set, and no file system can be mounted: {error}"
        );
        eprintln!(
            "skipped: this test mounts a file system, which takes root or a namespace: {error}"
        );
        None
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves no room, but for so many bytes. Removing what this returns makes room again.
    pub fn fill_but(&self, bytes: usize) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
        let length = file.metadata().expect("a length").len();
        file.set_len(length.saturating_sub(bytes as u64))
            .expect("a shorter file");
        path
    }

    /// Lets nothing be written, or lets it again. No file may be open for writing.
    pub fn read_only(&self, read_only: bool) {
        let mut flags = MsFlags::MS_REMOUNT;
        flags.set(MsFlags::MS_RDONLY, read_only);
        mount(None::<&str>, self.path(), None::<&str>, flags, None::<&str>).expect("a remount");
    }
}

/// Set for a test that runs in a namespace.
const IN_NAMESPACE: &str = "ROLLOUT_IN_NAMESPACE";

/// Runs this thread's test in a namespace in which it is root; `false` where there is none to be had, or where nobody
/// knows which test it is, as in a run on one thread.
#[track_caller]
fn passes_in_namespace() -> bool {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command
    };
    let thread = thread::current();
    let Some(test) = thread.name().filter(|name| *name != "main") else {
        return false;
    };
    if !unshare()
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return false;
    }
    let output = unshare()
        .arg(std::env::current_exe().expect("a path"))
        .args([test, "--exact", "--nocapture"])
        .env(IN_NAMESPACE, "1")
        .env("ROLLOUT_REQUIRE_MOUNT", "1")
        .output()
        .expect("it starts");
    let (said, failed) = (output.stdout, output.stderr);
    assert!(
        output.status.success(),
        "{test} in a namespace: {}{}",
        String::from_utf8_lossy(&said),
        String::from_utf8_lossy(&failed)
    );
    String::from_utf8_lossy(&said).contains("1 passed")
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // What is still open is unmounted when it is closed.
        let _ = umount2(self.dir.path(), MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(self.dir.path());
    }
}
