//! Requests, and what their answers mean.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::Client;

use super::collect::Ready;
use super::request::request;
use super::route::Route;
use crate::config::{Config, OtlpSettings};
use crate::error::{ConfigError, ExportError};
use crate::export::Rejection;
use crate::export::client::{self, Answer};

/// A request closes at so many bytes of spans, before they are compressed.
const REQUEST_BYTES: usize = 4 << 20;

/// What is yet to be sent of a batch.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The batch's id.
    pub(super) of: u128,
    requests: VecDeque<Vec<Ready>>,
    /// The body of the first request: a retry sends the same bytes.
    body: Option<Vec<u8>>,
    /// What was refused.
    pub(super) rejected: Vec<Rejection>,
}

impl Outbox {
    pub(super) fn new(of: u128, ready: Vec<Ready>, rejected: Vec<Rejection>) -> Self {
        let mut requests: VecDeque<Vec<Ready>> = VecDeque::new();
        let mut bytes = REQUEST_BYTES;
        for ready in ready {
            let length = ready.span.encoded_len();
            if bytes + length > REQUEST_BYTES {
                requests.push_back(Vec::new());
                bytes = 0;
            }
            bytes += length;
            if let Some(last) = requests.back_mut() {
                last.push(ready);
            }
        }
        Self {
            of,
            requests,
            body: None,
            rejected,
        }
    }

    /// The first request is done with.
    fn done(&mut self) -> Vec<Ready> {
        self.body = None;
        self.requests.pop_front().unwrap_or_default()
    }

    /// Its spans are refused, all of them.
    fn reject(&mut self, code: &str, message: &str) {
        for ready in self.done() {
            self.rejected.push(Rejection {
                index: ready.index,
                code: code.to_owned(),
                message: message.to_owned(),
            });
        }
    }

    /// It goes in two halves, or, if it is one span, not at all.
    fn split(&mut self, code: &str, message: &str) {
        if self.requests.front().is_none_or(|first| first.len() < 2) {
            return self.reject(code, message);
        }
        let mut first = self.done();
        let second = first.split_off(first.len() / 2);
        self.requests.push_front(second);
        self.requests.push_front(first);
    }
}

/// Sends requests to one address.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    route: Route,
    settings: OtlpSettings,
}

impl Sender {
    pub(super) fn new(route: Route, config: &Config) -> Result<Self, ConfigError> {
        let headers = route.headers.clone();
        let client = client::client(&route.url, headers, route.timeout).map_err(|problem| {
            ConfigError::new("otlp_endpoint", Some(route.url.as_str()), problem)
        })?;
        Ok(Self {
            client,
            route,
            settings: config.otlp().clone(),
        })
    }

    /// Sends what is left. An error says what is to be tried again, or that there is no use.
    pub(super) async fn send(&self, outbox: &mut Outbox) -> Result<(), ExportError> {
        while let Some(first) = outbox.requests.front() {
            let body = match &outbox.body {
                Some(body) => body.clone(),
                None => match self.encode(first) {
                    Ok(body) => outbox.body.insert(body).clone(),
                    Err(error) => {
                        outbox.reject("encode", &error.to_string());
                        continue;
                    }
                },
            };
            let mut request = self.client.post(self.route.url.clone()).body(body);
            if let Some((name, secret)) = &self.route.basic {
                request = request.basic_auth(name, Some(secret));
            }
            let answer = client::send(request).await?;
            self.receive(&answer, outbox)?;
        }
        Ok(())
    }

    /// The rules of OTLP for what is tried again: these statuses, and no other.
    fn receive(&self, answer: &Answer, outbox: &mut Outbox) -> Result<(), ExportError> {
        if answer.status.is_success() {
            let (rejected, message) = partial(answer);
            let spans = outbox.done();
            let mut left: BTreeSet<usize> = spans.iter().map(|ready| ready.index).collect();
            // Which ones it means it does not say; that they are lost has to be counted.
            for _ in 0..rejected {
                let Some(index) = left.pop_last() else { break };
                outbox.rejected.push(Rejection {
                    index,
                    code: "partial_success".to_owned(),
                    message: message.clone(),
                });
            }
            return Ok(());
        }
        let reason = answer.reason(self.route.secrets.iter().map(String::as_str));
        let after = answer.after;
        let code = format!("http_{}", answer.status.as_u16());
        match answer.status.as_u16() {
            429 | 502 | 503 | 504 => return Err(ExportError::Retry { after, reason }),
            401 | 403 => {
                let look = self.route.access;
                return Err(ExportError::Stop {
                    reason: format!("{reason}; check {look}"),
                });
            }
            413 => outbox.split("too_large", &reason),
            // One bad span may spoil a request of many.
            400 | 422 => outbox.split(&code, &reason),
            _ => outbox.reject(&code, &reason),
        }
        Ok(())
    }

    /// A request of spans, grouped by the programs that they are of.
    fn encode(&self, spans: &[Ready]) -> io::Result<Vec<u8>> {
        let body = request(spans, &self.settings).encode_to_vec();
        if !self.route.compresses {
            return Ok(body);
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&body)?;
        gzip.finish()
    }
}

/// How many spans an answer of success refuses, and why. One that is none of OTLP's (some send JSON, or nothing)
/// refuses none.
fn partial(answer: &Answer) -> (u64, String) {
    let is_protobuf = answer.media_type.as_deref().is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("application/x-protobuf")
    });
    let body = answer.body.as_deref().unwrap_or_default();
    let read = ExportTraceServiceResponse::decode(body);
    let said = read.ok().filter(|_| is_protobuf);
    let partial = said.and_then(|said| said.partial_success);
    let Some(partial) = partial else {
        return (0, String::new());
    };
    let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
    if rejected == 0 && !partial.error_message.is_empty() {
        log::info!(
            "rollout: a receiver of spans took them all and said: {}",
            partial.error_message
        );
    }
    (rejected, partial.error_message)
}
