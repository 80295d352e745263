//! The query API, asked over HTTP like anybody would.

use std::fmt::Display;

use reqwest::{Client, StatusCode, Url};
use serde::{Serialize, de::DeserializeOwned};

use super::Failure;
use crate::query::{MAX_SPANS, SpanDetail, SpanPage, TraceDetail, TracePage};

/// A trace with its spans.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    pub(super) trace: TraceDetail,
    pub(super) spans: Vec<SpanDetail>,
}

pub(super) struct Api {
    http: Client,
    address: Url,
}

impl Api {
    pub(super) fn new(address: &str) -> Result<Self, Failure> {
        let failed = |error: &dyn Display| Failure::told(format!("cannot ask {address}: {error}"));
        // No proxy stands before this machine's own ports.
        let http = Client::builder().no_proxy().build();
        Ok(Self {
            http: http.map_err(|error| failed(&error))?,
            address: Url::parse(address).map_err(|error| failed(&error))?,
        })
    }

    /// All traces, the oldest first.
    pub(super) async fn traces(&self) -> Result<Vec<Whole>, Failure> {
        let mut traces = Vec::new();
        let page: TracePage = self.get(&["traces"], &[("limit", "100")]).await?;
        for trace in page.traces.iter().rev() {
            traces.push(self.trace(&trace.trace_id).await?);
        }
        Ok(traces)
    }

    async fn trace(&self, id: &str) -> Result<Whole, Failure> {
        let trace = self.get(&["traces", id], &[]).await?;
        let limit = MAX_SPANS.to_string();
        let page: SpanPage = self
            .get(&["traces", id, "spans"], &[("limit", &limit)])
            .await?;
        let mut spans = Vec::new();
        for span in &page.spans {
            spans.push(
                self.get(&["traces", id, "spans", &span.span_id], &[])
                    .await?,
            );
        }
        Ok(Whole { trace, spans })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let mut url = self.address.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let failed = |error: &dyn Display| Failure::told(format!("GET {url}: {error}"));
        let answer = self.http.get(url.clone()).send().await;
        let answer = answer.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| failed(&error))?;
        if status != StatusCode::OK {
            return Err(failed(&format_args!("{status}: {body}")));
        }
        serde_json::from_str(&body).map_err(|error| failed(&error))
    }
}
