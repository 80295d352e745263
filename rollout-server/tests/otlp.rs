//! The receiver of OpenTelemetry's spans, as its clients see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::io::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use rollout_tests::{
    otlp::{TRACE, event, failed, id, json as as_json, link, protobuf, request, span},
    server::{Bytes, TestServer},
    wire::gzip,
};
use serde_json::{Value, json};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

/// `google.rpc.Status`, as far as OTLP uses it.
#[derive(Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// What a refusal in protobuf says.
#[track_caller]
fn refusal(answer: &Bytes) -> String {
    assert_eq!(answer.headers["content-type"], "application/x-protobuf");
    let status = Status::decode(&*answer.body).unwrap();
    assert_ne!(status.code, 0, "{status:?}");
    status.message
}

/// Three spans, with most of what a span may have.
fn sample() -> ExportTraceServiceRequest {
    let resource = json!({
        "service.name": "shop",
        "service.version": "1.4.2",
        "deployment.environment.name": "staging",
        "host.name": "box",
    });
    let mut root = span(
        1,
        0,
        "handle",
        &json!({ "user.id": "cus_1", "list": [1, 2.5, "x", true], "map": { "a": 1 } }),
    );
    root.links
        .push(link("11111111111111111111111111111111", "2222222222222222"));
    let mut chat = span(
        2,
        1,
        "chat gpt-4o",
        &json!({
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}]",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
        }),
    );
    chat.events.push(event(
        "gen_ai.evaluation.result",
        &json!({ "gen_ai.evaluation.name": "fit" }),
    ));
    let mut tool = span(
        3,
        1,
        "execute_tool find",
        &json!({ "gen_ai.operation.name": "execute_tool" }),
    );
    tool.status = Some(failed("no such thing"));
    tool.events.push(event(
        "exception",
        &json!({ "exception.type": "LookupError" }),
    ));
    request(&resource, vec![root, chat, tool])
}

/// Everything that a server tells of the trace of the sample.
fn told(server: &TestServer) -> Vec<Value> {
    let trace = server.get_json(&format!("/api/v1/traces/{TRACE}"));
    let spans = server.spans(TRACE);
    let details = (1..=3).map(|number| server.otlp_span(number));
    [trace].into_iter().chain(spans).chain(details).collect()
}

#[test]
fn protobuf_and_json_in_any_encoding_give_the_same_trace() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&protobuf(&sample())).unwrap();
    let bodies: [(&[u8], Headers<'_>); 6] = [
        (&protobuf(&sample()), vec![PROTOBUF]),
        (&as_json(&sample()), vec![JSON]),
        (
            &as_json(&sample()),
            vec![("content-type", "Application/JSON; charset=utf-8")],
        ),
        (
            &gzip(&as_json(&sample())),
            vec![JSON, ("content-encoding", "gzip")],
        ),
        (
            &zlib.finish().unwrap(),
            vec![PROTOBUF, ("content-encoding", "deflate")],
        ),
        (
            &zstd::encode_all(&*protobuf(&sample()), 3).unwrap(),
            vec![
                ("content-type", "application/x-protobuf; proto=x"),
                ("content-encoding", "zstd"),
            ],
        ),
    ];
    let mut first = None;
    for (body, headers) in bodies {
        let server = TestServer::start();
        let answer = server.post_to("/v1/traces", body, &headers);
        assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
        let kind = answer.headers["content-type"].to_str().unwrap();
        if kind == "application/json" {
            assert_eq!(answer.body, b"{}");
        } else {
            assert_eq!((kind, &*answer.body), ("application/x-protobuf", &b""[..]));
        }
        let told = told(&server);
        assert_eq!(
            server.tree(TRACE),
            "span handle ok\n  llm chat gpt-4o ok\n  tool execute_tool find error\n"
        );
        assert_eq!(
            first.get_or_insert_with(|| told.clone()),
            &told,
            "{headers:?}"
        );
    }
}

#[test]
fn json_of_other_encoders() {
    let server = TestServer::start();
    // Numbers as numbers and as texts, lists that are left out, `null`, and fields of a later version.
    let body = json!({
        "resourceSpans": [{
            "schemaUrl": "", "laterField": { "a": [1] },
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "s" } }], "droppedAttributesCount": 0 },
            "scopeSpans": [{ "scope": null, "spans": [{
                "traceId": TRACE.to_uppercase(),
                "spanId": id(1),
                "parentSpanId": null,
                "name": "run",
                "kind": 3,
                "startTimeUnixNano": 1_767_323_045_000_000_006_u64,
                "endTimeUnixNano": "1767323045001000006",
                "attributes": [
                    { "key": "empty", "value": { "arrayValue": {} } },
                    { "key": "number", "value": { "intValue": 7 } },
                    { "key": "text", "value": { "intValue": "8" } },
                    { "key": "none", "value": {} },
                    { "key": "float", "value": { "doubleValue": "1.5" } },
                    { "key": "bytes", "value": { "bytesValue": "AQID" } },
                    { "key": "later", "value": { "laterValue": [1], "boolValue": true } },
                ],
                "events": null,
                "status": {},
            }] }],
        }],
    });
    let answer = server.post_to("/v1/traces", body.to_string().as_bytes(), &[JSON]);
    assert_eq!((answer.status, &*answer.body), (200, &b"{}"[..]));
    let span = server.otlp_span(1);
    assert_eq!(span["started_at"], "2026-01-02T03:04:05.000000006Z");
    assert_eq!(
        (&span["duration_ms"], &span["status"]),
        (&json!(1.0), &json!("ok"))
    );
    let attributes = &span["attributes"];
    assert_eq!(attributes["empty"], json!([]));
    assert_eq!(
        (&attributes["number"], &attributes["text"]),
        (&json!(7), &json!(8))
    );
    assert_eq!(
        (&attributes["float"], &attributes["bytes"]),
        (&json!(1.5), &json!("AQID"))
    );
    assert_eq!(
        (&attributes["later"], &attributes["otel.kind"]),
        (&json!(true), &json!("client"))
    );
    // A request without spans is one.
    let answer = server.post_to("/v1/traces", b"{}", &[JSON]);
    assert_eq!(answer.status, 200);
    assert_eq!(server.post_to("/v1/traces", b"", &[PROTOBUF]).status, 200);
}

#[test]
fn one_bad_span_does_not_spoil_the_others() {
    let mut spans: Vec<_> = (1..=6)
        .map(|number| span(number, 0, "", &json!({})))
        .collect();
    spans[1].trace_id.clear();
    spans[2].span_id = vec![0; 8];
    spans[3].parent_span_id = vec![1; 3];
    spans[4].parent_span_id = vec![0; 8];
    let all = request(&json!({}), spans);

    let server = TestServer::start();
    let answer = server.post_to("/v1/traces", &protobuf(&all), &[PROTOBUF]);
    assert_eq!(answer.status, 200);
    let partial = ExportTraceServiceResponse::decode(&*answer.body).unwrap();
    let partial = partial.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 3);
    for said in [
        "3 of 6 spans",
        "span 1: `trace_id`",
        "span 2: `span_id`",
        "span 3: `parent_span_id`",
    ] {
        assert!(
            partial.error_message.contains(said),
            "{said} in {}",
            partial.error_message
        );
    }
    assert_eq!(server.spans(TRACE).len(), 3);

    let server = TestServer::start();
    let mut body: Value = serde_json::from_slice(&as_json(&all)).unwrap();
    let spans = &mut body["resourceSpans"][0]["scopeSpans"][0]["spans"];
    spans[0]["spanId"] = json!("no hex");
    spans[5] = json!(7);
    let answer = server.post_to("/v1/traces", body.to_string().as_bytes(), &[JSON]);
    assert_eq!(answer.status, 200);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["partialSuccess"]["rejectedSpans"], "5");
    assert!(
        said["partialSuccess"]["errorMessage"]
            .as_str()
            .unwrap()
            .contains("span 0: `spanId` is no hex")
    );
    assert_eq!(server.spans(TRACE).len(), 1);
    let metrics = server.get("/metrics").body;
    let counted = "rollout_rejected_events_total{reason=\"invalid_id\"} 3";
    assert!(metrics.contains(counted), "{counted} in {metrics}");
}

#[test]
fn bodies_that_are_no_request() {
    let server = TestServer::start();
    let post = |body: &[u8], headers: &[(&str, &str)]| server.post_to("/v1/traces", body, headers);

    let answer = post(b"\xff\xff\xff", &[PROTOBUF]);
    assert_eq!(answer.status, 400);
    assert!(refusal(&answer).contains("no request with spans"));
    // What is cut in the middle.
    let whole = protobuf(&sample());
    let answer = post(&whole[..whole.len() - 10], &[PROTOBUF]);
    assert_eq!(answer.status, 400);

    for (body, said) in [
        (&b"{\"resourceSpans\": ["[..], "no JSON"),
        (b"{\"resourceSpans\": 7}", "no request with spans"),
        (b"\xff", "no JSON"),
    ] {
        let answer = post(body, &[JSON]);
        assert_eq!(
            (answer.status, &answer.headers["content-type"]),
            (400, &"application/json".parse().unwrap())
        );
        let status: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(
            status["message"].as_str().unwrap().contains(said),
            "{status}"
        );
    }

    assert_eq!(post(&whole, &[]).status, 415);
    assert_eq!(post(&whole, &[("content-type", "text/plain")]).status, 415);
    let answer = post(&whole, &[PROTOBUF, ("content-encoding", "br")]);
    assert_eq!(answer.status, 415);
    assert!(refusal(&answer).contains("Content-Encoding"));
    let answer = post(&whole, &[PROTOBUF, ("content-encoding", "gzip")]);
    assert_eq!(answer.status, 400);
    assert!(refusal(&answer).contains("decompressed"));
    assert!(server.trace_ids().is_empty());
}

#[test]
fn bombs() {
    let server = TestServer::start();
    let packed = |body: &[u8]| {
        server.post_to(
            "/v1/traces",
            &gzip(body),
            &[PROTOBUF, ("content-encoding", "gzip")],
        )
    };

    // Too long once decompressed.
    let answer = packed(&vec![0; (16 << 20) + 1]);
    assert_eq!(answer.status, 413);
    assert!(refusal(&answer).contains("16 MiB"));

    // Short enough, but two bytes make a span, which would take hundreds.
    let spans = 3 << 20;
    let scope_spans = field(2, &[0x12, 0].repeat(spans));
    let answer = packed(&field(1, &scope_spans));
    assert_eq!(answer.status, 413);
    // So do attributes, in the depth of a value.
    let list = field(2, &field(6, &[0x0a, 0].repeat(spans)));
    let listed = field(2, &field(9, &list));
    let answer = packed(&field(1, &field(2, &listed)));
    assert_eq!(answer.status, 413);

    // The same as JSON.
    let objects = |count: usize| vec!["{}"; count].join(",");
    for (head, tail) in [
        (r#"{"resourceSpans":["#, "]}"),
        (r#"{"resourceSpans":[{"scopeSpans":["#, "]}]}"),
        (
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"events":["#,
            "]}]}]}]}",
        ),
    ] {
        let body = format!("{head}{}{tail}", objects(1 << 20));
        let answer = server.post_to("/v1/traces", body.as_bytes(), &[JSON]);
        assert_eq!(answer.status, 413, "{head}");
        let said = String::from_utf8(answer.body).unwrap();
        assert!(said.contains("too many parts"), "{said}");
    }
    // Of what is no span, only the number is kept.
    let spans = 1 << 17;
    let numbers = vec!["0"; spans].join(",");
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{numbers}]}}]}}]}}"#);
    let answer = server.post_to("/v1/traces", body.as_bytes(), &[JSON]);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["partialSuccess"]["rejectedSpans"], spans.to_string());

    // Values within values without end.
    let mut value = Vec::new();
    for _ in 0..2000 {
        value = field(5, &field(1, &value));
    }
    let deep = field(1, &field(2, &field(2, &field(9, &field(2, &value)))));
    let answer = packed(&deep);
    assert_eq!(answer.status, 400, "{answer:?}");
    let list = format!(
        "{}{}",
        r#"{"arrayValue":{"values":["#.repeat(2000),
        "]}}".repeat(2000)
    );
    let nested = format!(
        r#"{{"traceId":"{TRACE}","spanId":"{}","attributes":[{{"key":"k","value":{list}}}]}}"#,
        id(1)
    );
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{nested}]}}]}}]}}"#);
    let answer = server.post_to("/v1/traces", body.as_bytes(), &[JSON]);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &said["partialSuccess"]["rejectedSpans"]),
        (200, &json!("1")),
        "{said}"
    );

    // More events than a span has are counted, and not read.
    let mut eventful = span(9, 0, "eventful", &json!({}));
    eventful.events = vec![event("again", &json!({})); 1500];
    server.take_spans(&request(&json!({}), vec![eventful]));
    let kept = server.otlp_span(9)["attributes"].clone();
    assert_eq!(kept["otel.dropped_events"], 500);
    assert_eq!(kept["otel.events"].as_array().unwrap().len(), 1000);

    // It goes on.
    server.take_spans(&sample());
    assert_eq!(server.spans(TRACE).len(), 4);
}

/// A field of protobuf that holds bytes.
fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![tag << 3 | 2];
    prost::encode_length_delimiter(value.len(), &mut field).unwrap();
    field.extend_from_slice(value);
    field
}

#[test]
fn keys() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), &["ingest=sk-lf-1", "read=look"]);
    let basic = |user: &str, password: &str| {
        format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{user}:{password}"))
        )
    };
    let send = |authorization: &str| {
        let headers = [PROTOBUF, ("authorization", authorization)];
        server.post_to("/v1/traces", &protobuf(&sample()), &headers)
    };
    assert_eq!(send("Bearer sk-lf-1").status, 200);
    assert_eq!(send("basic").status, 401);
    // As Langfuse's clients send it: of the two keys, the secret one.
    assert_eq!(send(&basic("pk-lf-1", "sk-lf-1")).status, 200);
    for wrong in [
        "Bearer wrong".to_owned(),
        "Bearer look".to_owned(),
        basic("sk-lf-1", "wrong"),
        basic("x", "look"),
        "Basic !".to_owned(),
    ] {
        let answer = send(&wrong);
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(refusal(&answer).contains("key"), "{wrong}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let answer = server.post_to("/v1/traces", &as_json(&sample()), &[JSON]);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &said["code"]), (401, &json!(16)));
    // A password opens nothing that can be read.
    let password = basic("x", "look");
    let answer = server.get_with("/api/v1/traces", &[("authorization", &password)]);
    assert_eq!(answer.status, 401);
    let traces = server.get_with("/api/v1/traces", &[("authorization", "Bearer look")]);
    assert_eq!(traces.json()["traces"].as_array().unwrap().len(), 1);
}

#[test]
fn a_page_of_somebody_else_may_send_nothing() {
    let server = TestServer::start();
    let headers = [PROTOBUF, ("origin", "https://example.test")];
    let answer = server.post_to("/v1/traces", &protobuf(&sample()), &headers);
    assert_eq!(answer.status, 403);
    assert!(refusal(&answer).contains("origin"));
}

#[test]
fn the_same_spans_again_change_nothing() {
    let server = TestServer::start();
    server.take_spans(&sample());
    let once = told(&server);
    let chat = server.otlp_span(2);
    assert_eq!(chat["events"].as_array().unwrap().len(), 1);
    server.take_spans(&sample());
    let answer = server.post_to("/v1/traces", &as_json(&sample()), &[JSON]);
    assert_eq!(answer.status, 200);
    assert_eq!(told(&server), once);
}

#[test]
fn the_paths_of_langfuse_and_traceroot() {
    for path in ["/api/public/otel/v1/traces", "/api/v1/public/traces"] {
        let server = TestServer::start();
        let answer = server.post_to(path, &protobuf(&sample()), &[PROTOBUF]);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(server.spans(TRACE).len(), 3);
        let answer = server.post_to(path, b"\xff", &[PROTOBUF]);
        assert!(refusal(&answer).contains("no request"), "{path}");
    }
}

#[test]
fn more_spans_than_are_stored_at_a_time() {
    let server = TestServer::start();
    let spans =
        (1..=3500).map(|number| span(number, number.saturating_sub(1).min(1), "n", &json!({})));
    server.take_spans(&request(&json!({}), spans.collect()));
    let trace = server.get_json(&format!("/api/v1/traces/{TRACE}"));
    assert_eq!(
        (&trace["span_count"], &trace["status"]),
        (&json!(3500), &json!("ok"))
    );
}
