//! The exporter `http`: batches to an ingest API, `POST {base}/v1/events:batch`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};

use super::client::{self, Answer};
use super::{Batch, ExportFuture, Exporter, ForChild, Receipt, Rejection, child};
use crate::config::Config;
use crate::config::secret::Secret;
use crate::error::{ConfigError, ExportError};
use crate::event::{self, EventBatchResponse};

/// Says which process recorded the events of a request.
const WRITER: HeaderName = HeaderName::from_static("rollout-writer");

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
        let client = client::client(&url, headers, config.timeout()).map_err(refuse)?;
        Ok(Self {
            client,
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
        let answer = self.send(request, batch.writer()).await?;
        let status = answer.status;
        if status.is_success() {
            let answer = answer.body.and_then(|text| parse(&text));
            if answer.is_ok() {
                self.body = None;
            }
            // The events may well be stored: sending them again does no harm, their ids tell.
            return answer.map_err(|error| ExportError::retry(format!("{status} with {error}")));
        }
        Err(self.refusal(&answer))
    }

    /// Sends a request in the name of a writer.
    async fn send(
        &self,
        mut request: RequestBuilder,
        writer: Option<&str>,
    ) -> Result<Answer, ExportError> {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.as_str());
        }
        if let Some(writer) = writer {
            request = request.header(WRITER, writer);
        }
        client::send(request).await
    }

    /// Says that a writer is gone, to a server that wants to know.
    async fn tell_gone(&self, writer: &str) -> Result<Receipt, ExportError> {
        let request = self.client.post(self.gone.clone());
        let answer = self.send(request, Some(writer)).await?;
        if answer.status.is_success() {
            return Ok(Receipt::all());
        }
        Err(self.refusal(&answer))
    }

    fn refusal(&self, answer: &Answer) -> ExportError {
        answer.refusal(self.key.as_ref(), "ROLLOUT_API_KEY")
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
