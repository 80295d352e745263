//! An agent whose tools are those of an MCP server: it asks the server what there is, offers that to a model, and calls
//! what the model wants.
//!
//! Both sides are recorded: the agent's calls inside its trace, the server's each in a trace of its own, because a
//! server does not know who calls.

mod script;
mod trains;

use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, JsonObject};
use rmcp::service::{RoleClient, RunningService, ServiceError, ServiceExt as _};
use rollout::{CallToolTraced as _, SendTraced as _, agent, with_tool_call_id};
use scripted_model::{
    Model,
    chat::{Completion, Function, Message, Tool, ToolCall},
};

pub use script::{QUESTION, script};
pub use trains::Trains;

/// Answers of the model until the agent gives up.
const MAX_TURNS: usize = 8;

/// A connection to an MCP server.
pub type Server = RunningService<RoleClient, ()>;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The model could not be asked.
    #[error("the model did not answer")]
    Model(#[from] reqwest::Error),
    /// The MCP server could not be asked.
    #[error("the tools are not there")]
    Tools(#[from] ServiceError),
    /// The model wrote arguments that are no JSON object.
    #[error("the model's arguments cannot be read")]
    Arguments(#[from] serde_json::Error),
    /// The model answered with neither words nor tools.
    #[error("the model had nothing to say")]
    NoAnswer,
    /// The model kept calling tools.
    #[error("no answer after {MAX_TURNS} turns")]
    TooManyTurns,
}

/// Starts the MCP server inside this process, and connects to it.
///
/// A server of another process is reached in the same way, through another transport.
pub async fn connect() -> anyhow::Result<Server> {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let server = rollout::wrap_mcp_server(Trains);
    tokio::spawn(async move {
        server
            .serve(there)
            .await?
            .waiting()
            .await
            .map_err(anyhow::Error::from)
    });
    Ok(().serve(here).await?)
}

/// Plans a journey.
#[agent(name = "journey_planner", skip(model, server))]
pub async fn plan(model: &Model, server: &Server, question: &str) -> Result<String, PlanError> {
    let tools = tools(server).await?;
    let mut messages = vec![
        Message::system("Plan the journey with the tools."),
        Message::user(question),
    ];
    for _ in 0..MAX_TURNS {
        let reply = chat(model, &messages, &tools).await?;
        if reply.tool_calls.is_empty() {
            return reply.content.ok_or(PlanError::NoAnswer);
        }
        messages.push(reply.clone());
        for call in &reply.tool_calls {
            let result = call_tool(server, call).await?;
            messages.push(Message::tool(call, text(&result)));
        }
    }
    Err(PlanError::TooManyTurns)
}

/// What the server has, in the words of the model's API.
async fn tools(server: &Server) -> Result<Vec<Tool>, PlanError> {
    let offered = server.list_all_tools().await?;
    let tools = offered.into_iter().map(|tool| Tool {
        kind: "function".to_owned(),
        function: Function {
            name: tool.name.into_owned(),
            description: tool.description.unwrap_or_default().into_owned(),
            parameters: tool.input_schema.as_ref().clone().into(),
        },
    });
    Ok(tools.collect())
}

/// Asks the model for its next message. The call records itself.
async fn chat(model: &Model, messages: &[Message], tools: &[Tool]) -> Result<Message, PlanError> {
    let response = model.request(messages, tools).send_traced().await?;
    let completion: Completion = response.error_for_status()?.json().await?;
    let choice = completion.choices.into_iter().next();
    choice
        .map(|choice| choice.message)
        .ok_or(PlanError::NoAnswer)
}

/// Calls the tool that the model wants, under the model's id of the call.
async fn call_tool(server: &Server, call: &ToolCall) -> Result<CallToolResult, PlanError> {
    let arguments: JsonObject = serde_json::from_str(&call.function.arguments)?;
    let params = CallToolRequestParams::new(call.function.name.clone()).with_arguments(arguments);
    let result = with_tool_call_id(&call.id, || server.call_tool_traced(params)).await?;
    Ok(result)
}

/// What the model is told of a result, of one that is an error as well.
fn text(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(ContentBlock::as_text);
    let texts: Vec<&str> = texts.map(|text| text.text.as_str()).collect();
    texts.join("\n")
}
