//! What annotated functions cost the compiler: `cargo run -p rollout-bench --example compile`.
//!
//! Writes a program of a thousand functions with three arguments (sync, async, methods, results), once for each
//! attribute, and takes the CPU time of cargo and all that it starts for `cargo check` and `cargo build --release` of
//! that program alone: its dependencies are built before, and what cargo needs where nothing is to do is taken off.
//! Rounds go through all attributes; medians are printed beside the ratio to the bare functions.

mod program;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use self::program::{NOTHING, Variant, manifest, source};

/// Functions of a program.
const FUNCTIONS: usize = 1000;

/// Functions of the program that shows what a runtime adds by itself.
const FEW: usize = 40;

/// Rounds, unless the first argument says how many.
const ROUNDS: usize = 5;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let rounds = match std::env::args().nth(1) {
        Some(rounds) => rounds.parse()?,
        None => ROUNDS,
    };
    let folder = folder()?;
    let mut programs = Vec::new();
    for variant in Variant::ALL {
        programs.push(Program::write(&folder, variant)?);
    }
    for _ in 0..rounds {
        for program in &mut programs {
            program.measure()?;
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<32} {:>10} {:>7} {:>12} {:>7} {:>16}",
        "1,000 functions", "check", "", "release", "", "binary/function"
    )?;
    let bare = programs.first().map(Program::medians).unwrap_or_default();
    let mut bare_bytes = None;
    for program in &programs {
        let (check, release) = program.medians();
        let bytes = program.bytes_per_function()?;
        let bare_bytes = *bare_bytes.get_or_insert(bytes);
        writeln!(
            out,
            "{:<32} {:>8.2} s {:>6.2}x {:>10.2} s {:>6.2}x {:>11.0} bytes",
            program.variant.name(),
            check,
            check / bare.0,
            release,
            release / bare.1,
            bytes - bare_bytes,
        )?;
    }
    Ok(())
}

/// The folder that the programs are in.
fn folder() -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/compile");
    for (path, text) in NOTHING {
        let path = folder.join("nothing").join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    folder.canonicalize()
}

/// One program and what has been measured of it, in seconds.
struct Program {
    variant: Variant,
    folder: PathBuf,
    check: Vec<f64>,
    release: Vec<f64>,
}

impl Program {
    /// Writes the program and builds it once, with all that it depends on.
    fn write(folder: &Path, variant: Variant) -> Result<Self, Error> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .canonicalize()?;
        let program = Self {
            variant,
            folder: folder.join(variant.name().replace(' ', "-")),
            check: Vec::new(),
            release: Vec::new(),
        };
        fs::create_dir_all(program.folder.join("src"))?;
        fs::write(
            program.folder.join("Cargo.toml"),
            manifest(variant, &workspace),
        )?;
        // The versions that this workspace has.
        let lock = program.folder.join("Cargo.lock");
        if !lock.exists() {
            fs::copy(workspace.join("Cargo.lock"), lock)?;
        }
        program.set(FUNCTIONS)?;
        for command in [&["check"][..], &["build", "--release"]] {
            program.cargo(command)?;
        }
        Ok(program)
    }

    fn set(&self, functions: usize) -> io::Result<()> {
        fs::write(
            self.folder.join("src/main.rs"),
            source(self.variant, functions),
        )
    }

    fn measure(&mut self) -> Result<(), Error> {
        self.check.push(self.cost(&["check"])?);
        self.release.push(self.cost(&["build", "--release"])?);
        Ok(())
    }

    /// What compiling the program costs.
    fn cost(&self, command: &[&str]) -> Result<f64, Error> {
        self.set(FUNCTIONS)?;
        let whole = self.cargo(command)?;
        let nothing = self.cargo(command)?;
        Ok(whole - nothing)
    }

    /// CPU time of a cargo command and its children.
    fn cargo(&self, command: &[&str]) -> Result<f64, Error> {
        let before = of_children()?;
        let status = Command::new(env!("CARGO"))
            .args(command)
            .arg("--quiet")
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.with_file_name("target"))
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("CARGO_PROFILE_DEV_DEBUG")
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("{} does not compile", self.variant.name()).into());
        }
        Ok(of_children()? - before)
    }

    fn medians(&self) -> (f64, f64) {
        (median(&self.check), median(&self.release))
    }

    /// How much larger the executable gets with each function.
    fn bytes_per_function(&self) -> Result<f64, Error> {
        let size = || -> Result<f64, Error> {
            self.cargo(&["build", "--release"])?;
            let binary = self.folder.with_file_name("target").join("release/program");
            Ok(fs::metadata(binary)?.len() as f64)
        };
        self.set(FUNCTIONS)?;
        let all = size()?;
        self.set(FEW)?;
        let few = size()?;
        self.set(FUNCTIONS)?;
        Ok((all - few) / (FUNCTIONS - FEW) as f64)
    }
}

/// CPU time of the processes that have ended, in seconds.
fn of_children() -> nix::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
