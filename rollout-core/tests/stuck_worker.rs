//! A worker that is at something that does not end: nobody waits for it for ever.

#![expect(
    clippy::unwrap_used,
    reason = "the functions that the tests share are tests too"
)]

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use futures::executor::block_on;
use rollout_core::{Client, DropReason, EventType, FlushError, SpoolKind};
use serde_json::json;

/// A client whose worker is inside the user's mask until the sender is dropped.
fn stuck() -> (Client, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (inside, is_inside) = mpsc::channel();
    let (released, inside) = (Mutex::new(released), Mutex::new(inside));
    let client = rollout_core::builder()
        .spool(SpoolKind::Memory)
        .timeout(Duration::from_millis(100))
        .max_queue_bytes(64 << 10)
        .mask(move |_| {
            let _ = inside.lock().unwrap().send(());
            let _ = released.lock().unwrap().recv();
        })
        .build()
        .unwrap();
    client.capture_event(
        EventType::Metric,
        &json!({ "external_trace_id": "t", "attributes": { "value": "text" } }),
    );
    is_inside.recv().unwrap();
    (client, release)
}

#[test]
fn a_future_gives_up_in_time() {
    let (client, release) = stuck();
    assert_eq!(block_on(client.flush()), Err(FlushError::Busy));
    drop(release);
    // It goes on, and so do those who wait for it.
    loop {
        match block_on(client.flush()) {
            Err(FlushError::Busy) => {}
            report => break assert!(report.unwrap().is_complete()),
        }
    }
}

#[test]
fn a_thread_gives_up_in_time() {
    let (client, release) = stuck();
    let report = client.blocking_flush(Duration::ZERO);
    assert_eq!(report, Err(FlushError::Busy));
    drop(release);
    client.blocking_shutdown(Duration::from_mins(1)).unwrap();
}

/// A span without a trace around it is four events in two records: what does not fit is counted in events.
#[test]
fn what_does_not_fit_meanwhile_is_counted() {
    const SPANS: u64 = 5000;
    let (client, release) = stuck();
    for _ in 0..SPANS {
        client.span("task").name("n").start().end();
    }
    let lost = client.stats().dropped(DropReason::QueueFull);
    assert!(lost > 0);
    // There is no room for the queues of other threads either.
    std::thread::scope(|scope| {
        scope.spawn(|| client.span("task").name("n").start().end());
    });
    let of_others = client.stats().dropped(DropReason::QueueFull) - lost;
    assert!(of_others > 0);
    drop(release);
    client.blocking_shutdown(Duration::from_mins(1)).unwrap();
    let recorded = client.stats().recorded;
    assert_eq!(recorded + lost, 1 + 4 * SPANS);
}
