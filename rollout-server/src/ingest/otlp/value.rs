//! Values of OpenTelemetry as JSON.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value as Any};
use serde_json::{Map, Number, Value};

/// A value as JSON; bytes in base64, and `null` for what JSON has no word for.
pub(super) fn json(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        Some(Any::StringValue(text)) => Value::String(text),
        Some(Any::BoolValue(truth)) => Value::Bool(truth),
        Some(Any::IntValue(number)) => Value::Number(number.into()),
        Some(Any::DoubleValue(number)) => Number::from_f64(number).map_or(Value::Null, Value::from),
        Some(Any::ArrayValue(list)) => list
            .values
            .into_iter()
            .map(|value| json(Some(value)))
            .collect(),
        Some(Any::KvlistValue(list)) => list
            .values
            .into_iter()
            .map(|member| (member.key, json(member.value)))
            .collect::<Map<_, _>>()
            .into(),
        Some(Any::BytesValue(bytes)) => Value::String(BASE64_STANDARD.encode(bytes)),
        // The last is an index into a table that only profiles have.
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
    }
}

/// A text as what it says, where it is written as an object, a list or a text of JSON.
pub(super) fn parsed(value: Value) -> Value {
    match value {
        Value::String(text) if text.trim_start().starts_with(['{', '[', '"']) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        value => value,
    }
}

/// A text, or a number or truth as one; `None` for what is empty or of several parts.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim())
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A whole number of zero or more, however it is written.
pub(super) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            (float >= 0.0 && float.fract() == 0.0).then_some(float as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A finite number, however it is written.
pub(super) fn float(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}
