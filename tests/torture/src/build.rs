//! Builds a copy with all its tests, and reads what the compiler says.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use cargo_metadata::Message;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};

/// A lint that no compiler knows: an attribute with it is reported wherever it is compiled, and does nothing else.
pub(crate) const MARK: &str = "#[warn(rollout_torture)] ";

/// How copies are built.
pub(crate) struct Build<'a> {
    pub(crate) target: &'a Path,
    pub(crate) features: &'a [&'static str],
}

/// What a build gave.
#[derive(Default)]
pub(crate) struct Built {
    pub(crate) succeeded: bool,
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) tests: Vec<Test>,
    /// The first files of what has been built.
    pub(crate) roots: BTreeSet<PathBuf>,
}

/// A test executable.
pub(crate) struct Test {
    pub(crate) target: String,
    pub(crate) executable: PathBuf,
}

impl Build<'_> {
    /// A cargo command for the copy in `folder`.
    pub(crate) fn cargo(&self, folder: &Path, subcommand: &str) -> Command {
        let mut command = cargo();
        command
            .arg(subcommand)
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", self.target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // Lints that a crate denies are not errors of an attribute; that there are more warnings, is seen.
            .env("RUSTFLAGS", "--cap-lints=warn --force-warn=unknown_lints")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .stdin(Stdio::null());
        if !self.features.is_empty() {
            command.arg("--features").arg(self.features.join(","));
        }
        command
    }

    /// Builds the library, its tests and its examples.
    pub(crate) fn run(&self, folder: &Path) -> anyhow::Result<Built> {
        let mut child = self
            .cargo(folder, "build")
            .args(["--tests", "--examples", "--keep-going", "--quiet"])
            .arg("--message-format=json")
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run cargo")?;
        let stdout = child.stdout.take().context("cargo has no output")?;
        let mut built = Built::default();
        for message in Message::parse_stream(BufReader::new(stdout)) {
            match message? {
                Message::CompilerMessage(message)
                    if message.target.src_path.as_std_path().starts_with(folder)
                        && !message.target.is_custom_build() =>
                {
                    match message.message.level {
                        DiagnosticLevel::Error | DiagnosticLevel::Ice => {
                            built.errors.push(message.message);
                        }
                        DiagnosticLevel::Warning => built.warnings.push(message.message),
                        _ => {}
                    }
                }
                Message::CompilerArtifact(artifact) => {
                    let root = artifact.target.src_path.as_std_path();
                    if let Ok(root) = root.strip_prefix(folder)
                        && !artifact.target.is_custom_build()
                    {
                        built.roots.insert(root.to_owned());
                    }
                    if artifact.profile.test
                        && let Some(executable) = artifact.executable
                    {
                        let kinds = artifact.target.kind.iter().map(ToString::to_string);
                        let kinds = kinds.collect::<Vec<_>>().join(",");
                        built.tests.push(Test {
                            target: format!("{kinds} {}", artifact.target.name),
                            executable: executable.into_std_path_buf(),
                        });
                    }
                }
                Message::BuildFinished(finished) => built.succeeded = finished.success,
                _ => {}
            }
        }
        child.wait()?;
        built.tests.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(built)
    }
}

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
