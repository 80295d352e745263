#![allow(
    dead_code,
    unused_variables,
    unused_mut,
    unused_assignments,
    unreachable_code,
    non_snake_case
)]

use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream, StreamExt};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static PANIC: RefCell<Option<(String, u32, u32)>> = const { RefCell::new(None) };
}

/// Tells when it is dropped and looked at.
#[derive(Debug, serde::Serialize)]
pub struct Loud(&'static str);

impl Loud {
    fn get(&self) -> u32 {
        LOG.with_borrow_mut(|log| log.push(format!("get {}", self.0)));
        self.0.len() as u32
    }

    fn touch(&mut self) -> u32 {
        LOG.with_borrow_mut(|log| log.push(format!("touch {}", self.0)));
        1
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        LOG.with_borrow_mut(|log| log.push(format!("drop {}", self.0)));
    }
}

#[derive(Debug, serde::Serialize)]
pub struct Pair {
    left: Loud,
    right: Loud,
}

pub trait Tell {
    fn tell(&self) -> u32;
}

impl Tell for Loud {
    fn tell(&self) -> u32 {
        self.get()
    }
}

pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Never true, but nobody knows.
pub fn no() -> bool {
    std::hint::black_box(false)
}

pub fn fails(yes: bool) -> Result<u32, String> {
    if std::hint::black_box(yes) { Err("failed".into()) } else { Ok(1) }
}

/// Whether a value is `Send`, as far as the compiler knows where it is asked.
pub struct Sent<'a, T>(pub &'a T);

impl<T: Send> Sent<'_, T> {
    pub fn is(&self) -> bool {
        true
    }
}

pub trait NotSent {
    fn is(&self) -> bool {
        false
    }
}

impl<T> NotSent for Sent<'_, T> {}

/// What a run did: its value or panic (message, line from the start of the function, column), and what was dropped and
/// looked at, in order.
pub fn outcome<T: Debug>(base: u32, run: impl FnOnce() -> T) -> String {
    LOG.take();
    PANIC.take();
    let value = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => format!("{value:?}"),
        Err(payload) => {
            drop(payload);
            let (message, line, column) = PANIC.take().unwrap_or_default();
            // What panics in the prelude has its own line.
            let line = if line > base { line - base } else { line };
            format!("panic {message:?} at {line}:{column}")
        }
    };
    format!("{value} {:?}", LOG.take())
}

pub fn hook() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or_default().to_owned();
        let place = info.location().map_or((0, 0), |place| (place.line(), place.column()));
        PANIC.set(Some((message, place.0, place.1)));
    }));
}

/// Compares both runs of one case; `true` if they are the same.
pub fn same(case: &str, source: &str, bare: &str, annotated: &str, how: &str) -> bool {
    if bare == annotated {
        return true;
    }
    eprintln!("{case}, {how}:\n{source}\n  bare:      {bare}\n  annotated: {annotated}\n");
    false
}
