//! Which model was called, whose it is, and with which options.

use rollout_core::event::Model;
use serde_json::{Map, Value};

use super::{attributes::Attributes, value::float};

const MODEL: &[&str] = &[
    "langfuse.observation.model.name",
    "traceroot.llm.model",
    "mlflow.llm.model",
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
];
/// Which model has answered; of a request that names none, it is the model.
const ANSWERED: &[&str] = &["gen_ai.response.model", "model_name"];
const PROVIDER: &[&str] = &[
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "mlflow.llm.provider",
    "llm.system",
];
/// Options as an object, whose members are named as in the provider's API.
const OPTIONS: &[&str] = &[
    "langfuse.observation.model.parameters",
    "llm.invocation_parameters",
    "traceroot.llm.model_parameters",
    "embedding.invocation_parameters",
];
const REQUEST: &str = "gen_ai.request.";
/// Options by what providers call them.
const NAMES: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("topP", "top_p"),
    ("top_k", "top_k"),
    ("topK", "top_k"),
    ("max_tokens", "max_tokens"),
    ("maxTokens", "max_tokens"),
    ("max_completion_tokens", "max_tokens"),
    ("max_output_tokens", "max_tokens"),
    ("maxOutputTokens", "max_tokens"),
    ("frequency_penalty", "frequency_penalty"),
    ("frequencyPenalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("presencePenalty", "presence_penalty"),
    ("seed", "seed"),
    ("stop", "stop_sequences"),
    ("stop_sequences", "stop_sequences"),
    ("stopSequences", "stop_sequences"),
    ("n", "choice.count"),
    ("candidateCount", "choice.count"),
    ("reasoning_effort", "reasoning_effort"),
    ("stream", "stream"),
];

/// Takes the model. Its options become attributes of one name each, whoever has sent them.
pub(super) fn take(attributes: &mut Attributes) -> Model {
    let mut model = attributes.take_text(MODEL);
    for name in OPTIONS {
        let Some(mut options) = attributes.take_object(name) else {
            continue;
        };
        if let Some(asked) = options.get("model").and_then(Value::as_str)
            && model.as_deref().is_none_or(|known| known == asked)
        {
            model = Some(asked.to_owned());
            options.remove("model");
        }
        spread(attributes, &mut options);
        if !options.is_empty() {
            attributes.add(*name, options.into());
        }
    }
    for (name, value) in attributes.take_below("gen_ai.openai.request.") {
        attributes.add(format!("{REQUEST}{name}"), value);
    }
    let answered = || ANSWERED.iter().find_map(|name| attributes.text(name));
    let model = model.or_else(answered);
    if model.is_some() {
        attributes.take("model_name");
    }
    let temperature = attributes.get("gen_ai.request.temperature").and_then(float);
    Model {
        provider: attributes.take_text(PROVIDER),
        model,
        temperature,
        ..Model::default()
    }
}

fn spread(attributes: &mut Attributes, options: &mut Map<String, Value>) {
    for (name, option) in NAMES {
        if let Some(value) = options.remove(*name).filter(|value| !value.is_null()) {
            attributes.add(format!("{REQUEST}{option}"), value);
        }
    }
}
