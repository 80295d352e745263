//! Attributes of test harnesses and runtimes, on either side of ours.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "that is how a test fails, and one of them is to panic"
)]

use rollout::testing::capture;
use rollout::{agent, span, task};

#[span]
#[test]
fn a_test_below() {
    assert!(rollout::current_span().is_none());
}

#[test]
#[span]
fn a_test_above() -> Result<(), std::num::ParseIntError> {
    "7".parse::<u32>().map(drop)
}

#[span]
#[test]
#[should_panic(expected = "on purpose")]
fn a_test_that_panics() {
    panic!("on purpose")
}

#[span]
#[tokio::test]
async fn an_async_test_below() {
    tokio::task::yield_now().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[task]
async fn an_async_test_above() -> Result<(), std::num::ParseIntError> {
    tokio::task::yield_now().await;
    "7".parse::<u32>().map(drop)
}

#[tokio::main(flavor = "current_thread")]
#[agent]
async fn runtime_above(n: u32) -> u32 {
    tokio::task::yield_now().await;
    n + 1
}

#[agent]
#[tokio::main(flavor = "current_thread")]
async fn runtime_below(n: u32) -> Result<u32, String> {
    tokio::task::yield_now().await;
    if n == 0 {
        return Err("nothing".into());
    }
    Ok(n + 1)
}

#[test]
fn a_main_is_recorded_on_either_side_of_its_runtime() {
    let ((), captured) = capture(|| {
        assert_eq!(runtime_above(1), 2);
        assert_eq!(runtime_below(1), Ok(2));
        assert!(runtime_below(0).is_err());
    });
    assert_eq!(
        captured.tree(),
        "runtime_above
  runtime_above [agent] ok {\"n\":1} -> 2
runtime_below
  runtime_below [agent] ok {\"n\":1} -> 2
runtime_below
  runtime_below [agent] error {\"n\":0} !! alloc::string::String: nothing
"
    );
}
