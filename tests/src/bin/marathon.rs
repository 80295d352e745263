//! An agent that runs until it is killed. It reports each lap on stdout when it is over: `lap`, its number, and the
//! microseconds since the start. A second thread that does nothing but wake reports when it did: `tick`, the
//! microseconds that it meant to wait, and those since the start.

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
        writeln!(stdout, "lap {number} {at}").expect("somebody reads it");
        // An agent mostly waits for others.
        thread::park_timeout(Duration::from_micros(500));
    }
    unreachable!("there is always another lap")
}

/// How late the machine lets a thread wake that waits as the worker does.
fn tick(start: Instant) -> ! {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut stdout = std::io::stdout();
    loop {
        let from = Instant::now();
        while from.elapsed() < PAUSE {
            thread::park_timeout(PAUSE.saturating_sub(from.elapsed()));
        }
        let at = start.elapsed().as_micros();
        writeln!(stdout, "tick {} {at}", PAUSE.as_micros()).expect("somebody reads it");
    }
}

fn main() {
    let _guard = rollout::init().expect("the test configures it well");
    let start = Instant::now();
    thread::spawn(move || tick(start));
    marathon(start);
}
