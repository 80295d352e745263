//! Tools of the Model Context Protocol, on both of its sides, through `rmcp`.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientRequest, ContentBlock, ErrorData, ProtocolVersion,
    RequestMetaObject, ServerResult,
};
use rmcp::service::{
    MaybeSendFuture, NotificationContext, Peer, RequestContext, RoleClient, RoleServer,
    RunningService, Service, ServiceError, ServiceRole,
};
use rollout_core::{SpanContext, SpanEnd};
use serde::Serialize;
use serde_json::Value;

use crate::tools::{Call, ToolCalls, ToolFuture, failed, json, take_call_id};

/// Calls the tools of an MCP server inside a span.
///
/// The call, its result and its errors are what they are with `call_tool`, but that the call carries the trace along, in
/// its `_meta`, as MCP has it; [`ToolCalls::propagate`] keeps it from that. A result that says of itself that it is an
/// error marks the span failed, and so does an error of the protocol; a call that is given up ends as cancelled. The
/// model's id of the call is taken from [`with_tool_call_id`](crate::with_tool_call_id), where that is around it.
///
/// ```
/// use rmcp::model::CallToolRequestParams;
/// use rmcp::service::{Peer, RoleClient, ServiceError};
/// use rollout::CallToolTraced as _;
///
/// # async fn example(server: Peer<RoleClient>) -> Result<(), ServiceError> {
/// let result = server.call_tool_traced(CallToolRequestParams::new("weather")).await?;
/// # Ok(()) }
/// ```
pub trait CallToolTraced: sealed::Sealed {
    /// Calls a tool, as `call_tool` does.
    ///
    /// # Errors
    ///
    /// Those of `call_tool`.
    fn call_tool_traced(
        &self,
        params: CallToolRequestParams,
    ) -> impl Future<Output = Result<CallToolResult, ServiceError>> + MaybeSendFuture {
        self.call_tool_traced_with(params, ToolCalls::new())
    }

    /// The same, with a say in what is recorded.
    ///
    /// # Errors
    ///
    /// Those of `call_tool`.
    fn call_tool_traced_with(
        &self,
        params: CallToolRequestParams,
        calls: ToolCalls,
    ) -> impl Future<Output = Result<CallToolResult, ServiceError>> + MaybeSendFuture;
}

mod sealed {
    use super::{Peer, RoleClient, RunningService, Service};

    pub trait Sealed {}

    impl Sealed for Peer<RoleClient> {}
    impl<S: Service<RoleClient>> Sealed for RunningService<RoleClient, S> {}
}

impl CallToolTraced for Peer<RoleClient> {
    fn call_tool_traced_with(
        &self,
        params: CallToolRequestParams,
        calls: ToolCalls,
    ) -> impl Future<Output = Result<CallToolResult, ServiceError>> + MaybeSendFuture {
        let id = take_call_id();
        async move {
            let calls = Arc::new(calls);
            let call = begin(&params, &calls, "client").map(|call| call.id(id));
            let sent = async {
                // Polled inside of the call's span.
                self.call_tool(carry(params, &calls)).await
            };
            ToolFuture::told_by(call, sent, told_client).await
        }
    }
}

impl<S: Service<RoleClient>> CallToolTraced for RunningService<RoleClient, S> {
    fn call_tool_traced_with(
        &self,
        params: CallToolRequestParams,
        calls: ToolCalls,
    ) -> impl Future<Output = Result<CallToolResult, ServiceError>> + MaybeSendFuture {
        let id = take_call_id();
        async move {
            let calls = Arc::new(calls);
            let call = begin(&params, &calls, "client").map(|call| call.id(id));
            let sent = async {
                // Polled inside of the call's span.
                self.call_tool(carry(params, &calls)).await
            };
            ToolFuture::told_by(call, sent, told_client).await
        }
    }
}

/// An MCP server whose tool calls are recorded; all else it does as before.
///
/// A call whose `_meta` has a `traceparent`, as [`CallToolTraced`] writes it, is a span of the caller's trace. Any other
/// is inside the span that its task is in, and mostly that is none: then the call is a trace of its own. What the tool does is recorded inside of it. A server that is wrapped twice records once.
///
/// ```
/// use rmcp::{RoleServer, Service, ServiceExt as _};
///
/// # async fn example(server: impl Service<RoleServer>, transport: tokio::io::DuplexStream) -> Result<(), Box<dyn std::error::Error>> {
/// let running = rollout::wrap_mcp_server(server).serve(transport).await?;
/// # Ok(()) }
/// ```
pub fn wrap_mcp_server<S: Service<RoleServer>>(server: S) -> McpServer<S> {
    wrap_mcp_server_with(server, ToolCalls::new())
}

/// The same as [`wrap_mcp_server`], with a say in what is recorded.
pub fn wrap_mcp_server_with<S: Service<RoleServer>>(server: S, calls: ToolCalls) -> McpServer<S> {
    McpServer {
        server,
        calls: Arc::new(calls),
    }
}

/// An MCP server whose tool calls are recorded: see [`wrap_mcp_server`].
#[derive(Debug, Clone)]
pub struct McpServer<S> {
    server: S,
    calls: Arc<ToolCalls>,
}

/// Rides on a request that is recorded already.
#[derive(Clone)]
struct Recorded;

type Answer = Result<<RoleServer as ServiceRole>::Resp, ErrorData>;

impl<S: Service<RoleServer>> Service<RoleServer> for McpServer<S> {
    fn handle_request(
        &self,
        mut request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answer> + MaybeSendFuture + '_ {
        let call = match &mut request {
            ClientRequest::CallToolRequest(request)
                if request.extensions.get::<Recorded>().is_none() =>
            {
                request.extensions.insert(Recorded);
                let caller = self
                    .calls
                    .propagate
                    .then(|| caller(&request.params, &context))
                    .flatten();
                begin(&request.params, &self.calls, "server").map(|call| call.parent(caller))
            }
            _ => None,
        };
        ToolFuture::told_by(
            call,
            self.server.handle_request(request, context),
            told_server,
        )
    }

    fn handle_notification(
        &self,
        notification: <RoleServer as ServiceRole>::PeerNot,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + MaybeSendFuture + '_ {
        self.server.handle_notification(notification, context)
    }

    fn get_info(&self) -> <RoleServer as ServiceRole>::Info {
        self.server.get_info()
    }

    fn supported_protocol_versions(&self) -> std::borrow::Cow<'static, [ProtocolVersion]> {
        self.server.supported_protocol_versions()
    }
}

/// The call with the current span in its `_meta`.
fn carry(mut params: CallToolRequestParams, calls: &ToolCalls) -> CallToolRequestParams {
    if calls.propagate && SpanContext::current().is_some() {
        rollout_core::inject(&mut params.meta.get_or_insert_default().0.0);
    }
    params
}

/// Who has written itself into the `_meta` of a call.
fn caller(
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Option<SpanContext> {
    let read = |meta: &RequestMetaObject| rollout_core::extract(&meta.0.0);
    read(&context.meta).or_else(|| read(params.meta.as_ref()?))
}

fn begin(
    params: &CallToolRequestParams,
    calls: &Arc<ToolCalls>,
    side: &'static str,
) -> Option<Call> {
    let call = Call::of(&params.name, calls, || params.arguments.as_ref().map(json))?;
    Some(
        call.attribute("mcp.method.name", "tools/call")
            .attribute("span.kind", side),
    )
}

fn told_client(result: &Result<CallToolResult, ServiceError>, calls: &ToolCalls) -> SpanEnd {
    match result {
        Ok(result) => told(result, calls),
        Err(error) => failed(error),
    }
}

fn told_server(result: &Answer, calls: &ToolCalls) -> SpanEnd {
    match result {
        Ok(ServerResult::CallToolResult(result)) => told(result, calls),
        Ok(other) => given(other, calls),
        Err(error) => failed(error),
    }
}

fn told(result: &CallToolResult, calls: &ToolCalls) -> SpanEnd {
    let end = given(result, calls);
    if result.is_error != Some(true) {
        return end;
    }
    let texts = result.content.iter().filter_map(ContentBlock::as_text);
    let texts: Vec<&str> = texts.map(|text| text.text.as_str()).collect();
    SpanEnd {
        error: Some(texts.join("\n")),
        error_type: Some("tool_error".to_owned()),
        ..end
    }
}

fn given<T: Serialize>(result: &T, calls: &ToolCalls) -> SpanEnd {
    let output: Option<Value> = calls.capture_output.then(|| json(result));
    SpanEnd {
        output,
        ..SpanEnd::default()
    }
}
