//! What recording a model call costs the thread that makes it, as a ratio to the bare call: `cargo run --release -p
//! rollout-bench --example model_calls`, and behind `--` a part of the name of the cases to run.
//!
//! A client on one thread talks to a server on another, over loopback, which answers at once. What is measured is CPU
//! time of the calling thread, and how long the caller waits, most of it for the other thread. Bare and recorded calls take turns, so that both see the same machine; each pair gives one ratio, of which
//! the median is printed, and beside it the ratio of the tenth percentiles: what else the machine does makes a call
//! slower and never faster, so on a busy one that is the steadier of the two. Between calls, off the clock, the queue is
//! drained, as it is between calls to a model.
//!
//! A response of `reqwest` lets nobody see the bytes of its body but by taking the body out and putting one in its
//! place: a layer at its connector sees the bytes of connections, before they are decrypted and told apart, and nothing
//! else of a client or a response takes a hook. Each of the two costs a box that every chunk passes, and a body of
//! another type a third one. What the two cost with nothing in between, and nothing of rollout at work, is a case of its
//! own here: below it no recording through `reqwest` can be. It was 1.04 where a stream that nobody reads was 1.11, both
//! of 0.7 µs a chunk.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

mod openai;
mod plain;
mod server;

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use self::plain::Sent;

/// Pairs of calls.
const ROUNDS: usize = 1001;

/// The same of a stream that takes a quarter of a second.
const PACED_ROUNDS: usize = 101;

/// A request of about so many bytes, in messages of 2 KB.
fn request(bytes: usize) -> Value {
    let text = "The quick brown fox said: \"Jump over the lazy dog\".\n".repeat(40);
    let message = |n: usize| {
        let role = if n.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        };
        json!({ "role": role, "content": text })
    };
    let messages: Vec<Value> = (0..=bytes / text.len()).map(message).collect();
    json!({ "model": "m", "messages": messages })
}

/// One kind of call.
struct Case<'a> {
    name: &'static str,
    /// What stands beside the bare call.
    other: &'static str,
    /// Makes the call: bare, or the other one.
    call: Box<dyn Fn(bool) -> LocalBoxFuture<'a, ()> + 'a>,
    /// Pairs of calls.
    rounds: usize,
}

impl<'a> Case<'a> {
    fn new<F: Future<Output = ()> + 'a>(
        name: &'static str,
        other: &'static str,
        call: impl Fn(bool) -> F + 'a,
    ) -> Self {
        Self {
            name,
            other,
            call: Box::new(move |other| call(other).boxed_local()),
            rounds: ROUNDS,
        }
    }

    fn rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }
}

/// CPU time of this thread, and the time that passed, in microseconds.
async fn timed(call: impl Future<Output = ()>) -> [f64; 2] {
    let (cpu, clock) = (ThreadTime::now(), Instant::now());
    call.await;
    [cpu.elapsed(), clock.elapsed()].map(|took| took.as_secs_f64() * 1e6)
}

/// The value under which so many of a hundred are.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * percent / 100]
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let recorder = rollout::builder().dir(dir.path()).init().unwrap();
    let server = server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();

    let client = &reqwest::Client::new();
    let whole = &format!("http://{server}/v1/chat/completions");
    let burst = &format!("http://{server}/burst/v1/chat/completions");
    let paced = &format!("http://{server}/paced/v1/chat/completions");
    let (large, small) = (&request(100_000), &request(1_000));
    let typed = |request: &Value| serde_json::from_value(request.clone()).unwrap();
    let clients = &openai::Clients::of(&format!("http://{server}/v1"));
    let bursting = &openai::Clients::of(&format!("http://{server}/burst/v1"));
    let pacing = &openai::Clients::of(&format!("http://{server}/paced/v1"));
    let traced = |other| if other { Sent::Traced } else { Sent::Bare };
    let put_back = |other| if other { Sent::PutBack } else { Sent::Bare };
    let cases = [
        Case::new("async-openai, a prompt of 100 KB", "recorded", |other| {
            clients.whole(typed(large), other)
        }),
        Case::new("reqwest, a prompt of 100 KB", "recorded", |other| {
            plain::whole(client, whole, large, traced(other))
        }),
        Case::new("async-openai, 2,000 chunks, paced", "recorded", |other| {
            pacing.stream(typed(small), other)
        })
        .rounds(PACED_ROUNDS),
        Case::new("reqwest, 2,000 chunks, paced", "recorded", |other| {
            plain::stream(client, paced, small, true, traced(other))
        })
        .rounds(PACED_ROUNDS),
        Case::new("reqwest, 2,000 chunks, paced", "put back", |other| {
            plain::stream(client, paced, small, true, put_back(other))
        })
        .rounds(PACED_ROUNDS),
        Case::new("async-openai, 2,000 chunks at once", "recorded", |other| {
            bursting.stream(typed(small), other)
        }),
        Case::new("reqwest, 2,000 chunks at once", "recorded", |other| {
            plain::stream(client, burst, small, true, traced(other))
        }),
        Case::new("reqwest, the same unread", "recorded", |other| {
            plain::stream(client, burst, small, false, traced(other))
        }),
        Case::new("reqwest, the same unread", "put back", |other| {
            plain::stream(client, burst, small, false, put_back(other))
        }),
    ];
    println!("µs of a call: CPU of the calling thread; until it is done");
    let only = std::env::args().nth(1).unwrap_or_default();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let mut bare = [Vec::new(), Vec::new()];
        let mut others = bare.clone();
        for turn in 0..case.rounds {
            // Who goes first takes turns as well.
            for other in [turn % 2 == 0, turn % 2 != 0] {
                let trace = recorder.trace("bench").start();
                let call = timed((case.call)(other));
                let took = trace.in_scope(|| runtime.block_on(call));
                trace.end();
                let _ = recorder.blocking_flush(Duration::from_secs(30));
                // The first ones warm up.
                let into = if other { &mut others } else { &mut bare };
                for (into, took) in into.iter_mut().zip(took).filter(|_| turn > 0) {
                    into.push(took);
                }
            }
        }
        print!("{:<36}", case.name);
        for (mut bare, mut others) in bare.into_iter().zip(others) {
            let mut ratios: Vec<f64> = others.iter().zip(&bare).map(|(a, b)| a / b).collect();
            print!(
                "   bare {:7.1}   {} {:7.1}   ratio {:.3}, of the fastest {:.3}",
                percentile(&mut bare, 50),
                case.other,
                percentile(&mut others, 50),
                percentile(&mut ratios, 50),
                percentile(&mut others, 10) / percentile(&mut bare, 10),
            );
        }
        println!();
    }
    let dropped = recorder.stats().dropped;
    println!("dropped: {dropped:?}");
}
