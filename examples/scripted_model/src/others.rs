//! The same script in the words of Anthropic's messages and of Gemini's `generateContent`: answers in one piece, of
//! words only.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Reply, Script,
    server::{KEY, THINKING},
};

/// `POST /v1/messages`.
pub(crate) async fn messages(
    State(script): State<Arc<Script>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let last = request["messages"]
        .as_array()
        .and_then(|messages| messages.last());
    let last = last.map(|last| &last["content"]);
    let reply = match answer(&script, &headers, "x-api-key", last).await {
        Ok(reply) => reply,
        Err((status, message)) => {
            let error = json!({ "type": "invalid_request_error", "message": message });
            return (status, Json(json!({ "type": "error", "error": error }))).into_response();
        }
    };
    Json(json!({
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [{ "type": "text", "text": reply.message.text() }],
        "stop_reason": "end_turn",
        "stop_sequence": null,
        "usage": {
            "input_tokens": reply.usage.prompt_tokens,
            "output_tokens": reply.usage.completion_tokens,
        },
    }))
    .into_response()
}

/// `POST /v1beta/models/{model}:generateContent`.
pub(crate) async fn generate_content(
    State(script): State<Arc<Script>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let last = request["contents"]
        .as_array()
        .and_then(|contents| contents.last());
    let last = last.map(|last| &last["parts"]);
    let reply = match answer(&script, &headers, "x-goog-api-key", last).await {
        Ok(reply) => reply,
        Err((status, message)) => {
            let error = json!({ "code": status.as_u16(), "message": message, "status": "INVALID_ARGUMENT" });
            return (status, Json(json!({ "error": error }))).into_response();
        }
    };
    Json(json!({
        "responseId": "gemini-scripted",
        "modelVersion": call.split(':').next(),
        "candidates": [{
            "index": 0,
            "finishReason": "STOP",
            "content": { "role": "model", "parts": [{ "text": reply.message.text() }] },
        }],
        "usageMetadata": {
            "promptTokenCount": reply.usage.prompt_tokens,
            "candidatesTokenCount": reply.usage.completion_tokens,
            "totalTokenCount": reply.usage.total_tokens,
        },
    }))
    .into_response()
}

/// What the script says to the last message, which is text or a list of parts with text.
async fn answer(
    script: &Script,
    headers: &HeaderMap,
    key: &str,
    last: Option<&Value>,
) -> Result<Reply, (StatusCode, &'static str)> {
    // Clients that take keys of one length only fill ours up.
    let key = headers.get(key).and_then(|value| value.to_str().ok());
    if key.map(|key| key.trim_end_matches('-')) != Some(KEY) {
        return Err((StatusCode::UNAUTHORIZED, "the API key is not valid"));
    }
    let text = last.map(|last| match last {
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        last => last.as_str().unwrap_or_default().to_owned(),
    });
    let text: String = text.unwrap_or_default();
    let reply = script.reply_to(&text).cloned();
    let reply = reply.ok_or((
        StatusCode::BAD_REQUEST,
        "the script has no answer to the last message of this conversation",
    ))?;
    sleep(THINKING).await;
    Ok(reply)
}
