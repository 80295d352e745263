//! Nobody: what is taken off from everybody else's figures.

use std::hint::black_box;

use super::Functions;
use super::shape::{Answer, Values, ten_deep};

pub(super) struct Bare;

#[inline(never)]
pub(super) fn leaf(n: u64) -> u64 {
    black_box(n)
}

pub(super) async fn leaf_async(n: u64) -> u64 {
    black_box(n)
}

ten_deep!();

#[inline(never)]
pub(super) fn captured(values: &Values, long: bool, n: u64) -> Answer {
    black_box((&values.text, values.order(long)));
    Ok(black_box(n))
}

impl Functions for Bare {
    fn root(&self, leaves: impl FnOnce()) {
        leaves();
    }

    fn leaf(n: u64) -> u64 {
        leaf(n)
    }

    fn leaf_async(n: u64) -> impl Future<Output = u64> {
        leaf_async(n)
    }

    fn deep(n: u64) -> impl Future<Output = u64> {
        deep(n)
    }

    fn captured(values: &Values, long: bool, n: u64) -> Answer {
        captured(values, long, n)
    }
}
