//! Traces that called others.

use clickhouse::Row;
use serde::Deserialize;

use super::{
    ClickHouse,
    database::{list, quoted},
};
use crate::{query::TraceLink, store::StoreError};

#[derive(Row, Deserialize)]
struct Callee {
    trace_id: Option<String>,
    link_span_id: Option<String>,
    name: Option<String>,
}

impl ClickHouse {
    /// The traces that called a trace, by what it says of that, or that it called.
    pub(super) fn links(
        &self,
        trace_id: &str,
        (caller, span_id): (Option<String>, Option<String>),
    ) -> Result<Vec<TraceLink>, StoreError> {
        let mut links = Vec::new();
        let caller = match (caller, &span_id) {
            (None, Some(span_id)) if span_id.chars().count() != 16 => self.database.row(&format!(
                "SELECT assumeNotNull(trace_id) FROM rollout_traces FINAL
                 WHERE has(foreign_spans, {}) AND trace_id IS NOT NULL AND trace_id <> {} ORDER BY born LIMIT 1",
                quoted(span_id),
                quoted(trace_id)
            ))?,
            (caller, _) => caller,
        };
        if let Some(trace_id) = caller {
            let name: Option<Option<String>> = self.database.row(&format!(
                "SELECT name FROM rollout_traces FINAL WHERE trace = {}",
                quoted(&trace_id)
            ))?;
            links.push(TraceLink {
                relation: "caller".to_owned(),
                trace_id,
                span_id,
                name: name.flatten(),
            });
        }
        let own: Option<Vec<String>> = self.database.row(&format!(
            "SELECT foreign_spans FROM rollout_traces FINAL WHERE trace = {}",
            quoted(trace_id)
        ))?;
        let own = own.unwrap_or_default();
        let by_span = if own.is_empty() {
            String::new()
        } else {
            format!(
                " OR link_trace_id IS NULL AND link_span_id IN {}",
                list(own.iter().map(String::as_str))
            )
        };
        let callees: Vec<Callee> = self.database.rows(&format!(
            "SELECT trace_id, link_span_id, name FROM rollout_traces FINAL
             WHERE NOT gone AND trace <> {id} AND (link_trace_id = {id}{by_span}) ORDER BY sort_at, born",
            id = quoted(trace_id)
        ))?;
        links.extend(callees.into_iter().map(|callee| TraceLink {
            relation: "callee".to_owned(),
            trace_id: callee.trace_id.unwrap_or_default(),
            span_id: callee.link_span_id,
            name: callee.name,
        }));
        Ok(links)
    }
}
