//! A program in Python, instrumented as its authors do it, into the server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rollout_server::value::Chat;
use rollout_tests::program::succeed;
use rollout_tests::python::environment;
use rollout_tests::server::TestServer;
use scripted_model::{Model, Reply, Script};
use serde_json::{Value, json};

/// The Python of an environment that has what the agent needs.
fn python() -> Option<PathBuf> {
    let requirements =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otlp_python/requirements.txt");
    environment(
        "otlp_python",
        &requirements,
        Path::new(env!("CARGO_TARGET_TMPDIR")),
    )
}

/// Who says or calls what.
fn chat(value: &Value) -> Vec<String> {
    let turns = Chat::read(&value.to_string()).unwrap_or_default().turns;
    let line = |turn: rollout_server::value::Turn| format!("{}: {:?}", turn.role, turn.parts);
    turns.into_iter().map(line).collect()
}

#[test]
fn an_agent_with_openinference_and_an_openai_client() {
    let Some(python) = python() else {
        return;
    };
    let script = Script::new()
        .when(
            "Where is order",
            Reply::call("call_1", "lookup_order", &json!({ "order": 7 }))
                .tokens(50, 12)
                .cached(20),
        )
        .when("on its way", Reply::text("It is on its way.").tokens(80, 6));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let model = runtime.block_on(Model::scripted(script)).unwrap();
    let server = TestServer::start();

    let output = succeed(
        Command::new(python)
            // Its modules are compiled now, and some of them are warned about.
            .args(["-W", "ignore::SyntaxWarning"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otlp_python/agent.py"))
            .env_clear()
            .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
            .env("OPENAI_BASE_URL", model.base_url())
            .env("OPENAI_API_KEY", model.api_key())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", server.url(""))
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            .env("OTEL_SERVICE_NAME", "support"),
    );
    let output = output.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let trace_id = String::from_utf8(output.stdout).unwrap().trim().to_owned();

    assert_eq!(
        server.tree(&trace_id),
        "agent support ok\n  llm ChatCompletion ok\n  tool lookup_order ok\n  llm ChatCompletion ok\n  llm ChatCompletion error\n"
    );
    let trace = server.get_json(&format!("/api/v1/traces/{trace_id}"));
    assert_eq!(
        (&trace["name"], &trace["user_id"], &trace["session_id"]),
        (&json!("support"), &json!("u1"), &json!("s1"))
    );
    assert_eq!(
        (&trace["tags"], &trace["metadata"]["service_name"]),
        (&json!(["python"]), &json!("support"))
    );
    assert_eq!(
        (&trace["input"], &trace["output"]),
        (&json!("Where is order 7?"), &json!("It is on its way."))
    );
    assert_eq!(trace["usage"]["input_tokens"], 130);

    let spans = server.spans(&trace_id);
    let span = |index: usize| {
        let id = spans[index]["span_id"].as_str().unwrap();
        server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{id}"))
    };
    let asked = span(1);
    assert_eq!(
        (&asked["model"], &asked["provider"]),
        (&json!("gpt-4o-mini"), &json!("openai"))
    );
    assert_eq!(
        asked["usage"],
        json!({ "input_tokens": 50, "output_tokens": 12, "total_tokens": 62, "cached_tokens": 20 })
    );
    assert_eq!(
        chat(&asked["input"]),
        ["user: [Text(\"Where is order 7?\")]"]
    );
    assert_eq!(
        chat(&asked["output"]),
        [
            "assistant: [Call { name: \"lookup_order\", id: Some(\"call_1\"), arguments: \"{\\\"order\\\":7}\" }]"
        ]
    );
    assert_eq!(asked["attributes"]["gen_ai.request.temperature"], 0.5);
    assert_eq!(
        asked["input"]["tools"][0]["function"]["name"],
        "lookup_order"
    );
    let tool = span(2);
    assert_eq!(
        (&tool["input"], &tool["output"]),
        (&json!({ "order": 7 }), &json!("order 7 is on its way"))
    );
    let streamed = span(3);
    assert_eq!(
        chat(&streamed["output"]),
        ["assistant: [Text(\"It is on its way.\")]"]
    );
    assert_eq!(
        (
            &streamed["usage"]["input_tokens"],
            &streamed["attributes"]["gen_ai.request.stream"]
        ),
        (&json!(80), &json!(true))
    );
    assert!(
        streamed["attributes"]["gen_ai.response.time_to_first_chunk"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let refused = span(4);
    assert_eq!(refused["error"]["type"], "openai.BadRequestError");
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no answer"),
        "{refused}"
    );
    assert!(refused["attributes"]["exception.stacktrace"].is_string());
}
