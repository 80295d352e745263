//! Attributes being written: each name once, the first one of it.

use std::collections::HashSet;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use serde_json::Value;

/// A list of attributes.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    list: Vec<KeyValue>,
    names: HashSet<String>,
}

impl Attributes {
    fn put(&mut self, name: impl Into<String>, value: Any) {
        let name = name.into();
        if !name.is_empty() && self.names.insert(name.clone()) {
            self.list.push(KeyValue {
                key: name,
                value: Some(AnyValue { value: Some(value) }),
                ..KeyValue::default()
            });
        }
    }

    pub(super) fn text(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.put(name, Any::StringValue(text.into()));
    }

    /// Nothing, where there is none.
    pub(super) fn maybe(&mut self, name: impl Into<String>, text: Option<&String>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub(super) fn flag(&mut self, name: impl Into<String>, flag: bool) {
        self.put(name, Any::BoolValue(flag));
    }

    /// A count; one that is beyond what there is room for becomes the greatest.
    pub(super) fn count(&mut self, name: impl Into<String>, count: Option<u64>) {
        if let Some(count) = count {
            self.put(
                name,
                Any::IntValue(i64::try_from(count).unwrap_or(i64::MAX)),
            );
        }
    }

    pub(super) fn float(&mut self, name: impl Into<String>, number: Option<f64>) {
        if let Some(number) = number.filter(|number| number.is_finite()) {
            self.put(name, Any::DoubleValue(number));
        }
    }

    pub(super) fn texts<'a>(
        &mut self,
        name: impl Into<String>,
        texts: impl IntoIterator<Item = &'a String>,
    ) {
        let text = |text: &String| AnyValue {
            value: Some(Any::StringValue(text.clone())),
        };
        let values: Vec<_> = texts.into_iter().map(text).collect();
        if !values.is_empty() {
            self.put(name, Any::ArrayValue(ArrayValue { values }));
        }
    }

    /// A value as a text of JSON.
    pub(super) fn json(&mut self, name: impl Into<String>, value: &Value) {
        self.text(name, value.to_string());
    }

    /// A value of whatever type: what has parts becomes a text of JSON, but for a list of texts, numbers or flags.
    pub(super) fn value(&mut self, name: impl Into<String>, value: &Value) {
        match any(value) {
            Some(value) => self.put(name, value),
            None if value.is_null() => {}
            None => self.json(name, value),
        }
    }

    pub(super) fn into_list(self) -> Vec<KeyValue> {
        self.list
    }
}

fn any(value: &Value) -> Option<Any> {
    Some(match value {
        Value::String(text) => Any::StringValue(text.clone()),
        Value::Bool(flag) => Any::BoolValue(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64()?),
        },
        Value::Array(items) if !items.is_empty() => {
            let kind = |item: &Value| match item {
                Value::String(_) => Some(0),
                Value::Bool(_) => Some(1),
                Value::Number(number) if number.is_i64() => Some(2),
                Value::Number(_) => Some(3),
                _ => None,
            };
            let first = kind(items.first()?)?;
            if !items.iter().all(|item| kind(item) == Some(first)) {
                return None;
            }
            let values = items.iter().map(|item| AnyValue { value: any(item) });
            Any::ArrayValue(ArrayValue {
                values: values.collect(),
            })
        }
        _ => return None,
    })
}

/// A JSON text as an attribute shows it: a text as what it says.
pub(super) fn shown(json: &str) -> (String, &'static str) {
    match serde_json::from_str(json) {
        Ok(Value::String(text)) => (text, "text/plain"),
        _ => (json.to_owned(), "application/json"),
    }
}
