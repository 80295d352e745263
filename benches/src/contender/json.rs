//! The floor under everybody who records values as JSON at once: `serde_json` alone, into a buffer that is reused.

use std::cell::RefCell;
use std::hint::black_box;

use super::shape::{Answer, Values};
use super::{Functions, bare};

pub(super) struct Json;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[inline(never)]
fn captured(values: &Values, long: bool, n: u64) -> Answer {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let written = write(buffer, values, long, n);
        black_box(&mut *buffer);
        written.map_err(|_| std::fmt::Error)
    })
}

fn write(buffer: &mut Vec<u8>, values: &Values, long: bool, n: u64) -> serde_json::Result<u64> {
    serde_json::to_writer(&mut *buffer, &values.text)?;
    serde_json::to_writer(&mut *buffer, &n)?;
    serde_json::to_writer(&mut *buffer, values.order(long))?;
    let answer = black_box(n);
    serde_json::to_writer(&mut *buffer, &answer)?;
    Ok(answer)
}

impl Functions for Json {
    fn root(&self, leaves: impl FnOnce()) {
        leaves();
    }

    fn leaf(n: u64) -> u64 {
        bare::leaf(n)
    }

    fn leaf_async(n: u64) -> impl Future<Output = u64> {
        bare::leaf_async(n)
    }

    fn deep(n: u64) -> impl Future<Output = u64> {
        bare::leaf_async(n)
    }

    fn captured(values: &Values, long: bool, n: u64) -> Answer {
        captured(values, long, n)
    }
}
