//! HTTP as exporters speak it: a client of their own, what is posted, and what is answered.

use std::error::Error;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
#[cfg(feature = "otlp")]
use reqwest::header::CONTENT_TYPE;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::config::secret::{REDACTED, Secret};
use crate::error::ExportError;

/// The longest answer that is read.
const MOST_ANSWER_BYTES: usize = 4 << 20;

/// How much of a refusal's text goes into a warning.
const REASON_CHARS: usize = 300;

/// How long a connection may take to come about, within the time of the request.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// A client for this address, with headers for every request. It follows no redirect: it would carry keys along.
///
/// Fails, in words, if the system's certificates cannot be read for an address that begins with `https:`.
pub(super) fn client(url: &Url, headers: HeaderMap, timeout: Duration) -> Result<Client, String> {
    let tls =
        tls(url.scheme() == "https").map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let mut client = Client::builder()
        .user_agent(concat!("rollout-rust/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .http1_only()
        .connect_timeout(CONNECT.min(timeout))
        .timeout(timeout)
        .tls_backend_preconfigured(tls);
    if is_loopback(url) {
        client = client.no_proxy();
    }
    client
        .build()
        .map_err(|error| format!("no client for it: {}", chain(&error)))
}

/// What the other side answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The wait that it asks for.
    pub(super) after: Option<Duration>,
    /// What its body is.
    #[cfg(feature = "otlp")]
    pub(super) media_type: Option<String>,
    /// Its body, or why that could not be read.
    pub(super) body: Result<Vec<u8>, String>,
}

/// Sends a request; that no answer came is reason to try again.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, ExportError> {
    let mut response = request
        .send()
        .await
        .map_err(|error| ExportError::retry(chain(&error)))?;
    Ok(Answer {
        after: retry_after(response.headers()),
        #[cfg(feature = "otlp")]
        media_type: response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| Some(kind.to_str().ok()?.to_owned())),
        body: read(&mut response).await,
        status: response.status(),
    })
}

impl Answer {
    /// Why it is a refusal, in the other side's words, without these secrets.
    pub(super) fn reason<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> String {
        let text = self.body.as_deref().unwrap_or_default();
        let mut text = String::from_utf8_lossy(text).into_owned();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, REDACTED);
        }
        let text: String = text
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(REASON_CHARS)
            .collect();
        if text.is_empty() {
            self.status.to_string()
        } else {
            format!("{}: {text}", self.status)
        }
    }

    /// What a refusal means to an API of ours, whose key the setting `variable` gives.
    pub(super) fn refusal(&self, key: Option<&Secret<String>>, variable: &str) -> ExportError {
        let reason = self.reason(key.map(|key| key.as_str()));
        let (status, after) = (self.status.as_u16(), self.after);
        let code = format!("http_{status}");
        match status {
            408 | 425 | 429 | 500..=599 => ExportError::Retry { after, reason },
            413 => ExportError::TooLarge { reason },
            400 | 422 => ExportError::Invalid { code, reason },
            401 | 403 => ExportError::Stop {
                reason: format!("{reason}; check {variable}"),
            },
            _ => ExportError::Rejected { code, reason },
        }
    }
}

/// TLS by ring, given explicitly: the process's own choice of a provider is left alone. Without
/// `https` no certificate of the system is read.
pub(super) fn tls(https: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if https {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

/// A proxy of the environment is not meant for the own machine.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// The answer's body, decoded by nobody: none was asked for in an encoding.
async fn read(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| format!("an answer that broke off: {}", chain(&error)))?
    {
        if body.len() + chunk.len() > MOST_ANSWER_BYTES {
            return Err(format!("an answer of more than {MOST_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(
        at.duration_since(Timestamp::now())
            .try_into()
            .unwrap_or_default(),
    )
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
