//! What goes into a span and comes out of it, as JSON.

use rollout_core::event::RawJson;
use serde_json::Value;

/// A value as a payload: a text that is an object or a list of JSON is taken as it is written. `mime`
/// is what its sender says of the text. `None` where there is nothing.
pub(super) fn payload(value: &Value, mime: Option<&str>) -> Option<RawJson> {
    let Value::String(text) = value else {
        return RawJson::of(value).ok().filter(|json| !json.is_null());
    };
    let is_json = match mime {
        Some(mime) if mime.contains("json") => true,
        Some(_) => false,
        None => text.trim_start().starts_with(['{', '[']),
    };
    if is_json && let Ok(json) = RawJson::parse(text.clone()) {
        return Some(json);
    }
    (!text.is_empty()).then(|| RawJson::of(text).ok()).flatten()
}
