//! Three processes that work on one order, by its first argument: a `shop` that asks over HTTP, a `desk` that answers
//! there and hands the packing on as a line of text, and a `packer` that reads such lines. Those who listen print their
//! address, and end when they are told `quit`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that cannot go on says so and fails"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use axum::extract::{Path, State};
use axum::routing::{get, post};
use rollout::{ServerLayer, agent, task, tool};
use tokio::sync::mpsc;

fn main() {
    let _rollout = rollout::init().expect("the test configures it well");
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["shop", desk] => println!("{}", shop(desk)),
        ["desk", packer] => serve(packer),
        ["packer"] => read_lines(),
        _ => panic!("no such part: {arguments:?}"),
    }
}

#[agent]
fn shop(desk: &str) -> String {
    (0..2).map(|number| ask(desk, number)).collect()
}

#[tool]
fn ask(desk: &str, order: u32) -> String {
    let mut headers = BTreeMap::new();
    rollout::inject(&mut headers);
    let mut request = ureq::post(format!("http://{desk}/orders/{order}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut answer = request.send_empty().expect("an answer");
    answer.body_mut().read_to_string().expect("a text")
}

fn serve(packer: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (quit, mut told) = mpsc::channel::<()>(1);
        let app = axum::Router::new()
            .route("/orders/{number}", post(answer))
            .with_state(packer.to_owned())
            .route(
                "/quit",
                get(async move || quit.send(()).await.is_ok().to_string()),
            )
            .layer(ServerLayer::new().only(|request| request.uri.path() != "/quit"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, app)
            .with_graceful_shutdown(async move { told.recv().await.unwrap_or_default() })
            .await
            .expect("it serves");
    });
}

async fn answer(Path(number): Path<u32>, State(packer): State<String>) -> String {
    check(number).await;
    rollout::spawn_blocking(move || hand_on(&packer, number))
        .await
        .expect("it is handed on")
}

#[task]
async fn check(number: u32) -> bool {
    tokio::task::yield_now().await;
    number < 10
}

#[task]
fn hand_on(packer: &str, number: u32) -> String {
    let span = rollout::current_span().expect("this one");
    let traceparent = span.traceparent().expect("it is recorded");
    let mut queue = TcpStream::connect(packer).expect("somebody listens");
    writeln!(queue, "{number} {traceparent}").expect("a line");
    let mut done = String::new();
    BufReader::new(queue)
        .read_line(&mut done)
        .expect("an answer");
    done
}

fn read_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let (mut queue, _) = listener.accept().expect("a sender");
        let mut line = String::new();
        BufReader::new(&queue).read_line(&mut line).expect("a line");
        let Some((number, traceparent)) = line.trim().split_once(' ') else {
            return;
        };
        let done = pack(number, traceparent);
        writeln!(queue, "{done}").expect("somebody waits");
    }
}

#[agent(parent = traceparent, skip(traceparent))]
fn pack(number: &str, traceparent: &str) -> String {
    wrap(number);
    format!("packed {number}")
}

#[task]
fn wrap(number: &str) -> usize {
    number.len()
}
