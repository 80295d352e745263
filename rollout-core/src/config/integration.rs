//! Which integrations a program may name.

use crate::error::IntegrationError;

/// Those that there are, each under the cargo feature of `rollout` that it takes, and whether that is on.
const INTEGRATIONS: &[(&str, bool)] = &[
    ("openai", cfg!(feature = "openai")),
    ("reqwest", cfg!(feature = "reqwest")),
    ("reqwest-012", cfg!(feature = "reqwest-012")),
    ("reqwest-middleware", cfg!(feature = "reqwest-middleware")),
    ("rig", cfg!(feature = "rig")),
];

/// Their names, for who has to choose.
pub(super) fn names() -> String {
    let names: Vec<_> = INTEGRATIONS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Reads a list of names with commas; each must be known and compiled in.
pub(super) fn integrations(text: &str) -> Result<Vec<&'static str>, IntegrationError> {
    let mut found = Vec::new();
    for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        match INTEGRATIONS.iter().find(|(known, _)| *known == name) {
            Some((known, true)) if found.contains(known) => {}
            Some((known, true)) => found.push(*known),
            Some((known, false)) => {
                return Err(IntegrationError::MissingDependency {
                    name: name.into(),
                    feature: known,
                });
            }
            None => {
                return Err(IntegrationError::Unsupported {
                    name: name.into(),
                    supported: names(),
                });
            }
        }
    }
    Ok(found)
}
