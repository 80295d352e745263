//! A small file system of its own for a test: one that is full, or read-only, for real.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A file system in memory, mounted until it is dropped.
pub struct Tmpfs {
    dir: TempDir,
}

impl Tmpfs {
    /// Mounts one of this size. `None`, after a word on stderr, where that is not allowed; with
    /// `ROLLOUT_REQUIRE_MOUNT` set, that is a failure.
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
        if let Err(error) = mounted {
            assert!(
                std::env::var_os("ROLLOUT_REQUIRE_MOUNT").is_none(),
                "ROLLOUT_REQUIRE_MOUNT is set, and no file system can be mounted: {error}"
            );
            eprintln!("skipped: this test mounts a file system, which takes root: {error}");
            return None;
        }
        Some(Self { dir })
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

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // What is still open is unmounted when it is closed.
        let _ = umount2(self.dir.path(), MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(self.dir.path());
    }
}
