//! A program of every kind that may host rollout: `host FLAVOUR`, configured by the environment.
//!
//! It exits with 0 when all went as it should, as far as the program itself can tell.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that cannot go on says so and fails"
)]

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::process::exit;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rollout::{FlushError, FlushReport, InitGuard, agent, tool};
use tokio::runtime::Runtime;

/// Far more than anything here takes.
const LONG: Duration = Duration::from_mins(1);

#[tool]
fn look_up(number: u32) -> u32 {
    number + 1
}

#[tool]
async fn fetch(number: u32) -> u32 {
    turn().await;
    number + 1
}

#[agent]
fn sync_agent(number: u32) -> u32 {
    look_up(number)
}

#[agent]
async fn async_agent(number: u32) -> u32 {
    fetch(number).await
}

#[agent]
fn panicking_agent(number: u32) -> u32 {
    look_up(number);
    panic!("on purpose")
}

#[agent]
async fn panicking_async_agent(number: u32) -> u32 {
    fetch(number).await;
    panic!("on purpose")
}

#[agent]
async fn endless_agent(number: u32) -> u32 {
    fetch(number).await;
    std::future::pending().await
}

/// Is polled twice, on any runtime or none.
async fn turn() {
    let mut first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

fn init() -> InitGuard {
    rollout::init().expect("the test configures it well")
}

fn is_complete(report: Result<FlushReport, FlushError>) {
    let report = report.expect("the client runs");
    assert!(report.is_complete(), "{report:?}");
}

fn main() {
    let flavour = std::env::args().nth(1).expect("a flavour");
    let (host, end) = flavour.split_once('/').unwrap_or((&flavour, ""));
    match host {
        "none" => none(end),
        "executor" => futures::executor::block_on(with_tasks(end, Tasks::None)),
        "current_thread" => current_thread().block_on(with_tasks(end, Tasks::Spawned)),
        "one_worker" => workers(1).block_on(with_tasks(end, Tasks::Spawned)),
        "many_workers" => workers(4).block_on(with_tasks(end, Tasks::Spawned)),
        "inside_task" => inside_task(end),
        "drop" => inside_drop(end),
        "after_runtime" => after_runtime(),
        "threads" => threads(),
        "spawn_blocking" => spawn_blocking(),
        "thread_locals" => thread_locals(),
        "dropped_future" => dropped_future(),
        "panic_in_main" => {
            let _guard = init();
            panicking_agent(1);
        }
        "panic_in_task" => panic_in_task(),
        "panic_in_async_main" => {
            let _guard = init();
            current_thread().block_on(panicking_async_agent(1));
        }
        "exit" => {
            let _guard = init();
            open_task(|| rollout::exit(3));
        }
        "signal" => {
            let _guard = init();
            open_task(|| {
                // Nobody flushes: what is recorded may be in the queue yet.
                println!("recorded");
                loop {
                    std::thread::park();
                }
            });
        }
        "exit_at_once" => {
            let guard = init();
            if end == "sync" {
                sync_agent(1);
            } else {
                workers(1).block_on(async_agent(1));
            }
            std::mem::forget(guard);
            exit(0);
        }
        _ => panic!("no such flavour: {flavour}"),
    }
}

/// An agent that has ended, and a task that is open while the program ends.
fn open_task(end: impl FnOnce()) {
    assert_eq!(sync_agent(1), 2);
    let client = rollout::client().expect("it runs");
    let trace = client.trace("unfinished").start();
    let _span = trace.span("task").name("unfinished").start();
    end();
}

fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn workers(count: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(count)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn none(end: &str) {
    let guard = init();
    for number in 0..3 {
        assert_eq!(sync_agent(number), number + 1);
    }
    match end {
        "guard" => return drop(guard),
        "blocking_flush" => is_complete(rollout::blocking_flush(LONG)),
        "blocking_shutdown" => is_complete(rollout::blocking_shutdown(LONG)),
        _ => panic!("no such end: {end}"),
    }
    // What arrives is the doing of what was called above, not of the guard.
    exit(0);
}

enum Tasks {
    None,
    Spawned,
}

async fn with_tasks(end: &str, tasks: Tasks) {
    let guard = init();
    match tasks {
        Tasks::None => {
            for number in 0..3 {
                assert_eq!(async_agent(number).await, number + 1);
            }
        }
        Tasks::Spawned => {
            let tasks: Vec<_> = (0..3)
                .map(|number| tokio::spawn(async_agent(number)))
                .collect();
            for task in tasks {
                task.await.expect("the task ends");
            }
        }
    }
    finish(end, guard).await;
}

async fn finish(end: &str, guard: InitGuard) {
    match end {
        "guard" => return drop(guard),
        "flush" => is_complete(rollout::flush().await),
        "blocking_flush" => is_complete(rollout::blocking_flush(LONG)),
        "shutdown" => is_complete(rollout::shutdown().await),
        "blocking_shutdown" => is_complete(rollout::blocking_shutdown(LONG)),
        _ => panic!("no such end: {end}"),
    }
    exit(0);
}

/// The end comes on a runtime's only worker, inside a task.
fn inside_task(end: &str) {
    let end = end.to_owned();
    let runtime = workers(1);
    runtime
        .block_on(runtime.spawn(async move { with_tasks(&end, Tasks::Spawned).await }))
        .expect("the task ends");
}

struct Closes;

impl Drop for Closes {
    fn drop(&mut self) {
        sync_agent(1);
        is_complete(rollout::blocking_flush(LONG));
    }
}

fn inside_drop(end: &str) {
    let guard = init();
    match end {
        "current_thread" => current_thread().block_on(async {
            let closes = Closes;
            turn().await;
            drop(closes);
        }),
        "task" => {
            let runtime = workers(1);
            let task = runtime.spawn(async {
                let _closes = Closes;
                turn().await;
            });
            runtime.block_on(task).expect("the task ends");
        }
        "runtime" => {
            // The task never ends: the runtime drops it as it goes down.
            let runtime = current_thread();
            runtime.spawn(async {
                let _closes = Closes;
                std::future::pending::<()>().await;
            });
            runtime.block_on(turn());
        }
        "unwinding" => {
            let caught = std::panic::catch_unwind(|| {
                let _closes = Closes;
                std::panic::resume_unwind(Box::new("on purpose"));
            });
            assert!(caught.is_err());
        }
        _ => panic!("no such place: {end}"),
    }
    std::mem::forget(guard);
    exit(0);
}

fn after_runtime() {
    let runtime = workers(2);
    let guard = runtime.block_on(async {
        let guard = init();
        async_agent(1).await;
        guard
    });
    drop(runtime);
    sync_agent(2);
    futures::executor::block_on(async_agent(3));
    is_complete(futures::executor::block_on(rollout::flush()));
    sync_agent(4);
    drop(guard);
}

fn threads() {
    let _guard = init();
    let threads: Vec<_> = (0..16)
        .map(|number| std::thread::spawn(move || sync_agent(number)))
        .collect();
    for thread in threads {
        thread.join().expect("the thread ends");
    }
}

fn spawn_blocking() {
    let _guard = init();
    current_thread().block_on(async {
        let task = tokio::task::spawn_blocking(|| {
            sync_agent(1);
            is_complete(rollout::blocking_flush(LONG));
        });
        async_agent(2).await;
        task.await.expect("the task ends");
    });
}

struct Late;

impl Drop for Late {
    fn drop(&mut self) {
        sync_agent(1);
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

fn thread_locals() {
    fn set() {
        LATE.with_borrow_mut(|late| *late = Some(Late));
    }
    // Dropped when the client is gone already.
    set();
    let _guard = init();
    // Dropped before what this thread keeps to record, and after it.
    let before = std::thread::spawn(|| {
        sync_agent(1);
        set();
    });
    before.join().expect("the thread ends");
    let after = std::thread::spawn(|| {
        set();
        sync_agent(1);
    });
    after.join().expect("the thread ends");
}

fn dropped_future() {
    let _guard = init();
    // One that was never polled records nothing.
    drop(async_agent(1));
    {
        let mut future = pin!(endless_agent(1));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
    }
    current_thread().block_on(async {
        let task = tokio::spawn(endless_agent(2));
        turn().await;
        turn().await;
        task.abort();
        assert!(task.await.is_err());
    });
}

fn panic_in_task() {
    let _guard = init();
    workers(2).block_on(async {
        let fails = tokio::spawn(panicking_async_agent(1));
        async_agent(2).await;
        assert!(fails.await.is_err());
        async_agent(3).await;
    });
}
