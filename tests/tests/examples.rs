//! The examples of model calls, each with its trace.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use rollout::testing::{CapturedSpan, capture_async};
use scripted_model::Model;

const QUESTION: &str = "Why does it rain in Bergen?";

/// The call of a program that has answered.
async fn call(run: impl Future<Output = anyhow::Result<String>>, name: &str) -> CapturedSpan {
    let (answer, captured) = capture_async(run).await;
    assert!(answer.unwrap().starts_with("Wet air"));
    let agent = captured.span(name).unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    let call = &agent.children[0];
    assert_eq!(
        (call.span_type.as_str(), call.status.as_str()),
        ("llm", "ok")
    );
    assert_eq!(call.usage["input_tokens"], 14);
    assert_eq!(call.usage["output_tokens"], 13);
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(!events.contains("\"scripted\""), "the key was recorded");
    call.clone()
}

#[tokio::test]
async fn each_example_answers_and_is_recorded() {
    let model = Model::scripted(openai_client::script()).await.unwrap();
    let openai = call(openai_client::ask(&model, QUESTION), "ask").await;
    assert_eq!(openai.model["model"], "gpt-4.1");

    let anthropic = call(anthropic_client::ask(&model, QUESTION), "ask").await;
    assert_eq!(anthropic.model["provider"], "anthropic");
    assert_eq!(anthropic.model["model"], "claude-sonnet-4-5");
    let library = anthropic_client::ask_through_a_library(&model, QUESTION);
    let library = call(library, "ask_through_a_library").await;
    assert_eq!(library.model, anthropic.model);
    assert_eq!(library.usage, anthropic.usage);
    let (input, output) = (library.input.unwrap(), library.output.unwrap());
    assert_eq!(input["system"][0]["text"], "Be brief.");
    assert!(input["messages"].to_string().contains(QUESTION));
    assert!(output["content"].to_string().contains("Wet air"));

    let gemini = call(gemini_client::ask(&model, QUESTION), "ask").await;
    assert_eq!(gemini.model["provider"], "gemini");
    assert_eq!(gemini.model["model"], "gemini-2.5-flash");

    let gateway = call(gateway_client::ask(&model, QUESTION), "ask").await;
    assert_eq!(gateway.model["provider"], "openrouter");
    assert_eq!(gateway.attributes["team"], "weather");
}
