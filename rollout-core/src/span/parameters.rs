//! The options of a model call under one name each, whatever a provider calls them.

/// Under which name each is kept, by what providers call it. Other names stay as they are.
const NAMES: &[(&str, &str)] = &[
    ("topP", "top_p"),
    ("topK", "top_k"),
    ("maxTokens", "max_tokens"),
    ("max_completion_tokens", "max_tokens"),
    ("max_output_tokens", "max_tokens"),
    ("maxOutputTokens", "max_tokens"),
    ("frequencyPenalty", "frequency_penalty"),
    ("presencePenalty", "presence_penalty"),
    ("stop", "stop_sequences"),
    ("stopSequences", "stop_sequences"),
    ("n", "choice.count"),
    ("candidateCount", "choice.count"),
];

/// The attribute of an option of a provider's.
pub(super) fn attribute_of(option: &str) -> String {
    let known = NAMES.iter().find(|(theirs, _)| *theirs == option);
    let name = known.map_or(option, |(_, ours)| ours);
    format!("gen_ai.request.{name}")
}
