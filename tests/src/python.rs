//! Environments of Python with what a test needs of PyPI.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::succeed;

/// The Python of an environment that has what a file of requirements lists; made once in the folder for built things,
/// under a name, and kept there. The file lists everything at its version, what the packages need themselves too, and
/// nothing else is installed.
///
/// `None`, after a word on stderr, where that cannot be done on this machine; with `ROLLOUT_REQUIRE_PYTHON` set, that
/// is a failure.
pub fn environment(name: &str, requirements: &Path, built: &Path) -> Option<PathBuf> {
    let made = make(name, requirements, built);
    if let Err(why) = &made {
        assert!(
            std::env::var_os("ROLLOUT_REQUIRE_PYTHON").is_none(),
            "ROLLOUT_REQUIRE_PYTHON is set, and {why}"
        );
        eprintln!("skipped: this test needs Python with venv and pip, and {why}");
    }
    made.ok()
}

fn make(name: &str, requirements: &Path, built: &Path) -> Result<PathBuf, String> {
    let listed = fs::read(requirements).map_err(|error| error.to_string())?;
    let dir = built.join(name);
    // Two runs at a time make one environment.
    let lock =
        File::create(built.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let python = dir.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let done = dir.join("requirements.txt");
    if fs::read(&done).is_ok_and(|made| made == listed) {
        return Ok(python);
    }
    // What is left of another one is of no use.
    let _ = fs::remove_dir_all(&dir);
    let found = if cfg!(windows) { "python" } else { "python3" };
    succeed(Command::new(found).args(["-m", "venv"]).arg(&dir))?;
    // What is imported is compiled then: most of it never is.
    succeed(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--no-deps", "--no-compile"])
            .arg("-r")
            .arg(requirements),
    )?;
    fs::write(done, listed).map_err(|error| error.to_string())?;
    Ok(python)
}
