//! The attributes of a span, of which each reader takes what it understands.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use rollout_core::event::RawJson;
use serde_json::{Map, Value};

use super::{
    payload::payload,
    value::{json, parsed, text},
};

/// Names below which texts are JSON, those of one text too.
const ALWAYS_JSON: [&str; 2] = ["mlflow.", "traceloop."];

/// Attributes by name. What is left when all have read is kept as it is.
#[derive(Default)]
pub(super) struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    /// Of two of one name, the later; those without a name or a value are none.
    pub(super) fn of(list: Vec<KeyValue>) -> Self {
        let named = list
            .into_iter()
            .map(|attribute| (attribute.key, json(attribute.value)));
        Self(
            named
                .filter(|(name, value)| !name.is_empty() && !value.is_null())
                .collect(),
        )
    }

    /// The members of an object.
    pub(super) fn of_object(object: Map<String, Value>) -> Self {
        Self(object.into_iter().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Sets what is not set.
    pub(super) fn add(&mut self, name: impl Into<String>, value: Value) {
        self.0.entry(name.into()).or_insert(value);
    }

    /// The same for all of them.
    pub(super) fn add_all(&mut self, others: Self) {
        for (name, value) in others.0 {
            self.add(name, value);
        }
    }

    /// What an attribute says, as a text; some write it as JSON.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(quoted) if quoted.starts_with('"') => {
                serde_json::from_str(quoted).map_or_else(|_| Some(quoted.clone()), Some)
            }
            value => text(value),
        }
    }

    /// Takes the first of these that says something, and all that say the same.
    pub(super) fn take_text(&mut self, names: &[&str]) -> Option<String> {
        let mut first = None;
        for name in names {
            let Some(text) = self.text(name) else {
                continue;
            };
            if *first.get_or_insert_with(|| text.clone()) == text {
                self.take(name);
            }
        }
        first
    }

    /// Takes an object, whether it is one or is written as JSON; what is no object stays.
    pub(super) fn take_object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match parsed(self.get(name)?.clone()) {
            Value::Object(object) => {
                self.take(name);
                Some(object)
            }
            _ => None,
        }
    }

    /// Takes the first payload of these, and those that say the same.
    pub(super) fn take_payload(&mut self, names: &[&str]) -> Option<RawJson> {
        let mut first: Option<RawJson> = None;
        for name in names {
            let always_json = ALWAYS_JSON.iter().any(|prefix| name.starts_with(prefix));
            let mime = always_json.then_some("application/json");
            let Some(found) = self.get(name).and_then(|value| payload(value, mime)) else {
                continue;
            };
            if first.as_ref().is_none_or(|first| *first == found) {
                self.take(name);
                first = Some(found);
            }
        }
        first
    }

    /// Takes all whose names begin so, without that beginning.
    pub(super) fn take_below(&mut self, prefix: &str) -> Vec<(String, Value)> {
        let names: Vec<String> = self
            .0
            .range(prefix.to_owned()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        names
            .into_iter()
            .filter_map(|name| {
                let value = self.0.remove(&name)?;
                Some((name.get(prefix.len()..)?.to_owned(), value))
            })
            .collect()
    }

    /// Whether the name of any begins so.
    pub(super) fn has_below(&self, prefix: &str) -> bool {
        let mut after = self.0.range(prefix.to_owned()..);
        after
            .next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// All but these.
    pub(super) fn rest_without(&self, names: &[&str]) -> Map<String, Value> {
        let members = self.0.iter();
        members
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// What nobody has taken.
    pub(super) fn into_object(self) -> Map<String, Value> {
        self.0.into_iter().collect()
    }
}
