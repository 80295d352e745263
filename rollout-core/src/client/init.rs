//! The global client.

use std::ops::Deref;
use std::sync::{PoisonError, RwLock};

use super::{Client, SHUTDOWN_TIMEOUT};
use crate::builder::Builder;
use crate::context;
use crate::error::ConfigError;

static GLOBAL: RwLock<Option<Client>> = RwLock::new(None);

/// Starts the global client with what the environment and `rollout.toml` say, and returns its guard.
///
/// A global client that runs already stays with its own guard; annotated functions use the newer one.
pub fn init() -> Result<InitGuard, ConfigError> {
    crate::builder().init()
}

/// The global client, if one runs.
pub fn client() -> Option<Client> {
    GLOBAL
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
        .filter(Client::is_enabled)
}

impl Builder {
    /// Starts a client of its own.
    pub fn build(self) -> Result<Client, ConfigError> {
        let (config, own) = self.resolve()?;
        Client::start(config, own)
    }

    /// Starts the global client, which annotated functions use.
    pub fn init(self) -> Result<InitGuard, ConfigError> {
        let client = self.build()?;
        *GLOBAL.write().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        context::set_global(client.id());
        Ok(InitGuard { client })
    }
}

/// Keeps the global client running. Its drop drains what is queued, waits for delivery for 5 s at most, and stops.
#[derive(Debug)]
#[must_use = "the client stops when the guard is dropped: bind it to a name, not to `_`"]
pub struct InitGuard {
    client: Client,
}

impl Deref for InitGuard {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for InitGuard {
    fn drop(&mut self) {
        let mut global = GLOBAL.write().unwrap_or_else(PoisonError::into_inner);
        let is_ours = global
            .as_ref()
            .is_some_and(|client| client.id() == self.client.id());
        let ours = if is_ours { global.take() } else { None };
        drop(global);
        // What could not be delivered is in the spool, and the counters know the rest.
        let _ = self.client.blocking_shutdown(SHUTDOWN_TIMEOUT);
        drop(ours);
    }
}
