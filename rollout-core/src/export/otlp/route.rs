//! Where spans go, and what goes along.

use reqwest::Url;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use std::time::Duration;

use super::write::Words;
use crate::config::{Config, ExporterKind};
use crate::error::ConfigError;

/// Without it, MLflow takes nothing.
const MLFLOW: &str = "x-mlflow-experiment-id";

/// An address, with all that belongs to it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// The name and the secret of Basic authorization.
    pub(super) basic: Option<(String, String)>,
    /// What no warning may show.
    pub(super) secrets: Vec<String>,
    pub(super) compresses: bool,
    pub(super) timeout: Duration,
    pub(super) words: Words,
    /// What to look at when access is refused.
    pub(super) access: &'static str,
}

impl Route {
    pub(super) fn of(kind: ExporterKind, config: &Config) -> Result<Self, ConfigError> {
        let settings = config.otlp();
        settings.check(kind)?;
        let mut route = match kind {
            ExporterKind::Langfuse => {
                let host = config.langfuse_host();
                let path = "/api/public/otel/v1/traces";
                let mut route = Self::to("langfuse_host", &format!("{host}{path}"), config)?;
                if let Some((public, secret)) = settings.langfuse_keys() {
                    route.basic = Some((public.to_owned(), secret.as_str().to_owned()));
                    route.secrets = vec![secret.as_str().to_owned()];
                }
                route.headers.insert(
                    HeaderName::from_static("x-langfuse-ingestion-version"),
                    HeaderValue::from_static("4"),
                );
                route.words = Words::Langfuse;
                route.access = "LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY";
                route
            }
            ExporterKind::TraceRoot => {
                let host = config.traceroot_host();
                let path = "/api/v1/public/traces";
                let mut route = Self::to("traceroot_host", &format!("{host}{path}"), config)?;
                if let Some(key) = settings.traceroot_key() {
                    route.header(AUTHORIZATION, &format!("Bearer {}", key.as_str()))?;
                    route.secrets = vec![key.as_str().to_owned()];
                }
                for (name, value) in [
                    ("x-traceroot-sdk-name", "rollout"),
                    ("x-traceroot-sdk-version", env!("CARGO_PKG_VERSION")),
                ] {
                    route.headers.insert(
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    );
                }
                route.words = Words::TraceRoot;
                route.access = "TRACEROOT_API_KEY";
                route
            }
            _ => {
                let mut route = Self::to("otlp_endpoint", &config.otlp_endpoint(), config)?;
                for (name, value) in settings.headers() {
                    let name = HeaderName::try_from(name.as_str()).map_err(|error| {
                        ConfigError::new("otlp_headers", None, error.to_string())
                    })?;
                    route.header(name, value.as_str())?;
                    route.secrets.push(value.as_str().to_owned());
                }
                if let Some(timeout) = settings.timeout() {
                    route.timeout = timeout;
                }
                route.compresses = settings.compresses();
                if route.headers.contains_key(MLFLOW) {
                    route.words = Words::MlFlow;
                }
                route
            }
        };
        let kind = HeaderValue::from_static("application/x-protobuf");
        route.headers.insert(CONTENT_TYPE, kind);
        if route.compresses {
            let gzip = HeaderValue::from_static("gzip");
            route.headers.insert(CONTENT_ENCODING, gzip);
        }
        Ok(route)
    }

    fn to(setting: &'static str, address: &str, config: &Config) -> Result<Self, ConfigError> {
        let url = Url::parse(address).map_err(|error| {
            ConfigError::new(setting, Some(address), format!("is no address: {error}"))
        })?;
        Ok(Self {
            url,
            headers: HeaderMap::new(),
            basic: None,
            secrets: Vec::new(),
            compresses: true,
            timeout: config.timeout(),
            words: Words::Own,
            access: "OTEL_EXPORTER_OTLP_HEADERS",
        })
    }

    fn header(&mut self, name: HeaderName, value: &str) -> Result<(), ConfigError> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|error| ConfigError::new("otlp_headers", None, error.to_string()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }
}
