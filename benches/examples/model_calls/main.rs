//! What recording a model call costs the thread that makes it, as a ratio to the bare call: `cargo run --release -p
//! rollout-bench --example model_calls`.
//!
//! A plain `reqwest` client on one thread talks to a server on another. What is measured is CPU time of the calling
//! thread. Bare and recorded calls take turns, so that both see the same machine; each pair gives one ratio, and the
//! median of these is the answer. Between calls, off the clock, the queue is drained, as it is between calls to a model.
//!
//! Of what a stream costs through `reqwest`, most is its own: a body that is taken out of a response and put back, with
//! nothing in between, passes two more boxes on its way, which is 6 % of a loopback stream whose bytes nobody parses.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

mod server;

use std::time::Duration;

use cpu_time::ThreadTime;
use futures::StreamExt as _;
use rollout::SendTraced as _;
use serde::Serialize;

/// Pairs of calls.
const ROUNDS: usize = 1001;

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Request {
    model: &'static str,
    stream: bool,
    messages: Vec<Message>,
}

impl Request {
    /// A request of about so many bytes, in messages of 2 KB.
    fn of(bytes: usize, stream: bool) -> Self {
        let text = "The quick brown fox said: \"Jump over the lazy dog\".\n".repeat(40);
        let messages = (0..=bytes / text.len()).map(|n| Message {
            role: if n % 2 == 0 { "user" } else { "assistant" },
            content: text.clone(),
        });
        Self {
            model: "m",
            stream,
            messages: messages.collect(),
        }
    }
}

/// One kind of call.
struct Case {
    name: &'static str,
    url: String,
    request: Request,
    /// The program parses the events of a stream, instead of only taking their bytes.
    parses: bool,
}

async fn call(client: &reqwest::Client, case: &Case, traced: bool) {
    let request = client.post(&case.url).json(&case.request);
    let sent = if traced {
        request.send_traced().await
    } else {
        request.send().await
    };
    if case.request.stream {
        let mut chunks = sent.unwrap().bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.unwrap();
            if case.parses && chunk.starts_with(b"data: {") {
                // One that is cut by the client's buffer fails, at about the same cost.
                let event = serde_json::from_slice::<serde_json::Value>(&chunk[6..]);
                let _ = std::hint::black_box(event);
            }
            std::hint::black_box(chunk);
        }
    } else {
        let answer: serde_json::Value = sent.unwrap().json().await.unwrap();
        std::hint::black_box(answer);
    }
}

async fn round(client: &reqwest::Client, case: &Case, traced: bool) -> Duration {
    let start = ThreadTime::now();
    call(client, case, traced).await;
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
    let client = reqwest::Client::new();
    let cases = [
        Case {
            name: "a call with a prompt of 100 KB",
            url: format!("http://{server}/v1/chat/completions"),
            request: Request::of(100_000, false),
            parses: false,
        },
        Case {
            name: "a stream of 2,000 chunks",
            url: format!("http://{server}/stream/v1/chat/completions"),
            request: Request::of(1_000, true),
            parses: false,
        },
        Case {
            name: "a stream of 2,000 chunks, each parsed",
            url: format!("http://{server}/stream/v1/chat/completions"),
            request: Request::of(1_000, true),
            parses: true,
        },
    ];
    for case in &cases {
        let (mut bare, mut recorded, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 0..ROUNDS {
            let mut took = [Duration::ZERO; 2];
            // Who goes first takes turns as well.
            for traced in [turn % 2 == 0, turn % 2 != 0] {
                let trace = recorder.trace("bench").start();
                took[usize::from(traced)] =
                    trace.in_scope(|| runtime.block_on(round(&client, case, traced)));
                trace.end();
                let _ = recorder.blocking_flush(Duration::from_secs(30));
            }
            // The first ones warm up.
            if turn > 0 {
                let micros = took.map(|took| took.as_secs_f64() * 1e6);
                bare.push(micros[0]);
                recorded.push(micros[1]);
                ratios.push(micros[1] / micros[0]);
            }
        }
        println!(
            "{}: bare {:.1} µs, recorded {:.1} µs of CPU on the calling thread; ratio {:.3}",
            case.name,
            median(bare),
            median(recorded),
            median(ratios)
        );
    }
    let dropped = recorder.stats().dropped;
    println!("dropped: {dropped:?}");
}
