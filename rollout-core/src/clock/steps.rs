//! Clocks that jump, as no test can have them do it: readings are made up.

use super::{Reading, Wall};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// Some day.
const DAY: u64 = 1_790_000_000 * SECOND;

/// Clocks that go as a test says. A tick is half a nanosecond.
struct Clocks {
    now: Reading,
    wall: Wall,
}

impl Clocks {
    /// They have run for a while.
    fn start() -> Self {
        let now = Reading {
            ticks: 1000,
            running: 5,
            wall: DAY,
        };
        let mut clocks = Self {
            now,
            wall: Wall::from(now),
        };
        for _ in 0..100 {
            clocks.run(SECOND / 50);
        }
        clocks
    }

    /// Time passes, and the worker looks.
    fn run(&mut self, nanos: u64) {
        self.pass(nanos);
        assert!(self.wall.read(self.now));
    }

    /// Time passes.
    fn pass(&mut self, nanos: u64) {
        self.now.ticks += 2 * nanos;
        self.now.running += nanos;
        self.now.wall += nanos;
    }

    /// What is said of now, in something that has begun then.
    fn said(&self, since: u64) -> u64 {
        self.wall.nanos(since, self.now.ticks)
    }
}

#[track_caller]
fn near(one: u64, other: u64) {
    assert!(one.abs_diff(other) < 1000, "{one} {other}");
}

#[test]
fn days_of_steady_time() {
    let mut clocks = Clocks::start();
    let (began, said) = (clocks.now, clocks.said(0));
    for _ in 0..3 * 24 * 60 {
        clocks.run(60 * SECOND);
    }
    near(clocks.said(0), clocks.now.wall);
    let took = clocks.wall.running(clocks.now.ticks) - clocks.wall.running(began.ticks);
    near(took, 3 * 24 * HOUR);
    near(clocks.wall.nanos(0, began.ticks), said);
}

/// The steady clock stands still while the machine sleeps, and so may the ticks or not.
#[test]
fn a_laptop_sleeps_and_wakes_up() {
    for ticks_go_on in [false, true] {
        let mut clocks = Clocks::start();
        let began = clocks.now;
        let said = clocks.said(began.ticks);
        clocks.run(SECOND);
        clocks.now.wall += 8 * HOUR;
        if ticks_go_on {
            clocks.now.ticks += 2 * 8 * HOUR;
        }
        clocks.pass(SECOND / 100);
        let awake = clocks.now.ticks;
        clocks.run(SECOND / 100);
        // When it was is told by the system's clock; how long it took, by the time that the program has run.
        near(clocks.said(began.ticks), clocks.now.wall);
        near(clocks.wall.nanos(began.ticks, began.ticks), said);
        let took = clocks.wall.running(clocks.now.ticks) - clocks.wall.running(began.ticks);
        near(took, SECOND + SECOND / 50);
        near(
            clocks.wall.nanos(awake, awake),
            clocks.now.wall - SECOND / 100,
        );
        for _ in 0..600 {
            clocks.run(SECOND);
        }
        near(clocks.said(clocks.now.ticks), clocks.now.wall);
    }
}

#[test]
fn a_clock_that_is_set_forth_is_followed() {
    let mut clocks = Clocks::start();
    let began = clocks.now.ticks;
    clocks.now.wall += HOUR;
    clocks.run(SECOND);
    near(clocks.said(began), clocks.now.wall);
    near(
        clocks.wall.running(clocks.now.ticks) - clocks.wall.running(began),
        SECOND,
    );
}

/// What runs keeps the time it has; what begins has the new one.
#[test]
fn a_clock_that_is_set_back_is_followed_by_what_begins() {
    let mut clocks = Clocks::start();
    let began = clocks.now.ticks;
    let said = clocks.said(began);
    clocks.run(SECOND);
    clocks.now.wall -= HOUR;
    clocks.run(SECOND);
    near(clocks.said(began), said + 2 * SECOND);
    clocks.run(SECOND);
    near(clocks.said(clocks.now.ticks), clocks.now.wall);
    // Set right again: one time for all.
    clocks.now.wall += HOUR;
    clocks.run(SECOND);
    near(clocks.said(began), clocks.now.wall);
}

/// What is only adjusted, by less than a second in all, is no step: time goes on as it did.
#[test]
fn a_clock_that_is_adjusted_is_no_step() {
    let mut clocks = Clocks::start();
    let ahead = clocks.said(0) - clocks.now.wall;
    for _ in 0..100 {
        clocks.now.wall += SECOND / 200;
        clocks.run(SECOND);
    }
    near(clocks.said(0), clocks.now.wall + ahead - SECOND / 2);
}

/// Ticks begin anew, say after a deep sleep: time does not.
#[test]
fn ticks_that_go_back() {
    let mut clocks = Clocks::start();
    clocks.run(SECOND);
    let before = clocks.now.ticks;
    clocks.pass(SECOND);
    clocks.now.ticks = 500;
    assert!(!clocks.wall.read(clocks.now), "it is said");
    near(clocks.said(before), clocks.now.wall);
    for _ in 0..100 {
        clocks.run(SECOND);
    }
    near(clocks.said(0), clocks.now.wall);
}
