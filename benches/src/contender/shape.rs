//! The trees that everybody records.

use std::fmt;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};

/// Leaves of a tree, unless something else is said.
pub const LEAVES: u64 = 100;

/// Futures in each other.
pub(super) const DEPTH: u64 = 10;

/// What a tree's spans are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// Calls.
    Sync,
    /// Futures that are ready at once.
    Async,
    /// The same, ten in each other.
    Deep,
    /// The same, of which the innermost is not ready nine times.
    Waiting,
    /// Calls of which a text of 64 bytes, a number, a struct with a list of three words and a `Result` are recorded.
    Captured,
    /// The same with ten lines in the list.
    CapturedList,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sync,
        Self::Async,
        Self::Deep,
        Self::Waiting,
        Self::Captured,
        Self::CapturedList,
    ];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async, leaf",
            Self::Deep => "async, ten deep",
            Self::Waiting => "async, ten deep, polled ten times",
            Self::Captured => "three arguments and a `Result`",
            Self::CapturedList => "the same with a list of ten lines",
        }
    }
}

/// What a call that is captured returns.
pub(super) type Answer = Result<u64, fmt::Error>;

/// An argument.
#[derive(Clone, Serialize)]
pub(super) struct Order {
    id: u64,
    items: Vec<String>,
}

/// The arguments of calls that are captured.
pub struct Values {
    pub(super) text: String,
    words: Order,
    lines: Order,
}

impl Default for Values {
    fn default() -> Self {
        let line = |n: u32| format!("{n} x desk lamp, brushed brass");
        let order = |items| Order { id: 4421, items };
        Self {
            text: "x".repeat(64),
            words: order(["lamp", "cable", "bulb"].map(str::to_owned).to_vec()),
            lines: order((1..=10).map(line).collect()),
        }
    }
}

impl Values {
    pub(super) fn order(&self, long: bool) -> &Order {
        if long { &self.lines } else { &self.words }
    }
}

/// Writes as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn repeat<R>(leaves: u64, mut leaf: impl FnMut(u64) -> R) {
    for n in 0..leaves {
        black_box(leaf(n));
    }
}

pub(super) async fn repeat_async<F: Future<Output = u64>>(leaves: u64, leaf: impl Fn(u64) -> F) {
    for n in 0..leaves {
        black_box(leaf(n).await);
    }
}

/// Added to the number of a call that waits.
pub(super) const WAITS: u64 = 1 << 32;

/// Times that it does.
const PENDING: u32 = 9;

/// What the ten in each other are around.
pub(super) async fn innermost(n: u64) -> u64 {
    if n >= WAITS {
        let mut left = PENDING;
        poll_fn(|_| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            Poll::Pending
        })
        .await;
    }
    black_box(n)
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// Makes ten functions, `deep` the outermost, each of which awaits the next: by an attribute, or through a function
/// that takes the future of the next one.
macro_rules! ten_deep {
    (@one [$(#[$attribute:meta])*] $name:ident $next:ident) => {
        $(#[$attribute])*
        async fn $name(n: u64) -> u64 {
            $next(n).await
        }
    };
    ($(#[$attribute:meta])* $($wrap:ident)?) => {
        ten_deep!(@ [$(#[$attribute])*] [$($wrap)?]
            deep d2, d2 d3, d3 d4, d4 d5, d5 d6, d6 d7, d7 d8, d8 d9, d9 d10, d10 innermost);

        async fn innermost(n: u64) -> u64 {
            $crate::contender::shape::innermost(n).await
        }
    };
    (@ $attributes:tt [] $($name:ident $next:ident),*) => {
        $(ten_deep!(@one $attributes $name $next);)*
    };
    (@ [] [$wrap:ident] $($name:ident $next:ident),*) => {
        $(async fn $name(n: u64) -> u64 {
            $wrap($next(n)).await
        })*
    };
}
pub(super) use ten_deep;
