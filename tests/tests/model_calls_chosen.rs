//! Which model calls a program records, by its settings; and what becomes of requests that are none.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};
use rollout::{IntegrationError, MemoryExporter, ModelCalls, SendTraced as _};
use rollout_tests::model::{Script, serve};
use serde_json::json;

/// What the library has said.
struct Said(Mutex<Vec<String>>);

static SAID: Said = Said(Mutex::new(Vec::new()));

impl Log for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("rollout") {
            let line = format!("{} {}", record.level(), record.args());
            self.0.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// The global client and the log belong to the process, so this is one test.
#[tokio::test]
async fn what_is_not_chosen_or_not_known_passes_unrecorded() {
    log::set_logger(&SAID).unwrap();
    log::set_max_level(LevelFilter::Warn);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = serve(Script::Json(200, json!({ "content": [] }))).await;
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryExporter::new();
    let recorder = rollout::builder()
        .dir(dir.path())
        .integrations(["reqwest"])
        .exporter(Box::new(memory.clone()))
        .init()
        .unwrap();

    // Not known: said once.
    let (http, old) = (reqwest::Client::new(), reqwest_012::Client::new());
    for path in ["/v2/complete?key=secret-of-the-caller", "/v2/other"] {
        let url = format!("http://{address}{path}");
        let answer = http.post(url).body("{}").send_traced().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), r#"{"content":[]}"#);
    }
    let said = SAID.0.lock().unwrap().clone();
    let unknown: Vec<_> = said.iter().filter(|line| line.contains("/v2/")).collect();
    assert_eq!(unknown.len(), 1, "{said:?}");
    assert!(
        unknown[0].starts_with("WARN ") && unknown[0].contains("/v2/complete is no model call")
    );
    assert!(!unknown[0].contains("secret-of-the-caller"));

    // Not chosen: the other version of the client is.
    let url = format!("http://{address}/v1/messages");
    for name in ["of-012", "of-013"] {
        let calls = ModelCalls::new().provider(name);
        if name == "of-012" {
            let sent = old.post(&url).body("{}").send_traced_with(calls);
            sent.await.unwrap().text().await.unwrap();
        } else {
            let sent = http.post(&url).body("{}").send_traced_with(calls);
            sent.await.unwrap().text().await.unwrap();
        }
    }
    recorder.flush().await.unwrap();
    let events = serde_json::to_string(&memory.events()).unwrap();
    assert!(events.contains("of-013"));
    assert!(!events.contains("of-012") && !events.contains("/v2/"));
}

#[test]
fn a_provider_by_name_is_one_that_is_known() {
    for name in ["openai", "anthropic", "gemini", "openrouter"] {
        assert!(rollout::provider(name).is_ok(), "{name}");
    }
    let error = rollout::provider("abacus").unwrap_err();
    assert!(matches!(&error, IntegrationError::Unsupported { name, .. } if name == "abacus"));
    let told = error.to_string();
    assert!(told.contains("\"abacus\" cannot be recorded") && told.contains("openrouter"));
}
