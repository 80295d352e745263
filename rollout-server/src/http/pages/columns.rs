//! The columns of the list of traces, and which of them a reader has put away.

use axum::http::{HeaderMap, header};

/// The cookie that names the columns put away, with dots between them. It is read here so that a page comes without
/// them, and not first with and then without.
const COOKIE: &str = "rollout_columns";

/// A column that can be put away.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) shown: bool,
}

const COLUMNS: [(&str, &str); 10] = [
    ("input", "Input"),
    ("output", "Output"),
    ("duration", "Latency"),
    ("spans", "Spans"),
    ("tokens", "Tokens"),
    ("cost", "Cost"),
    ("user", "User"),
    ("session", "Session"),
    ("tags", "Tags"),
    ("started", "Started"),
];

/// The columns as this reader wants them.
pub(super) fn of(headers: &HeaderMap) -> Vec<Column> {
    let cookies = headers.get_all(header::COOKIE);
    let pairs = cookies
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'));
    let away: Vec<&str> = pairs
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .flat_map(|names| names.split('.'))
        .collect();
    let columns = COLUMNS.iter().map(|(name, title)| Column {
        name,
        title,
        shown: !away.contains(name),
    });
    columns.collect()
}

/// The classes that put columns of a table away.
pub(super) fn classes(columns: &[Column]) -> String {
    let away = columns.iter().filter(|column| !column.shown);
    let classes: Vec<_> = away.map(|column| format!(" no-{}", column.name)).collect();
    classes.concat()
}
