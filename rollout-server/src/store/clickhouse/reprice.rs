//! Costs of stored traces, worked out anew.

use std::collections::HashMap;

use super::{ClickHouse, rows::Extent};
use crate::{
    query::{RepricePage, RepriceQuery, RepricedTrace, TraceQuery},
    store::StoreError,
};

/// Traces that are folded at once.
const AT_ONCE: u64 = 200;

/// Dollars by which sums differ that are the same: of numbers added up in another order.
const SAME: f64 = 1e-9;

impl ClickHouse {
    /// Folds some traces again by the query's prices. Inserts nothing in a dry run.
    pub(super) fn reprice(&self, query: &RepriceQuery) -> Result<RepricePage, StoreError> {
        let listed = self.traces(&TraceQuery {
            filter: query.filter.clone(),
            ascending: false,
            limit: AT_ONCE,
            cursor: query.cursor.clone(),
        })?;
        let mut extents: Vec<Extent> = Vec::new();
        for trace in &listed.traces {
            extents.extend(self.find(&trace.trace_id)?);
        }
        let read = self.read(extents.iter().map(|extent| extent.trace.as_str()))?;
        let traces: Vec<_> = extents
            .iter()
            .map(|extent| {
                let events = read.get(&extent.trace).map_or(&[][..], Vec::as_slice);
                (extent, events)
            })
            .collect();
        let folded = self.fold_with(&traces, &query.prices)?;
        let costs: HashMap<&str, Option<f64>> = folded
            .rows
            .iter()
            .filter_map(|row| {
                let shown = row.trace_id.as_ref().or(row.external_trace_id.as_ref())?;
                Some((shown.as_str(), row.cost_usd))
            })
            .collect();
        let mut page = RepricePage {
            next_cursor: listed.next_cursor,
            unpriced: folded.unpriced.clone(),
            ..RepricePage::default()
        };
        for trace in listed.traces {
            let (before, after) = (
                trace.cost_usd,
                costs.get(trace.trace_id.as_str()).copied().flatten(),
            );
            page.looked_at += 1;
            page.before_usd += before.unwrap_or(0.0);
            page.after_usd += after.unwrap_or(0.0);
            let differs = match (before, after) {
                (Some(before), Some(after)) => (before - after).abs() > SAME,
                (before, after) => before.is_some() != after.is_some(),
            };
            if differs {
                page.changed.push(RepricedTrace {
                    trace_id: trace.trace_id,
                    name: trace.name,
                    before_usd: before,
                    after_usd: after,
                });
            }
        }
        if !query.dry_run && !page.changed.is_empty() {
            self.insert_folded(&folded)?;
        }
        Ok(page)
    }
}
