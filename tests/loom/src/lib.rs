//! The queue of `rollout-core`, its very source, under loom: every order of the steps of a few threads, with every
//! value that the memory model lets a relaxed load see.

#![cfg(test)]
#![allow(
    dead_code,
    unused_imports,
    clippy::inline_always,
    reason = "the source is the runtime's, which uses and measures more of it"
)]

#[path = "../../../rollout-core/src/queue/mod.rs"]
mod queue;
mod stats;
mod sync;

use loom::thread;

use self::queue::{END_OF, LaneReader, Lanes, Record, RecordBuffer};
use self::stats::{Counters, DropReason};
use self::sync::{Arc, CHUNK_WORDS};

/// Bytes of so many chunks.
fn chunks(count: usize) -> usize {
    count * CHUNK_WORDS * 8
}

fn record(number: u64) -> Record {
    Record {
        kind: 1,
        flags: 0,
        status: 0,
        trace: 7,
        span: number,
        parent: 0,
        start: number,
        at: number,
        site: 0,
    }
}

/// What was read: kinds, spans, times and payloads.
fn seen(buffer: &RecordBuffer) -> Vec<(u8, u64, u64, Vec<u8>)> {
    buffer
        .iter()
        .map(|(record, payload)| (record.kind, record.span, record.at, payload.to_vec()))
        .collect()
}

/// Every model here is small, and is run with all its orders.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A reader beside a writer that leaves chunks behind: nothing is torn, lost, doubled or out of order.
#[test]
fn what_is_written_is_read_once_and_in_order() {
    check(|| {
        let lanes = Lanes::new(chunks(4), Arc::new(Counters::default()));
        let mut lane = lanes.open().expect("the budget is fresh");
        let mut reader = lanes.take_new().pop().expect("a lane was opened");
        let writer = thread::spawn(move || {
            for number in 1..=4 {
                assert!(lane.push(record(number), &[number; 2]));
            }
        });
        let mut buffer = RecordBuffer::default();
        reader.read(&mut buffer, u64::MAX, usize::MAX);
        writer.join().expect("it does not panic");
        assert!(reader.read(&mut buffer, u64::MAX, usize::MAX));
        assert!(reader.is_finished());
        let expected: Vec<_> = (1..=4_u64)
            .map(|number| (1, number, number, number.to_le_bytes().repeat(2)))
            .collect();
        assert_eq!(seen(&buffer), expected);
    });
}

/// An end is written into its own record while that is read: it comes once, after its start, with its payload.
#[test]
fn an_end_in_its_record_is_read_once() {
    check(|| {
        let lanes = Lanes::new(chunks(4), Arc::new(Counters::default()));
        let mut lane = lanes.open().expect("the budget is fresh");
        let mut reader = lanes.take_new().pop().expect("a lane was opened");
        let writer = thread::spawn(move || {
            assert!(lane.push_open(record(1), &[11]));
            assert!(lane.end_open(1, 5, 2, &[22]), "nothing has come between");
            assert!(lane.push(record(3), &[]));
        });
        let mut buffer = RecordBuffer::default();
        reader.read(&mut buffer, u64::MAX, usize::MAX);
        writer.join().expect("it does not panic");
        assert!(reader.read(&mut buffer, u64::MAX, usize::MAX));
        assert!(reader.is_finished());
        let expected = [
            (1, 1, 1, 11_u64.to_le_bytes().to_vec()),
            (1 + END_OF, 1, 2, 22_u64.to_le_bytes().to_vec()),
            (1, 3, 3, Vec::new()),
        ];
        assert_eq!(seen(&buffer), expected);
    });
}

/// Two threads, one budget: what does not fit is refused and counted, and all of it is given back.
#[test]
fn the_budget_is_kept_and_given_back() {
    check(|| {
        let counters = Arc::new(Counters::default());
        let lanes = Lanes::new(chunks(3), Arc::clone(&counters));
        let writer = |first: u64| {
            let lanes = Arc::clone(&lanes);
            move || {
                let mut lane = lanes.open()?;
                let taken = (first..first + 3).filter(|number| lane.push(record(*number), &[0; 6]));
                Some(taken.count() as u64)
            }
        };
        let other = thread::spawn(writer(10));
        let ours = writer(20)();
        let other = other.join().expect("it does not panic");
        let mut buffer = RecordBuffer::default();
        let mut readers: Vec<LaneReader> = lanes.take_new();
        for reader in &mut readers {
            assert!(reader.read(&mut buffer, u64::MAX, usize::MAX));
            assert!(reader.is_finished());
        }
        let taken = ours.unwrap_or(0) + other.unwrap_or(0);
        assert_eq!(seen(&buffer).len() as u64, taken);
        // A chunk holds one of them.
        assert!(taken <= 3, "{taken}");
        let opened = u64::from(ours.is_some()) + u64::from(other.is_some());
        // A thread without a lane counts what it was about to begin, and its end.
        let caused = 3 * opened + 2 * (2 - opened);
        assert_eq!(taken + counters.count(DropReason::QueueFull), caused);
        // All chunks are free again: as many can be had as at first, and no more.
        drop(readers);
        let again: Vec<_> = (0..4).map_while(|_| lanes.open()).collect();
        assert_eq!(again.len(), 3);
    });
}

/// A thread that ends while it is read: the lane is finished only once all is read.
#[test]
fn a_lane_is_finished_when_all_of_it_is_read() {
    check(|| {
        let lanes = Lanes::new(chunks(3), Arc::new(Counters::default()));
        let mut lane = lanes.open().expect("the budget is fresh");
        let mut reader = lanes.take_new().pop().expect("a lane was opened");
        let writer = thread::spawn(move || {
            assert!(lane.push(record(1), &[1; 4]));
            assert!(lane.push(record(2), &[2; 4]));
        });
        let mut buffer = RecordBuffer::default();
        while !reader.is_finished() {
            reader.read(&mut buffer, u64::MAX, usize::MAX);
            thread::yield_now();
        }
        assert_eq!(seen(&buffer).len(), 2);
        writer.join().expect("it does not panic");
    });
}
