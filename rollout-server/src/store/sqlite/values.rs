//! Values of a key, to complete a filter with.

use std::collections::HashMap;

use rusqlite::Connection;

use super::{
    dictionary::{self, Facet, number},
    facts::Lookup,
    list::places,
};
use crate::{
    query::{Key, ValueCount, ValueQuery},
    store::StoreError,
};

/// Traces among which values are counted.
const NEWEST: usize = 10_000;

pub(super) fn values(
    connection: &Connection,
    query: &ValueQuery,
) -> Result<Vec<ValueCount>, StoreError> {
    let newest = places(connection, (None, None), None, false, NEWEST)?;
    let mut found: Vec<(String, u64)> = if query.key == Key::Id {
        ids(connection, &newest)?
    } else {
        let (facets, name) = Facet::of(&query.key);
        let mut counts: HashMap<u32, u64> = HashMap::new();
        let mut lookup = Lookup::new(connection);
        for (_, row) in &newest {
            let Some(facts) = lookup.of(*row)? else {
                continue;
            };
            for code in facts.values() {
                if facets.iter().any(|facet| facet.has(code)) {
                    *counts.entry(code).or_default() += 1;
                }
            }
        }
        let mut texts: HashMap<String, u64> = HashMap::new();
        for (code, count) in counts {
            if let Some((of, text)) = dictionary::text(connection, number(code))?
                && of == name
            {
                *texts.entry(text).or_default() += count;
            }
        }
        texts.into_iter().collect()
    };
    let prefix = query.prefix.to_lowercase();
    found.retain(|(value, _)| value.to_lowercase().starts_with(&prefix));
    found.sort_unstable_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    found.truncate(query.limit as usize);
    let counted = found.into_iter();
    Ok(counted
        .map(|(value, count)| ValueCount { value, count })
        .collect())
}

fn ids(connection: &Connection, newest: &[(i64, i64)]) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(trace_id, external_trace_id, '') FROM traces WHERE id = ?1",
    )?;
    let ids = newest
        .iter()
        .map(|(_, row)| statement.query_row([row], |row| Ok((row.get(0)?, 1))));
    Ok(ids.collect::<Result<_, _>>()?)
}
