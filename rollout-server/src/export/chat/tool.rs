//! Tools that a model may call, as chat completions define them.

use serde_json::{Value, json};

/// The definitions of a request's `tools`, in whichever provider's words they are.
pub(super) fn definitions(tools: Value) -> Vec<Value> {
    let Value::Array(tools) = tools else {
        return Vec::new();
    };
    let mut definitions = Vec::new();
    for tool in tools {
        // `generateContent` has lists of functions.
        let functions = tool
            .get("functionDeclarations")
            .or_else(|| tool.get("function_declarations"));
        if let Some(Value::Array(functions)) = functions {
            definitions.extend(functions.iter().filter_map(definition));
        } else {
            definitions.extend(definition(&tool));
        }
    }
    definitions
}

/// One function; `None` for what a provider runs itself (a search, an interpreter), which nobody else can define.
fn definition(tool: &Value) -> Option<Value> {
    let function = tool.get("function").unwrap_or(tool);
    let name = function["name"].as_str()?;
    let parameters = ["parameters", "input_schema", "parametersJsonSchema"]
        .into_iter()
        .find_map(|key| function.get(key))
        .filter(|schema| schema.is_object());
    let is_function = tool.get("function").is_some()
        || parameters.is_some()
        || matches!(tool["type"].as_str(), None | Some("function" | "custom"));
    if !is_function {
        return None;
    }
    let mut defined = json!({ "name": name });
    let description = function
        .get("description")
        .filter(|words| words.is_string());
    let strict = function.get("strict").filter(|flag| flag.is_boolean());
    for (key, value) in [
        ("description", description),
        ("parameters", parameters),
        ("strict", strict),
    ] {
        if let Some(value) = value {
            defined[key] = value.clone();
        }
    }
    Some(json!({ "type": "function", "function": defined }))
}
