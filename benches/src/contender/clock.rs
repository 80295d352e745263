//! The floor under everybody who tells when a span began and ended: two reads of the processor's clock.

use std::hint::black_box;

use fastant::Instant;

use super::shape::{Answer, Values};
use super::{Functions, bare};

pub(super) struct Clock;

#[inline(never)]
fn leaf(n: u64) -> u64 {
    black_box(Instant::now());
    let n = black_box(n);
    black_box(Instant::now());
    n
}

impl Functions for Clock {
    fn root(&self, leaves: impl FnOnce()) {
        leaves();
    }

    fn leaf(n: u64) -> u64 {
        leaf(n)
    }

    fn leaf_async(n: u64) -> impl Future<Output = u64> {
        bare::leaf_async(n)
    }

    fn deep(n: u64) -> impl Future<Output = u64> {
        bare::leaf_async(n)
    }

    fn captured(values: &Values, long: bool, n: u64) -> Answer {
        bare::captured(values, long, n)
    }
}
