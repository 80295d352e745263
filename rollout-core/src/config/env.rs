//! The one place that reads the environment.

use std::env::{self, VarError};

use crate::error::ConfigError;

/// A variable of the environment; blank ones are unset.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn variable(name: &str) -> Result<Option<String>, ConfigError> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            Err(ConfigError::new(name, None, "its value must be UTF-8 text"))
        }
    }
}
