//! The example `mcp_tools`: what its agent does with the tools of an MCP server.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use mcp_tools::{QUESTION, connect, plan, script};
use rollout::testing::capture_async;
use scripted_model::Model;

#[tokio::test]
async fn the_agent_finds_a_way() {
    let model = Model::scripted(script()).await.unwrap();
    let server = connect().await.unwrap();
    let (answer, captured) = capture_async(plan(&model, &server, QUESTION)).await;
    assert!(answer.unwrap().contains("Copenhagen at 14:32"));
    let agent = captured.span("journey_planner").unwrap();
    let steps: Vec<_> = agent
        .children
        .iter()
        .map(|step| {
            let id = step.tool["tool_call_id"].as_str().unwrap_or("-");
            (
                step.span_type.as_str(),
                step.name.as_str(),
                id,
                step.status.as_str(),
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("llm", "chat", "-", "ok"),
            ("tool", "find_trains", "call_1", "error"),
            ("llm", "chat", "-", "ok"),
            ("tool", "find_trains", "call_2", "ok"),
            ("tool", "find_trains", "call_3", "ok"),
            ("llm", "chat", "-", "ok"),
        ]
    );
    assert_eq!(
        agent.children[1].error.as_ref().unwrap().message,
        "No train goes from Vienna to Copenhagen."
    );
}
