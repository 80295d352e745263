//! Integrations with other people's crates, each behind a feature.

#[cfg(feature = "openai")]
mod async_openai;
#[cfg(any(feature = "reqwest", feature = "reqwest-012"))]
mod body;
#[cfg(any(feature = "reqwest", feature = "reqwest-012"))]
pub(crate) mod reqwest;
#[cfg(feature = "reqwest-middleware")]
pub(crate) mod reqwest_middleware;
#[cfg(feature = "rig")]
mod rig;
#[cfg(feature = "mcp")]
pub(crate) mod rmcp;
#[cfg(feature = "tower")]
pub(crate) mod tower;
#[cfg(feature = "tracing")]
pub(crate) mod tracing;
