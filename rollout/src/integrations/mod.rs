//! Integrations with other people's crates, each behind a feature.

#[cfg(feature = "reqwest")]
pub(crate) mod reqwest;
