//! An agent of rig with a tool: `cargo run --manifest-path examples/rig_agent/Cargo.toml`, then `cargo run -- show last`.
//! It needs no account: the model answers by a script. One line is rollout's: the HTTP client is wrapped.

use std::convert::Infallible;

use rig_agent::AgentBuilder;
use rig_core::http_client::DynHttpClient;
use rig_core::providers::openai::OpenAIConfig;
use rig_core::tool::{Tool, ToolContext};
use rig_reqwest::ReqwestClient;
use rollout::{agent, tool};
use scripted_model::{Model, Reply, Script};
use serde_json::{Value, json};

/// Looks up the weather.
struct Weather;

impl Tool for Weather {
    const NAME: &'static str = "weather";
    type Args = Value;
    type Output = String;
    type Error = Infallible;

    fn description(&self) -> String {
        "The weather in a city.".to_owned()
    }

    fn parameters(&self) -> Value {
        json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] })
    }

    #[tool(name = "weather", skip(_context))]
    async fn call(&self, _context: &mut ToolContext, args: Value) -> Result<String, Infallible> {
        let city = args["city"].as_str().unwrap_or("nowhere");
        Ok(format!("rain, 4 degrees in {city}"))
    }
}

#[agent(skip(model))]
async fn forecaster(model: &Model, question: &str) -> anyhow::Result<String> {
    let client = ReqwestClient::from(model.http().clone());
    let http = rollout::wrap(DynHttpClient::new(client));
    let openai = OpenAIConfig::new(model.api_key())
        .with_base_url(model.base_url())
        .connect(http);
    let agent = AgentBuilder::new(openai.chat("gpt-4.1"))
        .tool(Weather)
        .build();
    let answer = agent.prompt(question).max_turns(3).await?;
    Ok(answer.output().to_owned())
}

fn script() -> Script {
    Script::new()
        .when(
            "4 degrees",
            Reply::text("It rains in Bergen.").tokens(40, 6),
        )
        .when(
            "weather",
            Reply::call("call_1", "weather", &json!({ "city": "Bergen" })).tokens(20, 9),
        )
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _rollout = rollout::init()?;
    let model = Model::scripted(script()).await?;
    println!(
        "{}",
        forecaster(&model, "How is the weather in Bergen?").await?
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_trace_has_both_calls_and_the_tool_between_them() {
        let model = Model::scripted(script()).await.unwrap();
        let run = forecaster(&model, "How is the weather in Bergen?");
        let (answer, captured) = rollout::testing::capture_async(run).await;
        assert_eq!(answer.unwrap(), "It rains in Bergen.");
        let agent = captured.span("forecaster").unwrap();
        let names: Vec<_> = agent
            .children
            .iter()
            .map(|span| span.name.as_str())
            .collect();
        assert_eq!(names, ["chat", "weather", "chat"], "{}", captured.tree());
        assert_eq!(agent.children[0].model["model"], "gpt-4.1");
        assert_eq!(agent.children[2].usage["total_tokens"], 46);
    }
}
