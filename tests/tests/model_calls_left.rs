//! Streams that are left, broken off or read to their end, at any point: each API, through each integration.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::pin::Pin;

use async_openai::config::OpenAIConfig;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use proptest::prelude::*;
use rig_http::http_client::{DynHttpClient, HttpClientExt as _};
use rollout::testing::{CapturedSpan, capture_async};
use rollout::{ModelCallMiddleware, ModelCalls, SendTraced as _, agent};
use rollout_tests::conversation::{Conversation, conversations};
use rollout_tests::model::{Piece, Script, serve};
use serde_json::Value;
use tokio::sync::mpsc;

/// What sends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Through {
    Reqwest,
    Reqwest012,
    Middleware,
    Rig,
}

/// How a stream comes to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leave {
    /// The program drops it.
    Dropped,
    /// The connection breaks.
    Broken,
    /// The server says no more.
    Ended,
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, ()>> + Send>>;

async fn open(through: Through, url: &str, body: String) -> Chunks {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    match through {
        Through::Reqwest => {
            let sent = http.post(url).body(body).send_traced().await;
            Box::pin(
                sent.unwrap()
                    .bytes_stream()
                    .map(|chunk| chunk.map_err(drop)),
            )
        }
        Through::Reqwest012 => {
            let request = reqwest_012::Client::new().post(url).body(body);
            let sent = request.send_traced().await;
            Box::pin(
                sent.unwrap()
                    .bytes_stream()
                    .map(|chunk| chunk.map_err(drop)),
            )
        }
        Through::Middleware => {
            let client = reqwest_middleware::ClientBuilder::new(http)
                .with(ModelCallMiddleware::new(ModelCalls::new()))
                .build();
            let sent = client.post(url).body(body).send().await;
            Box::pin(
                sent.unwrap()
                    .bytes_stream()
                    .map(|chunk| chunk.map_err(drop)),
            )
        }
        Through::Rig => {
            let client = rig_reqwest::ReqwestClient::from(http);
            let client = rollout::wrap(DynHttpClient::new(client));
            let request = http::Request::post(url).body(body).unwrap();
            let sent = client.send_streaming(request).await.unwrap();
            Box::pin(sent.into_body().map(|chunk| chunk.map_err(drop)))
        }
    }
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn follow(
    through: Through,
    url: &str,
    body: String,
    pieces: Vec<Bytes>,
    leave: Leave,
    next: mpsc::Sender<Piece>,
) {
    let mut chunks = open(through, url, body).await;
    for piece in pieces {
        next.send(Ok(piece.clone())).await.unwrap();
        let mut there = Vec::new();
        while there.len() < piece.len() {
            there.extend_from_slice(&chunks.next().await.unwrap().unwrap());
        }
        assert_eq!(there, piece);
    }
    match leave {
        Leave::Dropped => {}
        Leave::Broken => {
            let broken = std::io::Error::other("the server is gone");
            next.send(Err(broken)).await.unwrap();
            assert!(chunks.next().await.unwrap().is_err());
        }
        Leave::Ended => {
            drop(next);
            assert!(chunks.next().await.is_none());
        }
    }
}

/// The span of a stream of which so many bytes were read, in pieces of this size.
async fn left(
    through: Through,
    talk: &Conversation,
    read: usize,
    size: usize,
    leave: Leave,
) -> CapturedSpan {
    let all = talk.stream.concat();
    let pieces = all.as_bytes()[..read]
        .chunks(size)
        .map(Bytes::copy_from_slice)
        .collect();
    let (sender, receiver) = mpsc::channel(1);
    let url = format!(
        "http://{}{}",
        serve(Script::channel(receiver)).await,
        talk.path
    );
    let body = talk.request.to_string();
    let ((), captured) = capture_async(follow(through, &url, body, pieces, leave, sender)).await;
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    agent.children[0].clone()
}

/// What the span must say.
fn check(call: &CapturedSpan, talk: &Conversation, read: usize, leave: Leave) {
    let mut there = 0;
    let heard: Vec<&String> = talk
        .stream
        .iter()
        .take_while(|event| {
            there += event.len();
            there <= read
        })
        .collect();
    let complete = heard.len() == talk.stream.len();
    let status = match leave {
        Leave::Dropped if complete => "ok",
        Leave::Dropped => "cancelled",
        Leave::Broken => "error",
        Leave::Ended => "ok",
    };
    assert_eq!(call.status, status);
    let said: String = ["one ", "two ", "three"]
        .into_iter()
        .filter(|word| {
            heard
                .iter()
                .any(|event| event.contains(&format!("\"{word}")))
        })
        .collect();
    let text = call.output.as_ref().map(talk.text).unwrap_or_default();
    assert_eq!(text, said);
    // Never a zero that nobody counted.
    assert_ne!(call.usage.get("output_tokens"), Some(&Value::from(0)));
    if !complete && talk.path != "/v1/messages" {
        assert_eq!(call.attributes["rollout.usage_source"], "absent");
    }
}

fn run(through: Through, api: usize, part: f64, size: usize, leave: Leave) {
    let talk = &conversations()[api];
    let all: usize = talk.stream.iter().map(String::len).sum();
    let read = (all as f64 * part).round() as usize;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let call = runtime.block_on(left(through, talk, read, size, leave));
    check(&call, talk, read, leave);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_ends_as_it_was_left(
        through in prop_oneof![Just(Through::Reqwest), Just(Through::Reqwest012), Just(Through::Middleware), Just(Through::Rig)],
        api in 0..4_usize,
        part in prop_oneof![3 => 0.0..=1.0, 1 => Just(1.0), 1 => 0.97..=1.0],
        size in 1..200_usize,
        leave in prop_oneof![3 => Just(Leave::Dropped), 1 => Just(Leave::Broken), 1 => Just(Leave::Ended)],
    ) {
        run(through, api, part, size, leave);
    }
}

#[test]
fn a_stream_is_complete_with_the_blank_line_of_its_last_event() {
    for through in [
        Through::Reqwest,
        Through::Reqwest012,
        Through::Middleware,
        Through::Rig,
    ] {
        for api in 0..4 {
            for size in [7, 100_000] {
                run(through, api, 1.0, size, Leave::Dropped);
            }
        }
    }
}

/// Through `async-openai` a program sees events, so it leaves between them. The client reads in a task of its own, which
/// hangs up soon after.
#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn follow_events(
    client: &async_openai::Client<OpenAIConfig>,
    request: Value,
    events: &[String],
    next: mpsc::Sender<Piece>,
) {
    let chat = client.chat();
    let mut chunks = chat.create_stream_byot::<_, Value>(request).await.unwrap();
    for event in events {
        next.send(Ok(event.clone().into())).await.unwrap();
        let last = event.contains("[DONE]");
        assert_eq!(chunks.next().await.is_none(), last);
    }
    drop(chunks);
    next.closed().await;
}

#[tokio::test]
async fn a_stream_of_async_openai_ends_as_it_was_left() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let talk = &conversations()[0];
    let events = &talk.stream;
    for heard in 0..=events.len() {
        let (sender, receiver) = mpsc::channel(1);
        let base = format!("http://{}/v1", serve(Script::channel(receiver)).await);
        let config = OpenAIConfig::new().with_api_base(base).with_api_key("k");
        let client = rollout::wrap(config);
        let request = talk.request.clone();
        let follow = follow_events(&client, request, &events[..heard], sender);
        let ((), captured) = capture_async(follow).await;
        let read = events.iter().take(heard).map(String::len).sum();
        let call = &captured.span("ask").unwrap().children[0];
        check(call, talk, read, Leave::Dropped);
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_before_its_answer_is_cancelled() {
    // Accepts and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/messages", listener.local_addr().unwrap());
    for through in [
        Through::Reqwest,
        Through::Reqwest012,
        Through::Middleware,
        Through::Rig,
    ] {
        let ((), captured) = capture_async(async {
            let sent = Box::pin(open(through, &url, "{\"model\":\"m\"}".to_owned()));
            // The request is on its way once the server has the connection.
            let accepted = Box::pin(listener.accept());
            futures::future::select(sent, accepted).await;
        })
        .await;
        let call = captured.span("messages").unwrap();
        assert_eq!(call.status, "cancelled", "{through:?}");
        assert_eq!(call.model["model"], "m");
    }
}
