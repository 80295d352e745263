//! What OpenTelemetry's variables say, and those of the backends that its protocol leads to.

use std::time::Duration;

use super::secret::Secret;
use super::{Config, ExporterKind};
use crate::context::percent_decoded;
use crate::error::ConfigError;

/// Where spans go by OTLP where nobody says: a collector on the same machine.
const COLLECTOR: &str = "http://localhost:4318";

/// The signal's path, which is added to an address that holds for all signals.
const TRACES: &str = "/v1/traces";

/// Names of HTTP headers, in lower case, and their values.
pub(super) type Headers = Vec<(String, Secret<String>)>;

/// The settings of the exporters `otlp`, `langfuse` and `traceroot`.
#[derive(Clone, Debug, Default)]
pub(crate) struct OtlpSettings {
    pub(super) endpoint: Option<String>,
    pub(super) traces_endpoint: Option<String>,
    pub(super) headers: Headers,
    pub(super) timeout: Duration,
    pub(super) compression: Option<&'static str>,
    pub(super) protocol: Option<&'static str>,
    pub(super) service_name: Option<String>,
    pub(super) resource: Vec<(String, String)>,
    pub(super) sdk_disabled: bool,
    pub(super) exporter: Option<String>,
    pub(super) langfuse_public: Option<Secret<String>>,
    pub(super) langfuse_private: Option<Secret<String>>,
    pub(super) langfuse_host: Option<String>,
    pub(super) traceroot_api_key: Option<Secret<String>>,
    pub(super) traceroot_host: Option<String>,
}

impl OtlpSettings {
    /// Which of these exporters the settings ask for without naming it, and by which variable.
    pub(super) fn asked_for(&self) -> impl Iterator<Item = (ExporterKind, &'static str)> {
        let endpoint = match (&self.traces_endpoint, &self.endpoint) {
            _ if self.sdk_disabled || self.exporter.as_deref() == Some("none") => None,
            (Some(_), _) => Some("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (None, Some(_)) => Some("OTEL_EXPORTER_OTLP_ENDPOINT"),
            (None, None) => None,
        };
        let langfuse = self.langfuse_public.is_some() || self.langfuse_private.is_some();
        let traceroot = self.traceroot_api_key.is_some();
        [
            endpoint.map(|variable| (ExporterKind::Otlp, variable)),
            langfuse.then_some((ExporterKind::Langfuse, "LANGFUSE_PUBLIC_KEY")),
            traceroot.then_some((ExporterKind::TraceRoot, "TRACEROOT_API_KEY")),
        ]
        .into_iter()
        .flatten()
    }

    /// What one of these exporters lacks, if that is anything.
    pub(crate) fn check(&self, kind: ExporterKind) -> Result<(), ConfigError> {
        let lacks = |exporter, variable| {
            let problem = format!("needs a key: set {variable}");
            Err(ConfigError::new("exporters", Some(exporter), problem))
        };
        match kind {
            ExporterKind::Langfuse if self.langfuse_public.is_none() => {
                lacks("langfuse", "LANGFUSE_PUBLIC_KEY")
            }
            ExporterKind::Langfuse if self.langfuse_private.is_none() => {
                lacks("langfuse", "LANGFUSE_SECRET_KEY")
            }
            ExporterKind::TraceRoot if self.traceroot_api_key.is_none() => {
                lacks("traceroot", "TRACEROOT_API_KEY")
            }
            _ => Ok(()),
        }
    }
}

#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "the exporters are who asks")
)]
impl OtlpSettings {
    /// What goes along with every request of the exporter `otlp`.
    pub(crate) fn headers(&self) -> &[(String, Secret<String>)] {
        &self.headers
    }

    /// How long one of its requests may take, where that is said.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        Some(self.timeout).filter(|timeout| !timeout.is_zero())
    }

    /// Whether its bodies are compressed.
    pub(crate) fn compresses(&self) -> bool {
        self.compression != Some("none")
    }

    /// The name of the service, where only OpenTelemetry's variables tell it.
    pub(crate) fn service_name(&self) -> Option<&str> {
        let said = self.resource.iter().find(|(key, _)| key == "service.name");
        let said = said.map(|(_, name)| name.as_str());
        self.service_name.as_deref().or(said)
    }

    /// Attributes of every resource.
    pub(crate) fn resource(&self) -> &[(String, String)] {
        &self.resource
    }

    /// Langfuse's keys, the public one first.
    pub(crate) fn langfuse_keys(&self) -> Option<(&str, &Secret<String>)> {
        let public = self.langfuse_public.as_ref()?;
        Some((public.as_str(), self.langfuse_private.as_ref()?))
    }

    /// TraceRoot's key.
    pub(crate) fn traceroot_key(&self) -> Option<&Secret<String>> {
        self.traceroot_api_key.as_ref()
    }
}

impl Config {
    #[cfg(feature = "otlp")]
    pub(crate) fn otlp(&self) -> &OtlpSettings {
        &self.otlp
    }

    /// Where the exporter `otlp` sends spans to: the address for traces as it is, or the one for all signals with
    /// `/v1/traces` behind it, or that of a collector on the same machine.
    pub fn otlp_endpoint(&self) -> String {
        match (&self.otlp.traces_endpoint, &self.otlp.endpoint) {
            (Some(address), _) => address.clone(),
            (None, Some(address)) => format!("{address}{TRACES}"),
            (None, None) => format!("{COLLECTOR}{TRACES}"),
        }
    }

    /// Where Langfuse is, without slashes after it.
    pub fn langfuse_host(&self) -> &str {
        self.otlp.langfuse_host.as_deref().unwrap_or_default()
    }

    /// Where TraceRoot is, without slashes after it.
    pub fn traceroot_host(&self) -> &str {
        self.otlp.traceroot_host.as_deref().unwrap_or_default()
    }
}

/// A list `key=value,key=value`, as the header `baggage` writes one: with blanks around each part, and bytes of values
/// that may be written as `%` and two hex digits. What follows a `;` is left out.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        let value = value.split(';').next().unwrap_or_default();
        let key = percent_decoded(key.trim());
        if key.is_empty() {
            return None;
        }
        pairs.retain(|(known, _)| *known != key);
        pairs.push((key, percent_decoded(value.trim())));
    }
    Some(pairs)
}

/// The same with names and values that HTTP has room for.
pub(super) fn headers(text: &str) -> Option<Headers> {
    let is_token = |name: &str| {
        let special = b"!#$%&'*+-.^_`|~";
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || special.contains(&byte))
    };
    let is_value = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    pairs(text)?
        .into_iter()
        .map(|(name, value)| {
            (is_token(&name) && is_value(&value))
                .then(|| (name.to_ascii_lowercase(), Secret::new(value)))
        })
        .collect()
}
