//! What of a trace is searched for a text.

use rusqlite::Connection;

use crate::store::StoreError;

/// All of a trace's texts in lower case, apart by zeros: its name, inputs, outputs, errors and messages, and those of its
/// spans.
pub(super) fn of(connection: &Connection, trace: i64) -> Result<String, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM traces WHERE id = ?1
         UNION ALL SELECT error_message FROM traces WHERE id = ?1
         UNION ALL SELECT body FROM trace_payloads WHERE id IN (8 * ?1, 8 * ?1 + 1)
         UNION ALL SELECT name FROM spans WHERE trace = ?1
         UNION ALL SELECT error_message FROM spans WHERE trace = ?1
         UNION ALL SELECT span_payloads.body FROM spans JOIN span_payloads
            ON span_payloads.id IN (8 * spans.id, 8 * spans.id + 1, 8 * spans.id + 3) WHERE trace = ?1
         UNION ALL SELECT body -> '$.message.content' FROM events WHERE trace = ?1 AND kind = 'message'",
    )?;
    let mut rows = statement.query([trace])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        if let Some(part) = row.get::<_, Option<String>>(0)? {
            text.push_str(&part.to_lowercase());
            text.push('\0');
        }
    }
    Ok(text)
}
