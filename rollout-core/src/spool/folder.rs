//! A writer's folder and the lock that says whether it is alive.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;

const LOCK: &str = "lock";
const KEEP: &str = "keep";

/// A writer's folder with its lock held.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held until this is dropped or the process ends.
    lock: Held,
}

/// A lock that a forked child can let go of: what is locked is shared with the parent, and would stay so.
type Held = Arc<Mutex<Option<File>>>;

/// The locks that this process holds, and some that it has held.
static HELD: Mutex<Vec<Weak<Mutex<Option<File>>>>> = Mutex::new(Vec::new());

fn hold(lock: File) -> Held {
    let held = Arc::new(Mutex::new(Some(lock)));
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|lock| lock.strong_count() > 0);
    all.push(Arc::downgrade(&held));
    held
}

/// In a forked child: lets go of the parent's locks, so that they tell of the parent alone.
pub(crate) fn forked() {
    // Where the parent was at it when it forked, they stay.
    if let Ok(mut all) = HELD.try_lock() {
        for lock in all.drain(..).filter_map(|lock| lock.upgrade()) {
            if let Ok(mut lock) = lock.try_lock() {
                *lock = None;
            }
        }
    }
}

/// The folder of all writers.
pub(super) fn writers(dir: &Path) -> PathBuf {
    dir.join("spool")
}

/// The folders of all writers, oldest first.
pub(super) fn list(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(writers(dir)) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join(LOCK).is_file())
        .collect();
    found.sort_unstable();
    found
}

impl Folder {
    /// Makes a folder for a new writer; with `keep`, its segments stay when they are delivered.
    pub(super) fn create(dir: &Path, keep: bool) -> io::Result<Self> {
        let all = writers(dir);
        let ours = !dir.exists();
        build(&all)?;
        ignore(&all)?;
        // A folder that was there before may be somebody's repository.
        if ours {
            ignore(dir)?;
        }
        // Another process may take a fresh folder for an abandoned one before its lock is
        // held; then it is gone, and a new name is tried.
        let mut last = io::Error::other("no folder could be locked");
        for _ in 0..8 {
            let name = format!(
                "{}-{}-{:08x}",
                Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ"),
                std::process::id(),
                fastrand::u32(..)
            );
            let path = all.join(name);
            match build(&path).and_then(|()| Self::lock(&path, true)) {
                Ok(Some(folder)) if folder.exists() => {
                    if keep {
                        File::create(folder.path.join(KEEP))?;
                    }
                    return Ok(folder);
                }
                Ok(_) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes the folder of a writer that is gone; `None` if it is not.
    pub(super) fn adopt(path: &Path) -> io::Result<Option<Self>> {
        Self::lock(path, false)
    }

    fn lock(path: &Path, create: bool) -> io::Result<Option<Self>> {
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(create)
            .open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                path: path.to_owned(),
                lock: hold(lock),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The writer's name, if it is one of ours: visible ASCII.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        let name = self.path.file_name()?.to_str()?;
        name.bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then(|| name.into())
    }

    /// Whether its writer wanted what is delivered to stay.
    pub(super) fn is_kept(&self) -> bool {
        self.path.join(KEEP).exists()
    }

    /// Whether it is still there, and has not been removed by somebody else.
    pub(super) fn exists(&self) -> bool {
        self.path.join(LOCK).exists()
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) {
        let Self { path, lock } = self;
        if let Ok(entries) = fs::read_dir(&path) {
            for entry in entries.flatten().filter(|entry| entry.file_name() != LOCK) {
                // What cannot be removed is found again by the next process.
                let _ = fs::remove_file(entry.path());
            }
        }
        // Windows removes no file that is open.
        lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = fs::remove_file(path.join(LOCK));
        let _ = fs::remove_dir(path);
    }
}

/// Has git ignore a folder, this file included.
fn ignore(folder: &Path) -> io::Result<()> {
    let file = folder.join(".gitignore");
    if file.exists() {
        return Ok(());
    }
    fs::write(&file, "*\n").inspect_err(|_| {
        // Half of it would be taken for whole the next time.
        let _ = fs::remove_file(&file);
    })
}

/// A folder that only its owner can look into: traces may hold what is nobody else's business.
fn build(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
