//! What is seen of a stream while it runs, and tokens that nobody has told.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use rollout::testing::{Captured, capture_async};
use rollout::{ModelCalls, SendTraced as _, agent, span};
use rollout_tests::conversation::conversations;
use rollout_tests::model::{Piece, Script, events, serve};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn client() -> reqwest::Client {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Says in the trace how far the program has read.
#[span(capture_output = false)]
fn read(pieces: usize) {
    let _ = pieces;
}

/// Reads piece after piece, each sent once the one before was read, with a pause before one of them.
#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn follow(
    url: &str,
    request: &Value,
    pieces: &[String],
    calls: ModelCalls,
    pause: (usize, Duration),
    next: mpsc::Sender<Piece>,
) {
    let sent = client().post(url).json(request).send_traced_with(calls);
    let mut chunks = sent.await.unwrap().bytes_stream();
    for (index, piece) in pieces.iter().enumerate() {
        next.send(Ok(piece.clone().into())).await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap(), piece);
        read(index + 1);
        if index + 2 == pause.0 {
            tokio::time::sleep(pause.1).await;
        }
    }
}

async fn followed(
    path: &str,
    request: &Value,
    pieces: &[String],
    calls: ModelCalls,
    pause: (usize, Duration),
) -> Captured {
    let (sender, receiver) = mpsc::channel(1);
    let url = format!("http://{}{path}", serve(Script::channel(receiver)).await);
    let ((), captured) = capture_async(follow(&url, request, pieces, calls, pause, sender)).await;
    captured
}

/// What was to be seen of the stream, each with the pieces that the program had read before it.
fn previews(captured: &Captured) -> Vec<(u64, Value, String)> {
    let mut read = 0;
    let mut seen = Vec::new();
    for event in serde_json::to_value(&captured.events)
        .unwrap()
        .as_array()
        .unwrap()
    {
        if event["event_type"] == "span.start" && event["name"] == "read" {
            read = event["raw"]["input"]["pieces"].as_u64().unwrap();
        }
        if let Some(text) = event["raw"]["stream_preview"].as_str() {
            assert_eq!(event["event_type"], "span.update");
            assert_eq!(event["attributes"]["streaming"], true);
            let count = event["attributes"]["chunk_count"].clone();
            seen.push((read, count, text.to_owned()));
        }
    }
    seen
}

/// Long enough for the piece that completes a score to be seen, too short for any other.
const BEFORE_THE_40TH: (usize, Duration) = (40, Duration::from_millis(50));

#[tokio::test]
async fn a_stream_is_seen_with_its_first_chunk_and_the_twentieth_after() {
    let word = |n: u32| {
        events(&[json!({ "choices": [{ "index": 0, "delta": { "content": format!("{n} ") } }] })])
    };
    let pieces: Vec<_> = (1..=45).map(word).collect();
    let words = |to: u32| (1..=to).fold(String::new(), |text, n| text + &format!("{n} "));
    let request = json!({ "model": "m", "stream": true });
    let path = "/v1/chat/completions";
    let captured = followed(path, &request, &pieces, ModelCalls::new(), BEFORE_THE_40TH).await;
    let seen = previews(&captured);
    for (before, count, text) in [(0, 1, words(1)), (39, 40, words(40))] {
        // On a slow machine there may be more of them, for the time that has passed.
        assert!(seen.contains(&(before, count.into(), text)), "{seen:?}");
    }
    let withheld = ModelCalls::new().capture_output(false);
    let captured = followed(path, &request, &pieces, withheld, BEFORE_THE_40TH).await;
    assert_eq!(previews(&captured), []);
}

#[tokio::test]
async fn a_slow_stream_is_seen_after_half_a_second() {
    for talk in conversations() {
        let half_a_second = (talk.stream.len(), Duration::from_millis(500));
        let captured = followed(
            talk.path,
            &talk.request,
            &talk.stream,
            ModelCalls::new(),
            half_a_second,
        )
        .await;
        let seen = previews(&captured);
        let (before, _, text) = seen.last().unwrap();
        assert_eq!(*before, talk.stream.len() as u64 - 1);
        assert_eq!(text, "one two three");
    }
}

#[tokio::test]
async fn only_the_end_of_a_long_text_is_seen() {
    let piece = |n: u32| {
        let text = format!("{n:0>999}ß");
        events(&[
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } }),
        ])
    };
    let pieces: Vec<_> = (1..=40).map(piece).collect();
    let request = json!({ "model": "m", "stream": true });
    let path = "/v1/messages";
    let captured = followed(path, &request, &pieces, ModelCalls::new(), BEFORE_THE_40TH).await;
    let seen = previews(&captured);
    let text = &seen.last().unwrap().2;
    assert!(text.len() <= 4096 && text.len() > 4090, "{}", text.len());
    assert!(text.ends_with("00040ß"));
}

/// Reads piece after piece, each sent once the one before was read; when each was sent and when it had been read.
#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn clocked(
    url: &str,
    request: &Value,
    pieces: &[String],
    next: mpsc::Sender<Piece>,
) -> (Instant, Vec<(Instant, Instant)>) {
    let begun = Instant::now();
    let sent = client().post(url).json(request).send_traced();
    let mut chunks = sent.await.unwrap().bytes_stream();
    let mut times = Vec::new();
    for piece in pieces {
        let sent = Instant::now();
        next.send(Ok(piece.clone().into())).await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap(), piece);
        times.push((sent, Instant::now()));
        // So that there is a time between them to tell.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (begun, times)
}

#[tokio::test]
async fn the_times_of_events_are_those_at_which_they_came() {
    for talk in conversations() {
        let (sender, receiver) = mpsc::channel(1);
        let address = serve(Script::channel(receiver)).await;
        let url = format!("http://{address}{}", talk.path);
        let asking = clocked(&url, &talk.request, &talk.stream, sender);
        let ((begun, times), captured) = capture_async(asking).await;
        let call = &captured.span("ask").unwrap().children[0];

        let is_event = |piece: &&String| piece.as_str() != "data: [DONE]\n\n";
        let events = talk.stream.iter().filter(is_event).count();
        assert_eq!(call.attributes["chunk_count"], events);
        let (first, last) = (times[0], times[events - 1]);
        // An event came after it was sent and before it was read, whatever the machine was at in between. Clocks may
        // differ by a little.
        let within = |name: &str, times: f64, least: Duration, most: Duration| {
            let told = call.attributes[name].as_f64().unwrap() * times;
            let (least, most) = (least.as_secs_f64() * 0.98, most.as_secs_f64() * 1.02);
            assert!(
                (least..=most).contains(&told),
                "{name}: {least} {told} {most}"
            );
        };
        let to_first = "gen_ai.response.time_to_first_chunk";
        within(to_first, 1.0, Duration::ZERO, first.1 - begun);
        let gaps = (events - 1) as f64;
        let (least, most) = (last.0 - first.1, last.1 - first.0);
        within("rollout.time_between_chunks", gaps, least, most);
    }
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn ask(url: &str, request: &Value, calls: ModelCalls) {
    let sent = client().post(url).json(request).send_traced_with(calls);
    sent.await.unwrap().bytes().await.unwrap();
}

#[tokio::test]
async fn tokens_are_estimated_only_where_that_is_asked_for_and_none_are_told() {
    let request = json!({ "model": "m", "stream": true, "messages": [
        { "role": "system", "content": "Be brief." }, // 9
        { "role": "user", "content": [{ "type": "text", "text": "How much?" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }] }, // 9
    ]});
    let chunk = |delta: &str| json!({ "choices": [{ "index": 0, "delta": { "content": delta } }] });
    let usage = json!({ "choices": [], "usage": { "prompt_tokens": 30, "completion_tokens": 1 } });
    let silent = events(&[chunk("Grüße"), chunk(", you")]); // 10
    let told = silent.clone() + &events(&[usage]);
    let estimate = || ModelCalls::new().estimate_usage(true);
    for (text, calls, source, tokens) in [
        (&silent, estimate(), "estimated", Some((5, 3))),
        (&silent, ModelCalls::new(), "absent", None),
        (&told, estimate(), "reported", Some((30, 1))),
    ] {
        let script = Script::Events(text.clone(), 1000);
        let url = format!("http://{}/v1/chat/completions", serve(script).await);
        let ((), captured) = capture_async(ask(&url, &request, calls)).await;
        let call = &captured.span("ask").unwrap().children[0];
        assert_eq!(call.attributes["rollout.usage_source"], source);
        let input = call.usage["input_tokens"].as_u64();
        assert_eq!(input.zip(call.usage["output_tokens"].as_u64()), tokens);
    }
}
