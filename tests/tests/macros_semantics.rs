//! An annotated function does what the bare one does: each case is there twice, and compared.

use std::cell::RefCell;
use std::mem::size_of_val;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use futures::executor::block_on;
use rollout::{agent, span};
use rollout_tests::events::in_memory;

thread_local! {
    static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Tells when it is dropped.
#[derive(serde::Serialize, Debug)]
struct Loud(&'static str);

impl Drop for Loud {
    fn drop(&mut self) {
        LOG.with_borrow_mut(|log| log.push(self.0));
    }
}

impl Loud {
    fn get(&self) -> u32 {
        LOG.with_borrow_mut(|log| log.push("get"));
        u32::from(!self.0.is_empty())
    }
}

fn log_of(run: impl FnOnce()) -> Vec<&'static str> {
    LOG.take();
    let _ = catch_unwind(AssertUnwindSafe(run));
    LOG.take()
}

/// The same functions bare and annotated, and a test that compares what they do.
macro_rules! twice {
    ($(
        $name:ident: { $($function:tt)* } call $call:expr;
    )*) => {
        mod bare {
            #![allow(unused_variables, clippy::unused_async, clippy::needless_pass_by_value)]
            use super::*;
            $($($function)*)*
        }
        mod annotated {
            #![allow(unused_variables, clippy::unused_async, clippy::needless_pass_by_value)]
            use super::*;
            $(#[span] $($function)*)*
        }
        mod uncaptured {
            #![allow(unused_variables, clippy::unused_async, clippy::needless_pass_by_value)]
            use super::*;
            $(#[span(capture_input = false, capture_output = false)] $($function)*)*
        }
        $(#[test]
        fn $name() {
            let expected = { use bare::*; log_of(|| { $call; }) };
            assert!(!expected.is_empty());
            let off = { use annotated::*; log_of(|| { $call; }) };
            assert_eq!(off, expected, "off");
            let (on, _) = rollout::testing::capture(|| { use annotated::*; log_of(|| { $call; }) });
            assert_eq!(on, expected, "on");
            let (on, _) = rollout::testing::capture(|| { use uncaptured::*; log_of(|| { $call; }) });
            assert_eq!(on, expected, "captures nothing");
        })*
    };
}

twice! {
    parameters_drop_in_reverse: {
        pub(super) fn in_order(a: Loud, b: Loud, c: Loud) -> u32 {
            let local = Loud("local");
            b.get()
        }
    } call in_order(Loud("a"), Loud("b"), Loud("c"));

    parameters_of_unit_functions_drop_in_reverse: {
        pub(super) fn unit(a: Loud, _: Loud, c: Loud) {
            let local = Loud("local");
        }
    } call unit(Loud("a"), Loud("b"), Loud("c"));

    patterns_drop_as_they_did: {
        pub(super) fn patterns(a: Loud, (b, _): (Loud, Loud), _: Loud, e: Loud) -> u32 {
            drop(b);
            e.get()
        }
    } call patterns(Loud("a"), (Loud("b"), Loud("c")), Loud("d"), Loud("e"));

    async_parameters_drop_in_reverse: {
        pub(super) async fn in_async(a: Loud, (b, _): (Loud, Loud), _: Loud, e: Loud) -> u32 {
            let local = Loud("local");
            std::future::ready(()).await;
            drop(e);
            a.get()
        }
    } call block_on(in_async(Loud("a"), (Loud("b"), Loud("c")), Loud("d"), Loud("e")));

    an_unpolled_future_drops_its_arguments: {
        pub(super) async fn unpolled(a: Loud, _: Loud, c: Loud) -> u32 {
            1
        }
    } call drop(unpolled(Loud("a"), Loud("b"), Loud("c")));

    temporaries_go_before_parameters: {
        pub(super) fn temporaries(a: Loud) -> u32 {
            Loud("temporary").get()
        }
    } call temporaries(Loud("a"));

    async_temporaries_go_before_parameters: {
        pub(super) async fn async_temporaries(a: Loud) -> u32 {
            Loud("temporary").get()
        }
    } call block_on(async_temporaries(Loud("a")));

    an_early_return_drops_as_it_did: {
        pub(super) fn early(a: Loud, b: Loud) -> Result<u32, String> {
            let first = Loud("first");
            if a.0 == "a" {
                Err("no")?;
            }
            let second = Loud("second");
            Ok(1)
        }
    } call early(Loud("a"), Loud("b")).unwrap_err();

    a_panic_drops_as_it_did: {
        pub(super) fn panicking(a: Loud, b: Loud) -> u32 {
            let local = Loud("local");
            std::panic::resume_unwind(Box::new("no"))
        }
    } call panicking(Loud("a"), Loud("b"));
}

struct Holder {
    second: Loud,
    first: Loud,
}

#[allow(clippy::unused_async, reason = "awaiting is not the point")]
mod holder {
    use super::{Holder, Loud, span};

    impl Holder {
        pub(super) fn new() -> Self {
            Self {
                second: Loud("second"),
                first: Loud("first"),
            }
        }

        pub(super) fn bare(self, other: Loud) -> u32 {
            other.get();
            self.first.get()
        }

        #[span]
        pub(super) fn annotated(self, other: Loud) -> u32 {
            other.get();
            self.first.get()
        }

        pub(super) async fn bare_later(self, other: Loud) -> u32 {
            std::future::ready(()).await;
            drop(self.second);
            other.get()
        }

        #[span]
        pub(super) async fn annotated_later(self, other: Loud) -> u32 {
            std::future::ready(()).await;
            drop(self.second);
            other.get()
        }

        pub(super) async fn bare_unused(self) {}

        #[span]
        pub(super) async fn annotated_unused(self) {}
    }
}

#[test]
fn self_drops_as_it_did() {
    let other = || Loud("other");
    let annotated = log_of(|| assert_eq!(Holder::new().annotated(other()), 1));
    assert_eq!(
        annotated,
        log_of(|| assert_eq!(Holder::new().bare(other()), 1))
    );
    let annotated = log_of(|| assert_eq!(block_on(Holder::new().annotated_later(other())), 1));
    assert_eq!(
        annotated,
        log_of(|| assert_eq!(block_on(Holder::new().bare_later(other())), 1))
    );
    let held = log_of(|| drop(Holder::new().annotated_unused()));
    assert_eq!(held, log_of(|| drop(Holder::new().bare_unused())));
    assert_eq!(
        log_of(|| block_on(Holder::new().annotated_unused())),
        log_of(|| block_on(Holder::new().bare_unused()))
    );
}

mod sizes {
    use super::{agent, span};

    macro_rules! functions {
        ($($attribute:tt)*) => {
            $($attribute)*
            pub(in super::super) async fn small(n: u32) -> u32 {
                std::future::ready(()).await;
                n
            }

            $($attribute)*
            pub(in super::super) async fn arguments(a: [u64; 100], b: [u64; 100]) -> u64 {
                std::future::ready(()).await;
                a[1] + b[1]
            }

            $($attribute)*
            pub(in super::super) async fn nested(a: [u64; 100]) -> u64 {
                arguments(a, a).await
            }
        };
    }

    pub(super) mod bare {
        functions!();
    }

    pub(super) mod annotated {
        use super::span;
        functions!(#[span(capture_input = false)]);
    }

    pub(super) mod flushed {
        #![allow(dead_code)]
        use super::agent;
        functions!(#[agent(capture_input = false)]);
    }
}

#[test]
fn a_future_grows_by_a_constant_only() {
    let constant = 160;
    let a = [0; 100];
    let pairs = [
        (
            size_of_val(&sizes::bare::small(1)),
            size_of_val(&sizes::annotated::small(1)),
        ),
        (
            size_of_val(&sizes::bare::arguments(a, a)),
            size_of_val(&sizes::annotated::arguments(a, a)),
        ),
        (
            size_of_val(&sizes::bare::nested(a)),
            size_of_val(&sizes::annotated::nested(a)),
        ),
        (
            size_of_val(&sizes::bare::arguments(a, a)),
            size_of_val(&sizes::flushed::arguments(a, a)),
        ),
    ];
    for (bare, annotated) in pairs {
        assert!(
            annotated <= bare + bare / 10 + constant,
            "{bare} became {annotated}"
        );
    }
}

#[span]
async fn sends(text: &str, n: Box<u32>) -> usize {
    std::future::ready(()).await;
    text.len() + *n as usize
}

#[agent]
async fn agent_sends(text: String) -> anyhow::Result<String> {
    std::future::ready(()).await;
    Ok(text)
}

#[span]
fn iterates(n: u32) -> impl Iterator<Item = u32> {
    0..n
}

#[test]
fn what_was_send_stays_send() {
    fn send<T: Send>(_: &T) {}
    fn sync<T: Sync>(_: &T) {}
    let future = sends("a", Box::new(1));
    send(&future);
    sync(&future);
    send(&agent_sends(String::new()));
    send(&iterates(1));
}

#[span]
fn deep(n: u32) -> u32 {
    if n == 0 { 0 } else { deep(n - 1) + 1 }
}

#[span(capture_input = false, capture_output = false)]
fn deep_bare(n: u32) -> u32 {
    if n == 0 { 0 } else { deep_bare(n - 1) + 1 }
}

#[span]
fn deep_unit(n: u32) {
    if n > 0 {
        deep_unit(n - 1);
    }
}

#[test]
fn deep_recursion_still_fits() {
    // What a thread has by default, whatever `RUST_MIN_STACK` says.
    let thread = || std::thread::Builder::new().stack_size(2 << 20);
    let levels = 10_000;
    let run = move || {
        deep_unit(levels);
        (deep(levels), deep_bare(levels))
    };
    let off = thread().spawn(run).unwrap().join().unwrap();
    let (client, _memory) = in_memory(|builder| builder);
    let recorded = client.clone();
    let on = thread().spawn(move || recorded.trace("deep").in_scope(|_| run()));
    let on = on.unwrap().join().unwrap();
    assert_eq!([off, on], [(levels, levels); 2]);
    client
        .blocking_shutdown(std::time::Duration::from_mins(1))
        .unwrap();
    let stats = client.stats();
    assert!(stats.recorded >= u64::from(3 * levels), "{stats:?}");
}

thread_local! {
    /// How far down the stack the last level was.
    static DEEPEST: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[inline(never)]
fn note_depth() -> u32 {
    let here = 0_u8;
    DEEPEST.set(std::ptr::from_ref(std::hint::black_box(&here)).addr());
    0
}

async fn later_bare(n: u32) -> u32 {
    if n == 0 {
        note_depth()
    } else {
        Box::pin(later_bare(n - 1)).await + 1
    }
}

#[span]
async fn later(n: u32) -> u32 {
    if n == 0 {
        note_depth()
    } else {
        Box::pin(later(n - 1)).await + 1
    }
}

/// Bytes of stack for each level.
fn stack_of<F: Future<Output = u32>>(call: fn(u32) -> F) -> usize {
    let depth = |levels| {
        assert_eq!(block_on(call(levels)), levels);
        DEEPEST.get()
    };
    (depth(100) - depth(200)) / 100
}

#[test]
fn async_recursion_takes_a_bounded_part_of_the_stack() {
    let (client, _memory) = in_memory(|builder| builder);
    let (bare, annotated) = client
        .trace("deep")
        .in_scope(|_| (stack_of(later_bare), stack_of(later)));
    // A build that is not optimised holds the future itself there, on its way into the box, and one frame of ours.
    let more = annotated - bare;
    assert!(more <= 416, "{bare} bytes without, {annotated} with");
}

/// Futures that begin inside one another, more of them than are kept apart without an allocation.
#[test]
fn each_of_many_nested_futures_has_its_own_input_and_parent() {
    const LEVELS: u32 = 50;
    let (value, captured) = rollout::testing::capture(|| block_on(later(LEVELS)));
    assert_eq!(value, LEVELS);
    let mut next = captured.span("later");
    for n in (0..=LEVELS).rev() {
        let span = next.expect("a span for each level");
        assert_eq!(span.input, Some(serde_json::json!({ "n": n })));
        assert_eq!(span.output, Some(n.into()));
        assert_eq!(span.status, "ok");
        next = span.children.first();
    }
    assert!(next.is_none());
}

#[track_caller]
#[span(capture_output = false)]
fn caller() -> &'static Location<'static> {
    Location::caller()
}

#[test]
fn the_caller_stays_the_caller() {
    assert_eq!(caller().line(), line!());
}
