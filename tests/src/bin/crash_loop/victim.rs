//! A program that runs until it is killed.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rollout::{agent, task, tool};
use rollout_tests::events::segments;
use rollout_tests::program::{Program, command};

/// The longest that a run is left alone.
const LONGEST: Duration = Duration::from_millis(150);

/// A text so long that the system may stop in the middle of writing it.
const LONG: usize = 60_000;

#[tool]
fn stride(lap: u64, text: &str) -> u64 {
    lap + text.len() as u64
}

#[task]
fn lap(number: u64) -> u64 {
    rollout::signal("lap", &number);
    let long = if number % 16 == 15 { LONG } else { 0 };
    stride(number, &"x".repeat(long))
}

/// Says on stdout which laps are accepted: they are in the spool.
#[agent(name = "run")]
fn laps(run: String) -> ! {
    let mut stdout = std::io::stdout();
    for number in 0.. {
        lap(number);
        if number % 3 == 0 {
            // Whatever can be delivered by now, which is nothing, what is recorded is spooled.
            rollout::blocking_flush(Duration::ZERO).expect("the worker lives");
            writeln!(stdout, "{number}").expect("somebody reads it");
        }
    }
    unreachable!("there is always another lap")
}

/// The program: an agent that never comes to an end.
pub(crate) fn run(number: String) -> ExitCode {
    let _guard = rollout::init().expect("the loop configures it well");
    laps(number)
}

/// Does to the newest segment what a system does that dies in the middle of writing: half a line stays behind.
pub(crate) fn tear(dir: &Path, random: &mut Rng) {
    const LINE: &[u8] = br#"{"event_id":"evt_torn","event_type":"user.signal","trace_id":"0123"#;
    let Some(segment) = segments(dir).pop() else {
        return;
    };
    let mut file = OpenOptions::new()
        .append(true)
        .open(segment)
        .expect("a segment");
    file.write_all(&LINE[..random.usize(1..LINE.len())])
        .expect("it takes it");
}

/// Starts the program and kills it. Returns the laps that were accepted.
pub(crate) fn kill(number: u32, dir: &Path, url: &str, random: &mut Rng) -> BTreeSet<u64> {
    let this = std::env::current_exe().expect("a path");
    let mut command = command(this.to_str().expect("a path of text"), dir);
    command
        .args(["run", &number.to_string()])
        .env("ROLLOUT_ENDPOINT", url)
        .env("ROLLOUT_EXPORTERS", "local,http")
        .env("ROLLOUT_FLUSH_INTERVAL", "0.02")
        .stdout(Stdio::piped());
    let mut program = Program::start(&mut command);
    thread::sleep(LONGEST.mul_f64(random.f64()));
    program.child().kill().expect("it runs");
    let mut stdout = program.child().stdout.take().expect("a pipe");
    let ended = program.end();
    assert_eq!(ended.status.code(), None, "{}", ended.stderr);
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("text");
    text.split_inclusive('\n')
        // The last line may be torn.
        .filter_map(|line| line.strip_suffix('\n')?.parse().ok())
        .collect()
}
