//! In the steady state the thread that is traced allocates nothing, captured or not.

use std::time::Duration;

use rollout::SpoolKind;
use serde::Serialize;

#[derive(Serialize)]
struct Order {
    id: u64,
    items: Vec<String>,
    note: Option<String>,
}

#[rollout::span(capture_input = false, capture_output = false)]
fn bare() {}

#[rollout::tool]
fn captured(text: &str, number: f64, order: &Order) -> Result<u64, std::fmt::Error> {
    let _ = (text, number);
    Ok(order.id)
}

#[rollout::span]
async fn captured_async(number: u64) -> u64 {
    bare();
    number
}

#[rollout::task(capture_input = false)]
fn tree(order: &Order) {
    for n in 0..100 {
        bare();
        let _ = captured("Where is my order?", 0.5, order);
        futures::executor::block_on(captured_async(n));
    }
}

/// Allocations of one call, after enough of them that every buffer has its size.
fn allocations(mut call: impl FnMut(), drain: impl Fn()) -> u64 {
    for _ in 0..50 {
        call();
        drain();
    }
    // The worker may hold on to the one chunk that it reads just now: what matters is that a call can do without.
    (0..20)
        .map(|_| {
            let count = allocation_counter::measure(&mut call).count_total;
            drain();
            count
        })
        .min()
        .unwrap_or(u64::MAX)
}

#[test]
fn nothing_is_allocated_on_the_callers_thread() {
    let dir = tempfile::tempdir().unwrap();
    let order = Order {
        id: 4421,
        items: ["lamp", "cable"].map(str::to_owned).to_vec(),
        note: None,
    };
    let outside = allocations(|| tree(&order), || {});
    assert_eq!(outside, 0, "the program itself allocates");

    let guard = rollout::builder()
        .enabled(true)
        .dir(dir.path())
        .spool(SpoolKind::Memory)
        .exporters([])
        .init()
        .unwrap();
    let drain = || drop(guard.blocking_flush(Duration::from_secs(30)));
    assert_eq!(allocations(|| tree(&order), drain), 0);
    assert!(guard.stats().recorded > 100);
}
