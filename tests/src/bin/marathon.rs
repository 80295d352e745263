//! An agent that runs until it is killed. It reports each lap on stdout when it is over: its number, and the
//! microseconds since the start.

#![expect(
    clippy::expect_used,
    reason = "a program that cannot go on says so and fails"
)]

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use rollout::{agent, task, tool};

#[tool]
fn stride(lap: u64) -> u64 {
    lap
}

#[task]
fn lap(number: u64) -> u64 {
    stride(number)
}

#[agent(skip(start))]
fn marathon(start: Instant) -> ! {
    let mut stdout = std::io::stdout();
    for number in 0.. {
        lap(number);
        let at = start.elapsed().as_micros();
        writeln!(stdout, "{number} {at}").expect("somebody reads it");
        stdout.flush().expect("somebody reads it");
        // An agent mostly waits for others.
        thread::park_timeout(Duration::from_micros(500));
    }
    unreachable!("there is always another lap")
}

fn main() {
    let _guard = rollout::init().expect("the test configures it well");
    marathon(Instant::now());
}
