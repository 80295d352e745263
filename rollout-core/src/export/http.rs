//! The exporter `http`: batches to an ingest API, `POST {base}/v1/events:batch`.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use reqwest::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::{Batch, ExportFuture, Exporter, ForChild, Receipt, Rejection, child};
use crate::config::Config;
use crate::config::secret::{REDACTED, Secret};
use crate::error::{ConfigError, ExportError};
use crate::event::{self, EventBatchResponse};

/// The longest answer that is read.
const MOST_ANSWER_BYTES: usize = 4 << 20;

/// Says which process recorded the events of a request.
const WRITER: HeaderName = HeaderName::from_static("rollout-writer");

/// How much of a refusal's text goes into a warning.
const REASON_CHARS: usize = 300;

/// How long a connection may take to come about, within the time of the request.
const CONNECT: Duration = Duration::from_secs(10);

/// Sends events to an ingest API.
#[derive(Debug)]
pub struct HttpExporter {
    client: Client,
    url: Url,
    /// Where it is said that a writer is gone.
    gone: Url,
    key: Option<Secret<String>>,
    config: Config,
    /// The body that was sent last: a retry sends the same bytes.
    body: Option<(u128, Vec<u8>)>,
}

impl HttpExporter {
    /// An exporter to the address of `config`, with its key and time-out.
    ///
    /// Fails if there is no address, or if the system's certificates cannot be read for one
    /// that begins with `https:`.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let Some(base) = config.base_url() else {
            let problem = "needs an address: set ROLLOUT_ENDPOINT, or ROLLOUT_API_KEY for the \
                           hosted service";
            return Err(ConfigError::new("base_url", None, problem));
        };
        let refuse = |problem: String| ConfigError::new("base_url", Some(base), problem);
        let at = |path: &str| {
            Url::parse(&format!("{base}{path}"))
                .map_err(|error| refuse(format!("is no address: {error}")))
        };
        let url = at("/v1/events:batch")?;
        let gone = at("/v1/writers:gone")?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let tls = tls(url.scheme() == "https")
            .map_err(|error| refuse(format!("TLS cannot be set up: {error}")))?;
        let mut client = Client::builder()
            .user_agent(concat!("rollout-rust/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(CONNECT.min(config.timeout()))
            .timeout(config.timeout())
            .tls_backend_preconfigured(tls);
        if is_loopback(&url) {
            client = client.no_proxy();
        }
        Ok(Self {
            client: client
                .build()
                .map_err(|error| refuse(format!("no client for it: {}", chain(&error))))?,
            url,
            gone,
            key: config.api_key().cloned(),
            config: config.clone(),
            body: None,
        })
    }

    /// Posts a batch; the answer is the protocol's, or an error says what to do.
    pub(crate) async fn post(&mut self, batch: &Batch) -> Result<EventBatchResponse, ExportError> {
        let body = match &self.body {
            Some((id, body)) if *id == batch.id() => body.clone(),
            _ => {
                let body = encode(batch).map_err(|error| ExportError::Rejected {
                    code: "encode".into(),
                    reason: error.to_string(),
                })?;
                self.body.insert((batch.id(), body)).1.clone()
            }
        };
        let request = self.client.post(self.url.clone()).body(body);
        let (status, after, text) = self.send(request, batch.writer()).await?;
        if status.is_success() {
            let answer = text.and_then(|text| parse(&text));
            if answer.is_ok() {
                self.body = None;
            }
            // The events may well be stored: sending them again does no harm, their ids tell.
            return answer.map_err(|error| ExportError::retry(format!("{status} with {error}")));
        }
        Err(self.refusal(status, after, &text.unwrap_or_default()))
    }

    /// Sends a request in the name of a writer: the answer's status, the wait it asks for, and its body.
    async fn send(
        &self,
        mut request: RequestBuilder,
        writer: Option<&str>,
    ) -> Result<(StatusCode, Option<Duration>, Result<Vec<u8>, String>), ExportError> {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.as_str());
        }
        if let Some(writer) = writer {
            request = request.header(WRITER, writer);
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| ExportError::retry(chain(&error)))?;
        let after = retry_after(response.headers());
        let text = read(&mut response).await;
        Ok((response.status(), after, text))
    }

    /// Says that a writer is gone, to a server that wants to know.
    async fn tell_gone(&self, writer: &str) -> Result<Receipt, ExportError> {
        let request = self.client.post(self.gone.clone());
        let (status, after, text) = self.send(request, Some(writer)).await?;
        if status.is_success() {
            return Ok(Receipt::all());
        }
        Err(self.refusal(status, after, &text.unwrap_or_default()))
    }

    fn refusal(&self, status: StatusCode, after: Option<Duration>, text: &[u8]) -> ExportError {
        let text = String::from_utf8_lossy(text);
        let mut text: String = text.trim().chars().take(REASON_CHARS).collect();
        if let Some(key) = &self.key {
            text = text.replace(key.as_str(), REDACTED);
        }
        let reason = if text.is_empty() {
            status.to_string()
        } else {
            format!("{status}: {text}")
        };
        let code = format!("http_{}", status.as_u16());
        match status.as_u16() {
            408 | 425 | 429 | 500..=599 => ExportError::Retry { after, reason },
            413 => ExportError::TooLarge { reason },
            400 | 422 => ExportError::Invalid { code, reason },
            401 | 403 => ExportError::Stop {
                reason: format!("{reason}; check ROLLOUT_API_KEY"),
            },
            _ => ExportError::Rejected { code, reason },
        }
    }
}

impl Exporter for HttpExporter {
    fn name(&self) -> &'static str {
        "http"
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(async move { Ok(receipt(self.post(batch).await?, batch)) })
    }

    fn resumes(&self) -> bool {
        true
    }

    fn for_child(&self) -> Option<ForChild> {
        let config = self.config.clone();
        Some(Arc::new(move || match Self::new(&config) {
            Ok(exporter) => Box::new(exporter),
            Err(_) => child::absent("http"),
        }))
    }

    fn writer_gone<'a>(&'a mut self, writer: &'a str) -> ExportFuture<'a> {
        Box::pin(self.tell_gone(writer))
    }
}

/// TLS by ring, given explicitly: the process's own choice of a provider is left alone. Without
/// `https` no certificate of the system is read.
fn tls(https: bool) -> Result<ClientConfig, rustls::Error> {
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

/// The envelope around the events, which go in as they stand in the spool; gzip.
fn encode(batch: &Batch) -> io::Result<Vec<u8>> {
    let envelope = event::Batch::<()> {
        schema_version: event::SCHEMA_VERSION.into(),
        source: "sdk_rust".into(),
        sdk: event::Sdk {
            name: "rollout".into(),
            language: "rust".into(),
            version: Some(env!("CARGO_PKG_VERSION").into()),
        },
        batch_id: format!("batch_{}", super::uuid(batch.id())),
        sent_at: Timestamp::now(),
        events: Vec::new(),
    };
    let envelope = serde_json::to_vec(&envelope).map_err(io::Error::other)?;
    // `events` is the last field of the envelope.
    let head = envelope
        .strip_suffix(b"]}")
        .ok_or_else(|| io::Error::other("the envelope does not end with its events"))?;
    let mut body = GzEncoder::new(Vec::new(), Compression::fast());
    body.write_all(head)?;
    for (index, event) in batch.events().enumerate() {
        if index > 0 {
            body.write_all(b",")?;
        }
        body.write_all(event)?;
    }
    body.write_all(b"]}")?;
    body.finish()
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

fn parse(text: &[u8]) -> Result<EventBatchResponse, String> {
    serde_json::from_slice(text)
        .map_err(|error| format!("an answer that is not the protocol's: {error}"))
}

/// What the other side says of the events.
fn receipt(answer: EventBatchResponse, batch: &Batch) -> Receipt {
    let mut open: BTreeSet<usize> = (0..batch.len()).collect();
    let mut rejected: Vec<Rejection> = answer
        .errors
        .into_iter()
        .map(|error| Rejection {
            // An index beyond every batch is left out where it is counted.
            index: usize::try_from(error.index).unwrap_or(usize::MAX),
            code: error.code,
            message: error.message,
        })
        .filter(|rejection| open.remove(&rejection.index))
        .collect();
    // Which ones it means it does not say; that they are lost has to be counted.
    while (rejected.len() as u64) < answer.rejected
        && let Some(index) = open.pop_last()
    {
        rejected.push(Rejection {
            index,
            code: "unexplained".into(),
            message: "the answer counts more rejected events than it explains".into(),
        });
    }
    Receipt {
        rejected,
        retryable: answer.retryable,
    }
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
