//! Tokens and cost, in whosever words, with our one meaning: what was cached is part of the input,
//! and reasoning part of the output.

use rollout_core::event::Usage;
use serde_json::{Map, Value};

use super::{
    attributes::Attributes,
    kind::{AGENT, EMBEDDING, LLM},
    value::{count, float},
};

/// What a call has used, and the numbers that say so, as they were sent.
#[derive(Default)]
pub(super) struct Used {
    pub(super) usage: Usage,
    pub(super) said: Map<String, Value>,
}

/// Names of one count, the better first.
type Names = &'static [&'static str];

/// Names of attributes, by what they count: OpenInference's, then OpenTelemetry's and those that
/// these had before, or that libraries made up.
const INPUT: Names = &[
    "llm.token_count.prompt",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "gen_ai.aggregated_usage.input_tokens",
];
const OUTPUT: Names = &[
    "llm.token_count.completion",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "gen_ai.aggregated_usage.output_tokens",
];
const TOTAL: Names = &[
    "llm.token_count.total",
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
];
const CACHED: Names = &[
    "llm.token_count.prompt_details.cache_read",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_cached_tokens",
    "gen_ai.usage.cached_tokens",
    "gen_ai.usage.cache_read_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.details.cached_tokens",
];
const CACHE_CREATION: Names = &[
    "llm.token_count.prompt_details.cache_write",
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "gen_ai.usage.details.cache_creation_input_tokens",
];
const REASONING: Names = &[
    "llm.token_count.completion_details.reasoning",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "gen_ai.usage.output_details.reasoning_tokens",
];
const COST: Names = &["llm.cost.total", "gen_ai.usage.cost"];
/// Whatever else is counted below these is kept under what follows.
const OTHERS: Names = &[
    "llm.token_count.",
    "gen_ai.usage.",
    "gen_ai.aggregated_usage.",
];

/// Names that are taken: no other number goes by them.
const FIELDS: Names = &[
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_creation_tokens",
    "reasoning_tokens",
    "total_tokens",
    "cost_usd",
    "context_window_tokens",
    "context_used_tokens",
];

/// Takes what a span says it has used. Only calls of models count, and agents, who say the sum: of
/// anything else it would count twice.
pub(super) fn take(attributes: &mut Attributes, kind: &str) -> Used {
    let mut used = Used::default();
    // Our own exporter says so where it is no model's.
    if let Some(usage) = attributes.take_object("rollout.usage") {
        used.usage = serde_json::from_value(usage.into()).unwrap_or_default();
        return used;
    }
    if !matches!(kind, LLM | EMBEDDING | AGENT) {
        return used;
    }
    used.take_objects(attributes);
    let counts = [
        (&mut used.usage.input_tokens, INPUT),
        (&mut used.usage.output_tokens, OUTPUT),
        (&mut used.usage.total_tokens, TOTAL),
        (&mut used.usage.cached_tokens, CACHED),
        (&mut used.usage.cache_creation_tokens, CACHE_CREATION),
        (&mut used.usage.reasoning_tokens, REASONING),
    ];
    for (field, names) in counts {
        for name in names {
            let Some(tokens) = attributes.get(name).and_then(count) else {
                continue;
            };
            used.said.extend(
                attributes
                    .take(name)
                    .map(|value| ((*name).to_owned(), value)),
            );
            field.get_or_insert(tokens);
        }
    }
    for name in COST {
        let Some(usd) = attributes
            .get(name)
            .and_then(float)
            .filter(|usd| *usd >= 0.0)
        else {
            continue;
        };
        used.said.extend(
            attributes
                .take(name)
                .map(|value| ((*name).to_owned(), value)),
        );
        used.usage.cost_usd.get_or_insert(usd);
    }
    for prefix in OTHERS {
        for (name, value) in attributes.take_below(prefix) {
            match value {
                Value::Number(number) if !FIELDS.contains(&&*name) => {
                    used.said
                        .insert(format!("{prefix}{name}"), number.clone().into());
                    used.usage.extra.insert(name, number);
                }
                value => attributes.add(format!("{prefix}{name}"), value),
            }
        }
    }
    used.complete();
    used
}

impl Used {
    /// What is counted in an object, under names of its sender's own.
    fn take_objects(&mut self, attributes: &mut Attributes) {
        type Reader = fn(&Map<String, Value>) -> Usage;
        let objects: [(&str, Reader); 5] = [
            ("langfuse.observation.usage_details", langfuse),
            ("langfuse.observation.cost_details", |costs| {
                cost(costs, "total")
            }),
            ("traceroot.llm.usage", plain),
            ("mlflow.chat.tokenUsage", plain),
            ("mlflow.llm.cost", |costs| cost(costs, "total_cost")),
        ];
        for (name, read) in objects {
            let Some(object) = attributes.take_object(name) else {
                continue;
            };
            let mut usage = read(&object);
            usage.merge(std::mem::take(&mut self.usage));
            self.usage = usage;
            self.said.insert(name.to_owned(), object.into());
        }
        if self.usage.is_empty()
            && let Some(response) = attributes.get("response_data").cloned()
            && let Value::Object(mut response) = super::value::parsed(response)
            && let Some(Value::Object(usage)) = response.remove("usage")
        {
            self.usage = plain(&usage);
            self.said
                .insert("response_data.usage".to_owned(), usage.into());
        }
    }

    fn complete(&mut self) {
        let usage = &mut self.usage;
        let apart = usage
            .cached_tokens
            .unwrap_or(0)
            .saturating_add(usage.cache_creation_tokens.unwrap_or(0));
        // Some count what was cached beside the input: then it may be more than that.
        if let Some(input) = &mut usage.input_tokens
            && *input < apart
        {
            *input = input.saturating_add(apart);
            usage.total_tokens = None;
        }
        if usage.total_tokens.is_none()
            && (usage.input_tokens.is_some() || usage.output_tokens.is_some())
        {
            let (input, output) = (usage.input_tokens, usage.output_tokens);
            usage.total_tokens = Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0)));
        }
    }
}

/// Langfuse counts apart what we count as parts: `input` leaves out what was cached, `output` what
/// was reasoning. Under the names of a provider, it takes the provider's meaning.
fn langfuse(details: &Map<String, Value>) -> Usage {
    let sum = |side: &str| {
        let counts = details
            .iter()
            .filter(|(name, _)| name.starts_with(side))
            .filter_map(|(_, value)| count(value));
        counts.reduce(u64::saturating_add)
    };
    if !details.contains_key("input") && !details.contains_key("output") {
        return plain(details);
    }
    let first = |names: &[&str]| names.iter().find_map(|name| count(details.get(*name)?));
    let beside = |names: &[&str]| {
        let counts = names.iter().filter_map(|name| count(details.get(*name)?));
        counts.fold(0, u64::saturating_add)
    };
    // Under these names it is no part of the input either.
    let apart = beside(&["cache_read_input_tokens", "cache_creation_input_tokens"]);
    Usage {
        input_tokens: sum("input").map(|input| input.saturating_add(apart)),
        output_tokens: sum("output"),
        total_tokens: first(&["total"]),
        cached_tokens: first(&[
            "input_cached_tokens",
            "input_cache_read",
            "cache_read_input_tokens",
        ]),
        cache_creation_tokens: first(&["input_cache_creation", "cache_creation_input_tokens"]),
        reasoning_tokens: first(&["output_reasoning_tokens", "output_reasoning"]),
        ..Usage::default()
    }
}

/// An object of counts in the words of providers, MLflow or TraceRoot.
fn plain(counts: &Map<String, Value>) -> Usage {
    let first = |names: &[&str]| names.iter().find_map(|name| count(counts.get(*name)?));
    let within = |names: &[&str], inner: &str| {
        let inside = |name: &&str| count(counts.get(*name)?.get(inner)?);
        names.iter().find_map(inside)
    };
    Usage {
        input_tokens: first(&["input_tokens", "prompt_tokens", "promptTokens"]),
        output_tokens: first(&["output_tokens", "completion_tokens", "completionTokens"]),
        total_tokens: first(&["total_tokens", "total", "totalTokens"]),
        cached_tokens: first(&[
            "cache_read_tokens",
            "cache_read_input_tokens",
            "cached_tokens",
        ])
        .or_else(|| {
            within(
                &["prompt_tokens_details", "input_tokens_details"],
                "cached_tokens",
            )
        }),
        cache_creation_tokens: first(&["cache_write_tokens", "cache_creation_input_tokens"]),
        reasoning_tokens: first(&["reasoning_tokens"]).or_else(|| {
            within(
                &["completion_tokens_details", "output_tokens_details"],
                "reasoning_tokens",
            )
        }),
        ..Usage::default()
    }
}

/// The sum, or what it is the sum of.
fn cost(costs: &Map<String, Value>, total: &str) -> Usage {
    let parts = || {
        let parts = costs.values().filter_map(float);
        parts.reduce(|sum, part| sum + part)
    };
    let usd = costs.get(total).and_then(float).or_else(parts);
    Usage {
        cost_usd: usd.filter(|usd| *usd >= 0.0),
        ..Usage::default()
    }
}
