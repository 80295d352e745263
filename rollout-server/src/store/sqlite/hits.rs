//! Where a text stands among the spans of one trace.

use rusqlite::{Connection, OptionalExtension};

use super::{detail, payload, spans::Trees};
use crate::{
    query::{Needle, SEARCHED_BYTES, SpanHit, SpanHits},
    store::StoreError,
};

pub(super) fn hits(
    connection: &Connection,
    trees: &Trees,
    trace_id: &str,
    text: &str,
    limit: u64,
) -> Result<Option<SpanHits>, StoreError> {
    let Some((trace, version)) = detail::find(connection, trace_id)? else {
        return Ok(None);
    };
    let Some(needle) = Needle::new(text) else {
        return Ok(Some(SpanHits {
            complete: true,
            ..SpanHits::default()
        }));
    };
    let tree = trees.of(connection, trace, version)?;
    let mut words = connection.prepare_cached(
        "SELECT span_id, coalesce(name, kind), error_message FROM spans WHERE id = ?1",
    )?;
    let mut payloads = connection.prepare_cached(
        "SELECT id, body FROM span_payloads WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?;
    let (mut hits, mut read) = (SpanHits::default(), 0);
    for place in &tree.places {
        let found = words.query_row([place.row], |row| {
            let name: Option<String> = row.get(1)?;
            let error: Option<String> = row.get(2)?;
            Ok((row.get(0)?, name, error))
        });
        let Some((span_id, name, error)) = found.optional()? else {
            continue;
        };
        let mut parts = Vec::new();
        let mut part = |name: &str, has: bool| {
            if has && !parts.iter().any(|known| known == name) {
                parts.push(name.to_owned());
            }
        };
        part("name", name.is_some_and(|name| needle.is_in(&name)));
        part("error", error.is_some_and(|error| needle.is_in(&error)));
        let first = payload::id(place.row, 0);
        let mut rows = payloads.query([first, payload::id(place.row, 7)])?;
        while let Some(row) = rows.next()? {
            let title = match row.get::<_, i64>(0)? - first {
                payload::INPUT => "input",
                payload::OUTPUT | payload::PREVIEW => "output",
                payload::ATTRIBUTES => "attributes",
                _ => continue,
            };
            let body = row.get_ref(1)?.as_str().unwrap_or_default();
            read += body.len();
            part(title, needle.is_in_json(body));
        }
        if !parts.is_empty() {
            if hits.spans.len() as u64 == limit {
                return Ok(Some(hits));
            }
            hits.spans.push(SpanHit { span_id, parts });
        }
        if read > SEARCHED_BYTES {
            return Ok(Some(hits));
        }
    }
    hits.complete = true;
    Ok(Some(hits))
}
