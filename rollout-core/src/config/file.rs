//! `rollout.toml` in the working directory: the same settings, under their lower-case names.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::setting::{SETTINGS, Setting};
use crate::error::ConfigError;

/// The file's name; it is looked for in the working directory and nowhere else.
pub(super) const NAME: &str = "rollout.toml";

/// The settings of the file as text, by key; empty where there is no file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<&'static str, String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(ConfigError::new(
            NAME,
            None,
            format!("cannot be read: {error}"),
        )),
    }
}

/// The settings of a file of this text.
pub(super) fn parse(text: &str) -> Result<BTreeMap<&'static str, String>, ConfigError> {
    let table: BTreeMap<String, Value> = basic_toml::from_str(text)
        // The parser's words hold no excerpt of the file, which may have a key in it.
        .map_err(|error| ConfigError::new(NAME, None, format!("is not valid TOML: {error}")))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
            return Err(ConfigError::new(
                format!("{NAME}: {key}"),
                None,
                format!("no such setting; there are {}", known.join(", ")),
            ));
        };
        values.insert(setting.key, text_of(setting, value)?);
    }
    Ok(values)
}

fn text_of(setting: &Setting, value: Value) -> Result<String, ConfigError> {
    let refuse = |problem: &str| {
        ConfigError::new(
            format!("{NAME}: {}", setting.key),
            None,
            format!("{problem}; allowed: {}", setting.allowed()),
        )
    };
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(yes) => Ok(yes.to_string()),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(refuse("a list holds strings only")),
            })
            .collect::<Result<Vec<_>, _>>()
            .map(|items| items.join(",")),
        Value::Null | Value::Object(_) => Err(refuse("is neither text nor a number")),
    }
}
