//! Model calls through a plain HTTP client: what the program sees is what it would see without us, and what was said
//! is recorded in each provider's words.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use futures::StreamExt as _;
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{ModelCalls, SendTraced as _, agent};
use rollout_tests::model::{Piece, Script, events, serve};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn client() -> reqwest::Client {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// What a program sees of an answer.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    url: String,
    media_type: String,
    body: String,
}

async fn send(url: &str, request: &Value, traced: Option<ModelCalls>) -> Seen {
    let request = client()
        .post(url)
        .header("authorization", "Bearer sk-secret-of-the-caller")
        .header("x-api-key", "sk-secret-of-the-caller")
        .json(request);
    let response = match traced {
        Some(calls) => request.send_traced_with(calls).await,
        None => request.send().await,
    }
    .unwrap();
    Seen {
        status: response.status().as_u16(),
        url: response.url().to_string(),
        media_type: response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned(),
        body: response.text().await.unwrap(),
    }
}

#[agent(capture_input = false, capture_output = false)]
async fn ask(url: &str, request: &Value, calls: ModelCalls) -> Seen {
    send(url, request, Some(calls)).await
}

/// Asks with and without us, holds both against each other, and gives the span.
async fn recorded(script: Script, path: &str, request: Value, calls: ModelCalls) -> CapturedSpan {
    let url = format!("http://{}{path}", serve(script).await);
    let (seen, captured) = capture_async(ask(&url, &request, calls)).await;
    assert_eq!(seen, send(&url, &request, None).await);
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    the_call(&captured).clone()
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    let call = &agent.children[0];
    assert_eq!(call.span_type, "llm");
    call
}

fn count(usage: &Value, name: &str) -> Option<u64> {
    usage[name].as_u64()
}

#[tokio::test]
async fn a_chat_completion() {
    let answer = json!({
        "id": "chatcmpl-1", "model": "gpt-4.1-2025-04-14",
        "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null,
            "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } }],
        }}],
        "usage": { "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
            "prompt_tokens_details": { "cached_tokens": 16 }, "completion_tokens_details": { "reasoning_tokens": 3 } },
    });
    let request = json!({ "model": "gpt-4.1", "temperature": 0.5, "max_completion_tokens": 100,
        "messages": [{ "role": "user", "content": "Weather in Oslo?" }] });
    let script = Script::Json(200, answer.clone());
    let call = recorded(
        script,
        "/v1/chat/completions?key=secret-of-the-caller",
        request.clone(),
        ModelCalls::new(),
    )
    .await;
    assert_eq!((call.name.as_str(), call.status.as_str()), ("chat", "ok"));
    assert_eq!(call.input, Some(request));
    assert_eq!(call.output.as_ref(), Some(&answer["choices"][0]["message"]));
    assert_eq!(call.model["model"], "gpt-4.1");
    assert_eq!(call.model["provider"], "openai");
    assert_eq!(count(&call.usage, "input_tokens"), Some(20));
    assert_eq!(count(&call.usage, "cached_tokens"), Some(16));
    assert_eq!(count(&call.usage, "reasoning_tokens"), Some(3));
    let attribute = |name: &str| call.attributes.get(name).cloned().unwrap_or_default();
    assert_eq!(attribute("gen_ai.request.max_tokens"), 100);
    assert_eq!(attribute("gen_ai.response.model"), "gpt-4.1-2025-04-14");
    assert_eq!(attribute("gen_ai.response.id"), "chatcmpl-1");
    assert_eq!(
        attribute("gen_ai.response.finish_reasons"),
        json!(["tool_calls"])
    );
    assert_eq!(attribute("rollout.usage_source"), "reported");
    assert_eq!(attribute("rollout.provider_usage"), answer["usage"]);
}

#[tokio::test]
async fn a_stream_of_a_chat_completion_cut_anywhere() {
    let delta = |delta: Value| json!({ "id": "c", "model": "m-1", "choices": [{ "index": 0, "delta": delta }] });
    let mut chunks = vec![
        delta(json!({ "role": "assistant", "content": "" })),
        delta(json!({ "content": "Grüße, " })),
        delta(json!({ "content": "Øslo" })),
        delta(
            json!({ "tool_calls": [{ "index": 0, "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "" } }] }),
        ),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"city\":" } }] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "\"Oslo\"}" } }] })),
        json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
        json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 5, "completion_tokens": 9 } }),
    ];
    let text = format!(": hello\r\n\r\n{}data: [DONE]\n\n", events(&chunks));
    for size in [1, 7, 64, 100_000] {
        let request = json!({ "model": "m", "stream": true, "messages": [] });
        let script = Script::Events(text.clone(), size);
        let call = recorded(
            script,
            "/api/v1/chat/completions",
            request,
            ModelCalls::new().provider("openrouter"),
        )
        .await;
        assert_eq!(call.status, "ok");
        assert_eq!(call.model["provider"], "openrouter");
        assert_eq!(
            call.output,
            Some(
                json!({ "role": "assistant", "content": "Grüße, Øslo", "tool_calls": [
                    { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } },
                ]})
            )
        );
        assert_eq!(count(&call.usage, "total_tokens"), Some(14));
        assert_eq!(call.attributes["chunk_count"], chunks.len());
        assert!(call.attributes["gen_ai.response.time_to_first_chunk"].as_f64() > Some(0.0));
    }
    // Without its usage, the answer says so and counts no zero.
    chunks.pop();
    let script = Script::Events(events(&chunks), 50);
    let call = recorded(
        script,
        "/v1/chat/completions",
        json!({ "stream": true }),
        ModelCalls::new(),
    )
    .await;
    assert_eq!(call.attributes["rollout.usage_source"], "absent");
    assert_eq!(count(&call.usage, "input_tokens"), None);
    assert_eq!(
        call.model["model"], "m-1",
        "the answer's model where the request names none"
    );
}

#[tokio::test]
async fn a_response_and_its_stream() {
    let answer = json!({
        "id": "resp_1", "model": "gpt-5", "status": "completed",
        "output": [
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }] },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Hello" }] },
        ],
        "usage": { "input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "output_tokens_details": { "reasoning_tokens": 2 } },
    });
    let request = json!({ "model": "gpt-5", "input": "Hi" });
    let call = recorded(
        Script::Json(200, answer.clone()),
        "/v1/responses",
        request.clone(),
        ModelCalls::new(),
    )
    .await;
    assert_eq!(call.output.as_ref(), Some(&answer["output"]));
    assert_eq!(count(&call.usage, "reasoning_tokens"), Some(2));

    let mut stream = vec![
        json!({ "type": "response.created", "response": { "id": "resp_1", "model": "gpt-5" } }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "message", "role": "assistant", "content": [] } }),
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel" }),
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "lo" }),
    ];
    // Broken off, it is put together from its parts.
    let call = recorded(
        Script::Events(events(&stream), 33),
        "/v1/responses",
        request.clone(),
        ModelCalls::new(),
    )
    .await;
    assert_eq!(
        call.output.as_ref().unwrap()[0]["content"][0]["text"],
        "Hello"
    );
    stream.push(json!({ "type": "response.completed", "response": answer }));
    let call = recorded(
        Script::Events(events(&stream), 33),
        "/v1/responses",
        request,
        ModelCalls::new(),
    )
    .await;
    assert_eq!(call.output.as_ref(), Some(&answer["output"]));
    assert_eq!(count(&call.usage, "input_tokens"), Some(3));
}

#[tokio::test]
async fn an_anthropic_message_and_its_stream() {
    let content = json!([
        { "type": "thinking", "thinking": "Let me see.", "signature": "c2ln" },
        { "type": "text", "text": "It rains." },
        { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "city": "Oslo" } },
    ]);
    let answer = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": content, "stop_reason": "tool_use",
        "usage": { "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30, "output_tokens": 8 } });
    let request = json!({ "model": "claude-sonnet-4-5", "max_tokens": 50, "system": "Be brief.", "messages": [{ "role": "user", "content": "Hi" }] });
    let check = |call: &CapturedSpan| {
        assert_eq!(call.status, "ok");
        assert_eq!(call.input, Some(request.clone()));
        assert_eq!(
            call.output,
            Some(json!({ "role": "assistant", "content": content }))
        );
        // Everything in the prompt, the cache included.
        assert_eq!(count(&call.usage, "input_tokens"), Some(140));
        assert_eq!(count(&call.usage, "cached_tokens"), Some(100));
        assert_eq!(count(&call.usage, "output_tokens"), Some(8));
        assert_eq!(call.attributes["rollout.usage.cache_creation_tokens"], 30);
        assert_eq!(
            call.attributes["gen_ai.response.finish_reasons"],
            json!(["tool_use"])
        );
    };
    let call = recorded(
        Script::Json(200, answer),
        "/v1/messages",
        request.clone(),
        ModelCalls::new(),
    )
    .await;
    check(&call);

    let delta = |index: u64, delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    let start = |index: u64, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let stream = [
        json!({ "type": "message_start", "message": { "id": "msg_1", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
            "usage": { "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30, "output_tokens": 1 } } }),
        start(
            0,
            json!({ "type": "thinking", "thinking": "", "signature": "" }),
        ),
        delta(
            0,
            json!({ "type": "thinking_delta", "thinking": "Let me see." }),
        ),
        delta(0, json!({ "type": "signature_delta", "signature": "c2ln" })),
        json!({ "type": "ping" }),
        start(1, json!({ "type": "text", "text": "" })),
        delta(1, json!({ "type": "text_delta", "text": "It " })),
        delta(1, json!({ "type": "text_delta", "text": "rains." })),
        start(
            2,
            json!({ "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {} }),
        ),
        delta(
            2,
            json!({ "type": "input_json_delta", "partial_json": "{\"city\": " }),
        ),
        delta(
            2,
            json!({ "type": "input_json_delta", "partial_json": "\"Oslo\"}" }),
        ),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 8 } }),
        json!({ "type": "message_stop" }),
    ];
    for size in [1, 19] {
        let script = Script::Events(events(&stream).replace('\n', "\r\n"), size);
        let call = recorded(script, "/v1/messages", request.clone(), ModelCalls::new()).await;
        check(&call);
    }
}

#[tokio::test]
async fn gemini_content_and_its_stream() {
    let piece = |text: &str, more: Value| {
        let mut piece = json!({ "responseId": "r", "modelVersion": "gemini-2.5-pro-001",
            "candidates": [{ "index": 0, "content": { "role": "model", "parts": [{ "text": text }] } }] });
        piece
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        piece
    };
    let usage = json!({ "usageMetadata": { "promptTokenCount": 6, "candidatesTokenCount": 2, "thoughtsTokenCount": 5, "totalTokenCount": 13 } });
    let request = json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }], "generationConfig": { "temperature": 0.1, "topK": 3 } });
    let check = |call: &CapturedSpan| {
        assert_eq!(call.model["model"], "gemini-2.5-pro");
        assert_eq!(
            call.output,
            Some(json!({ "role": "model", "parts": [{ "text": "Hello" }] }))
        );
        assert_eq!(count(&call.usage, "output_tokens"), Some(7));
        assert_eq!(count(&call.usage, "reasoning_tokens"), Some(5));
        assert_eq!(call.attributes["gen_ai.request.top_k"], 3);
    };
    let whole = piece("Hello", usage.clone());
    let path = "/v1beta/models/gemini-2.5-pro:generateContent";
    check(
        &recorded(
            Script::Json(200, whole),
            path,
            request.clone(),
            ModelCalls::new(),
        )
        .await,
    );
    let pieces = [piece("Hel", json!({})), piece("lo", usage)];
    let path =
        "/v1beta/models/gemini-2.5-pro%3AstreamGenerateContent?alt=sse&key=secret-of-the-caller";
    check(
        &recorded(
            Script::Events(events(&pieces), 11),
            path,
            request.clone(),
            ModelCalls::new(),
        )
        .await,
    );
    let path = "/v1/models/gemini-2.5-pro:streamGenerateContent";
    check(
        &recorded(
            Script::Json(200, json!(pieces)),
            path,
            request,
            ModelCalls::new(),
        )
        .await,
    );
}

#[tokio::test]
async fn embeddings_without_their_vectors() {
    let answer = json!({ "model": "e-3", "data": [{ "embedding": [0.1, 0.2, 0.3] }, { "embedding": [0.1, 0.2, 0.3] }],
        "usage": { "prompt_tokens": 4, "total_tokens": 4 } });
    let call = recorded(
        Script::Json(200, answer),
        "/v1/embeddings",
        json!({ "model": "e-3", "input": ["a", "b"] }),
        ModelCalls::new(),
    )
    .await;
    assert_eq!(
        call.output,
        Some(json!({ "embeddings": 2, "dimensions": 3 }))
    );
    assert_eq!(count(&call.usage, "input_tokens"), Some(4));
}

#[tokio::test]
async fn errors_are_the_providers() {
    let refused = |error: Value| Script::Json(401, error);
    for (script, path, error_type, message) in [
        (
            refused(
                json!({ "error": { "message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key" } }),
            ),
            "/v1/chat/completions",
            "invalid_request_error",
            "Incorrect API key",
        ),
        (
            refused(
                json!({ "type": "error", "error": { "type": "authentication_error", "message": "invalid x-api-key" } }),
            ),
            "/v1/messages",
            "authentication_error",
            "invalid x-api-key",
        ),
        (
            refused(
                json!({ "error": { "code": 401, "message": "no key", "status": "UNAUTHENTICATED" } }),
            ),
            "/v1/models/m:generateContent",
            "UNAUTHENTICATED",
            "no key",
        ),
        (
            Script::Json(503, json!("busy")),
            "/v1/responses",
            "http_503",
            "the provider answered 503",
        ),
    ] {
        let call = recorded(script, path, json!({ "model": "m" }), ModelCalls::new()).await;
        assert_eq!(call.status, "error");
        let error = call.error.unwrap();
        assert_eq!(
            (error.error_type.as_str(), error.message.as_str()),
            (error_type, message)
        );
        assert!(!call.attributes.contains_key("rollout.usage_source"));
    }
    // One in the middle of a stream, after a status of 200.
    let broken = events(&[
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
    ]);
    let call = recorded(
        Script::Events(broken, 9),
        "/v1/messages",
        json!({}),
        ModelCalls::new(),
    )
    .await;
    assert_eq!(call.error.unwrap().message, "Overloaded");
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn fail(url: &str) -> bool {
    let error = client()
        .post(url)
        .body("{}")
        .send_traced()
        .await
        .unwrap_err();
    error.is_connect() && error.url().is_some()
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/v1/chat/completions?key=secret-of-the-caller",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let (as_it_was, captured) = capture_async(fail(&url)).await;
    assert!(as_it_was, "the error is the client's own");
    let call = the_call(&captured);
    assert_eq!(call.status, "error");
    assert!(
        call.error
            .as_ref()
            .unwrap()
            .message
            .starts_with("cannot connect")
    );
    assert!(
        !serde_json::to_string(&captured.events)
            .unwrap()
            .contains("secret-of-the-caller")
    );
}

#[tokio::test]
async fn nothing_is_recorded_that_was_not_asked_for() {
    let answer = json!({ "choices": [{ "message": { "role": "assistant", "content": "private answer" } }], "usage": { "prompt_tokens": 1, "completion_tokens": 1 } });
    let calls = ModelCalls::new()
        .capture_input(false)
        .capture_output(false)
        .attribute("team", "support");
    let request =
        json!({ "model": "m", "messages": [{ "role": "user", "content": "private question" }] });
    let call = recorded(
        Script::Json(200, answer),
        "/v1/chat/completions",
        request,
        calls,
    )
    .await;
    assert_eq!((&call.input, &call.output), (&None, &None));
    assert_eq!(call.model["model"], "m");
    assert_eq!(count(&call.usage, "input_tokens"), Some(1));
    assert_eq!(call.attributes["team"], "support");
    assert!(!format!("{call:?}").contains("private"));
}

/// A stream whose next piece the test lets go once the piece before was read, and what was read when it was given up.
async fn lock_step(pieces: &[String], read: usize, finish: bool) -> CapturedSpan {
    #[agent(name = "ask", capture_input = false, capture_output = false)]
    async fn follow(
        url: &str,
        pieces: &[String],
        read: usize,
        finish: bool,
        next: mpsc::Sender<Piece>,
    ) {
        let request = client().post(url).body("{\"model\":\"m\"}");
        let mut seen = request.send_traced().await.unwrap().bytes_stream();
        for piece in &pieces[..read] {
            next.send(Ok(piece.clone().into())).await.unwrap();
            let mut there = Vec::new();
            while there.len() < piece.len() {
                // The server holds the next piece back: a buffer in between would wait here for ever.
                there.extend_from_slice(&seen.next().await.unwrap().unwrap());
            }
            assert_eq!(there, piece.as_bytes());
        }
        if finish {
            drop(next);
            assert!(seen.next().await.is_none());
        }
    }

    let (sender, receiver) = mpsc::channel(1);
    let script = Script::channel(receiver);
    let url = format!("http://{}/v1/chat/completions", serve(script).await);
    let ((), captured) = capture_async(follow(&url, pieces, read, finish, sender)).await;
    the_call(&captured).clone()
}

#[tokio::test]
async fn a_stream_ends_as_it_was_left_at_every_point() {
    let word = |text: &str| {
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })
        )
    };
    let pieces: Vec<String> = ["one ", "two ", "three"]
        .map(word)
        .into_iter()
        .chain(["data: [DONE]\n\n".to_owned()])
        .collect();
    for read in 1..=pieces.len() {
        let call = lock_step(&pieces, read, false).await;
        let said: String = ["one ", "two ", "three"].into_iter().take(read).collect();
        assert_eq!(
            call.output,
            Some(json!({ "content": said })),
            "after {read}"
        );
        // Clients stop at the last word: what they drop then is complete.
        let complete = read == pieces.len();
        assert_eq!(
            call.status,
            if complete { "ok" } else { "cancelled" },
            "after {read}"
        );
        assert_eq!(call.attributes["rollout.usage_source"], "absent");
    }
    assert_eq!(lock_step(&pieces, 2, true).await.status, "ok");
}

#[tokio::test]
async fn many_at_once_each_under_their_own_parent() {
    let answer = json!({ "choices": [{ "message": { "role": "assistant", "content": "yes" } }] });
    let good = serve(Script::Json(200, answer)).await;
    let bad = serve(Script::Json(500, json!({ "error": { "message": "no" } }))).await;
    let run = async || {
        let asked = (0..100).map(|n| async move {
            let address = if n % 3 == 0 { bad } else { good };
            let url = format!("http://{address}/v1/chat/completions");
            let request = json!({ "model": format!("m{n}") });
            ask(&url, &request, ModelCalls::new().attribute("n", n)).await;
        });
        futures::future::join_all(asked).await;
    };
    let ((), captured) = capture_async(run()).await;
    assert_eq!(captured.traces.len(), 100);
    for trace in &captured.traces {
        let agent = trace.span("ask").unwrap();
        let call = &agent.children[0];
        let n = call.attributes["n"].as_u64().unwrap();
        assert_eq!(agent.children.len(), 1);
        assert_eq!(call.model["model"], format!("m{n}"));
        assert_eq!(call.status, if n % 3 == 0 { "error" } else { "ok" });
    }
}

#[tokio::test]
async fn a_client_that_no_integration_knows() {
    #[derive(serde::Serialize)]
    struct Reply {
        content: &'static str,
        usage: Value,
    }
    #[rollout::task]
    fn sign() {}
    #[agent(name = "ask", capture_input = false, capture_output = false)]
    async fn by_hand(fails: bool) -> Result<Reply, std::io::Error> {
        let request = json!({ "model": "claude-sonnet-4-5", "messages": [] });
        let call = async {
            sign();
            if fails {
                return Err(std::io::Error::other("no route"));
            }
            Ok(Reply {
                content: "Hi",
                usage: json!({ "input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 3 }),
            })
        };
        let calls = ModelCalls::new().attribute("team", "support");
        let call = rollout::llm("anthropic")
            .calls(calls)
            .record(&request, call);
        call.await
    }
    let (reply, captured) = capture_async(by_hand(false)).await;
    assert_eq!(reply.unwrap().content, "Hi");
    let call = the_call(&captured);
    assert_eq!(call.name, "anthropic");
    assert_eq!(call.children[0].name, "sign");
    assert_eq!(call.model["model"], "claude-sonnet-4-5");
    assert_eq!(count(&call.usage, "input_tokens"), Some(7));
    assert_eq!(call.output.as_ref().unwrap()["content"], "Hi");
    assert_eq!(call.attributes["team"], "support");

    let (reply, captured) = capture_async(by_hand(true)).await;
    assert_eq!(reply.err().unwrap().to_string(), "no route");
    assert_eq!(
        the_call(&captured).error.as_ref().unwrap().message,
        "no route"
    );

    let ((), captured) = capture_async(async {
        let request = json!({});
        let never = std::future::pending::<Result<(), std::fmt::Error>>();
        let mut pending = Box::pin(rollout::llm("anthropic").record(&request, never));
        assert!(futures::poll!(&mut pending).is_pending());
    })
    .await;
    assert_eq!(captured.span("anthropic").unwrap().status, "cancelled");
}

#[tokio::test]
async fn without_a_client_all_passes() {
    let url = format!(
        "http://{}/v1/messages",
        serve(Script::Json(200, json!({ "content": [] }))).await
    );
    let seen = send(&url, &json!({}), Some(ModelCalls::new())).await;
    assert_eq!(seen, send(&url, &json!({}), None).await);
    let call = async { Ok::<_, std::fmt::Error>(1) };
    let reply = rollout::llm("openai").record("request", call).await;
    assert_eq!(reply, Ok(1));
}

#[test]
fn usage_of_nothing_is_empty() {
    for usage in [
        rollout::usage_from_openai,
        rollout::usage_from_anthropic,
        rollout::usage_from_gemini,
    ] {
        for reply in [
            json!(null),
            json!({}),
            json!({ "usage": null, "usageMetadata": null }),
            json!([1]),
            json!("x"),
        ] {
            assert!(usage(&reply).is_empty(), "{reply}");
        }
    }
}
