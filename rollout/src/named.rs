//! Providers that are named while the program runs.

use rollout_core::IntegrationError;

use crate::calls::ModelCalls;

/// Those whose calls are known.
const PROVIDERS: &[&str] = &[
    "anthropic",
    "azure",
    "cerebras",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "mistral",
    "openai",
    "openrouter",
    "perplexity",
    "together",
    "vertex_ai",
    "xai",
];

/// What is recorded of the calls of a provider whose name comes from outside, say from a setting; for the rest as
/// [`ModelCalls::new`].
///
/// ```
/// let name = "openrouter".to_owned(); // from the program's own settings
/// # #[cfg(feature = "reqwest")] {
/// let calls = rollout::provider(&name)?.attribute("team", "support");
/// # let _ = calls; }
/// assert!(rollout::provider("abacus").is_err());
/// # Ok::<(), rollout::IntegrationError>(())
/// ```
///
/// # Errors
///
/// [`IntegrationError::Unsupported`] where it speaks in no way that is known; a gateway that speaks like one of those
/// is named by [`ModelCalls::provider`], which takes any text. [`IntegrationError::MissingDependency`] where the program
/// was built with no integration that sees calls.
pub fn provider(name: &str) -> Result<ModelCalls, IntegrationError> {
    if !PROVIDERS.contains(&name) {
        return Err(IntegrationError::Unsupported {
            name: name.to_owned(),
            supported: PROVIDERS.join(", "),
        });
    }
    if cfg!(not(any(
        feature = "reqwest",
        feature = "reqwest-012",
        feature = "rig"
    ))) {
        return Err(IntegrationError::MissingDependency {
            name: name.to_owned(),
            feature: "reqwest",
        });
    }
    Ok(ModelCalls::new().provider(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "exchange")]
    #[test]
    fn whoever_is_known_by_an_address_is_known_by_name() {
        for provider in crate::provider::providers() {
            assert!(PROVIDERS.contains(&provider), "{provider}");
        }
    }

    #[cfg(not(feature = "exchange"))]
    #[test]
    fn without_an_integration_the_one_to_switch_on_is_named() {
        let told = provider("openai").map_err(|error| error.to_string());
        let told = told.err().unwrap_or_default();
        assert!(told.contains("cargo feature `reqwest`"), "{told}");
    }
}
