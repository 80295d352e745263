//! API keys, and the sessions of browsers that have shown one.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a browser need not show a key again.
const SESSION: Duration = Duration::from_hours(12);
/// Sessions at once; the oldest go first.
const SESSIONS: usize = 1024;
const COOKIE: &str = "rollout_session";

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// To send events.
    Ingest,
    /// To read what is stored.
    Read,
}

/// An API key of the server's, kept as a hash. Written `KEY`, `ingest=KEY` or `read=KEY`.
#[derive(Clone)]
pub struct ApiKey {
    hash: [u8; 32],
    /// The only thing it allows; none: everything.
    only: Option<Scope>,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey;

impl std::fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key is KEY, ingest=KEY or read=KEY, of visible ASCII characters")
    }
}

impl std::error::Error for InvalidKey {}

impl FromStr for ApiKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let scoped = [("ingest=", Scope::Ingest), ("read=", Scope::Read)];
        let scoped = scoped
            .into_iter()
            .find_map(|(prefix, scope)| Some((text.strip_prefix(prefix)?, Some(scope))));
        let (key, only) = scoped.unwrap_or((text, None));
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey);
        }
        Ok(Self {
            hash: hash(key),
            only,
        })
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Who may do what.
#[derive(Clone)]
pub(super) struct Access {
    keys: Arc<[ApiKey]>,
    /// By the hash of what the browser holds: when it ends.
    sessions: Arc<Mutex<HashMap<[u8; 32], Instant>>>,
}

impl Access {
    pub(super) fn new(keys: Vec<ApiKey>) -> Self {
        Self {
            keys: keys.into(),
            sessions: Arc::default(),
        }
    }

    /// Whether no key is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a request may do this.
    pub(super) fn allows(&self, headers: &HeaderMap, scope: Scope) -> bool {
        if self.is_open() {
            return true;
        }
        if let Some(key) = bearer(headers) {
            return self.is_key(key, scope);
        }
        // Browsers send a password by themselves, so it is for programs alone.
        if scope == Scope::Ingest
            && let Some(key) = password(headers)
        {
            return self.is_key(&key, scope);
        }
        scope == Scope::Read && cookie(headers).is_some_and(|session| self.is_session(session))
    }

    /// Looks at every key, so that the time it takes tells nothing.
    fn is_key(&self, key: &str, scope: Scope) -> bool {
        let hash = hash(key);
        self.keys.iter().fold(false, |found, known| {
            let same = bool::from(known.hash.ct_eq(&hash));
            found | (same & known.only.is_none_or(|only| only == scope))
        })
    }

    fn is_session(&self, session: &str) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions
            .get(&hash(session))
            .is_some_and(|end| *end > Instant::now())
    }

    /// Opens a session for a browser that shows a key: the cookie to set. `None` for a wrong key.
    pub(super) fn log_in(&self, key: &str) -> Option<String> {
        if !self.is_key(key.trim(), Scope::Read) {
            return None;
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let session = format!("{:032x}", u128::from_ne_bytes(random));
        let now = Instant::now();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, end| *end > now);
        if sessions.len() >= SESSIONS
            && let Some(oldest) = sessions
                .iter()
                .min_by_key(|(_, end)| **end)
                .map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&session), now + SESSION);
        let age = SESSION.as_secs();
        Some(format!(
            "{COOKIE}={session}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict"
        ))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    credentials(headers, "bearer")
}

/// The key as clients of Langfuse send it: the password of a user who may be called anything.
fn password(headers: &HeaderMap) -> Option<String> {
    let pair = BASE64_STANDARD
        .decode(credentials(headers, "basic")?)
        .ok()?;
    let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some(password.to_owned())
}

/// What follows the name of the scheme.
fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (named, credentials) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    named
        .eq_ignore_ascii_case(scheme)
        .then(|| credentials.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
