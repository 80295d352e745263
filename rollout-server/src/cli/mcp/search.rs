//! `search`: where a text stands, or what is of a kind.

use rmcp::schemars;
use serde::Deserialize;

use super::{
    Failure, Local,
    answer::{Answer, short},
    list,
    tree::{Tree, error, failed},
};
use crate::{
    present,
    query::{
        Found, SpanDetail, TraceDetail, TraceQuery,
        found::{Needle, found, text_of},
    },
};

/// Spans whose values are looked through in one call.
const LOOKED_AT: usize = 20_000;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The text, in any case; a part of a word will do.
    text: Option<String>,
    /// Look within this trace: its id, the beginning of it, or `last` for the newest. Without it, all traces are looked
    /// through.
    trace: Option<String>,
    /// Among all traces: what they must have as well, as in `list_traces`.
    filter: Option<String>,
    /// Within a trace: only spans of this status, such as error, ok or running.
    status: Option<String>,
    /// Within a trace: only spans of this type, such as tool, llm, agent or retrieval.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Within a trace: spans that are passed over, in tree order.
    offset: Option<usize>,
    /// Among all traces: the cursor that the answer before this one has named.
    cursor: Option<String>,
    /// Among all traces: how many at most, from 1 to 100; 20 unless said.
    limit: Option<u64>,
    /// Tokens that the answer may take, from 300 to 50000; 2000 unless said.
    budget: Option<u64>,
}

pub(super) fn answer(local: &Local, asked: &Asked) -> Result<String, Failure> {
    let mut answer = Answer::within(asked.budget)?;
    let text = asked.text.as_deref().filter(|text| !text.trim().is_empty());
    if let Some(trace) = &asked.trace {
        only(
            "trace",
            &[
                ("filter", asked.filter.is_some()),
                ("cursor", asked.cursor.is_some()),
                ("limit", asked.limit.is_some()),
            ],
        )?;
        if text.is_none() && asked.status.is_none() && asked.kind.is_none() {
            return Err(Failure::told(
                "say what to look for: \"text\", \"status\" or \"type\"; `outline` shows the whole trace",
            ));
        }
        within(local, &local.find(trace)?, asked, text, &mut answer)?;
    } else {
        only(
            "no trace",
            &[
                ("status", asked.status.is_some()),
                ("type", asked.kind.is_some()),
                ("offset", asked.offset.is_some()),
            ],
        )?;
        let words = asked.filter.as_deref().unwrap_or_default();
        if text.is_none() && words.trim().is_empty() {
            return Err(Failure::told(
                "say what to look for: \"text\", or a \"filter\"; `list_traces` lists all",
            ));
        }
        let query = TraceQuery {
            filter: list::filter(words, text)?,
            limit: list::limit(asked.limit)?,
            cursor: asked.cursor.clone(),
            ascending: false,
        };
        if list::write(local, query, &mut answer)? == 0 {
            list::nothing(local, &mut answer, false)?;
        }
    }
    Ok(answer.told())
}

/// Refuses arguments that say nothing here.
fn only(with: &str, others: &[(&str, bool)]) -> Result<(), Failure> {
    match others.iter().find(|(_, is_said)| *is_said) {
        Some((name, _)) => Err(Failure::told(format!(
            "`{name}` goes with {} to look in: here, there is {with}. Within a trace go \"text\", \"status\", \
                 \"type\", \"offset\"; among all go \"text\", \"filter\", \"cursor\", \"limit\"",
            if with == "trace" {
                "all traces"
            } else {
                "one trace"
            }
        ))),
        None => Ok(()),
    }
}

fn within(
    local: &Local,
    trace: &TraceDetail,
    asked: &Asked,
    text: Option<&str>,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let trace_id = &trace.summary.trace_id;
    let tree = Tree::read(local, trace_id)?;
    let needle = text.map(Needle::new);
    let from = asked.offset.unwrap_or(0);
    let mut more = None;
    let (mut shown, mut looked_at) = (0, 0);
    for (index, row) in tree.rows.iter().enumerate().skip(from) {
        let is_status = asked.status.as_deref().is_none_or(|status| {
            row.status.eq_ignore_ascii_case(status) || (status == "error" && failed(row))
        });
        if !is_status || asked.kind.as_deref().is_some_and(|kind| row.kind != kind) {
            continue;
        }
        let mut words = error_words(&tree, index);
        if let Some(needle) = &needle {
            if looked_at == LOOKED_AT {
                more = Some((index, "the spans behind have not been looked at"));
                break;
            }
            looked_at += 1;
            let Some(span) = local.store.span(trace_id, &row.span_id)? else {
                continue;
            };
            let Some(place) = stands(&span, needle) else {
                continue;
            };
            words = format!("{}: {}", place.part, short(&place.text, 200));
        }
        let took = row
            .duration_ms
            .map(|ms| format!(", {}", present::duration(ms)))
            .unwrap_or_default();
        let line = format!(
            "{} [{}] {}{took} | {} | {words}",
            short(&row.span_id, 64),
            short(&row.kind, 20),
            short(&row.status, 20),
            tree.path(index)
        );
        if !answer.line(&line) {
            more = Some((index, "more spans"));
            break;
        }
        shown += 1;
    }
    if shown == 0 && more.is_none() {
        answer.line(&format!("no span of the trace {trace_id} has that"));
    }
    if let Some((offset, what)) = more {
        answer.left_out(format!("{what}: the same with \"offset\": {offset}"));
    }
    Ok(())
}

fn error_words(tree: &Tree, index: usize) -> String {
    let row = &tree.rows[index];
    if failed(row) {
        error(row, 160)
    } else {
        String::new()
    }
}

/// Where a text stands in a span.
fn stands(span: &SpanDetail, needle: &Needle) -> Option<Found> {
    let error = span.row.error.as_ref();
    let said = error.map(|error| {
        let parts = [&error.kind, &error.message]
            .into_iter()
            .flatten()
            .chain(&error.chain);
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    });
    let texts = [
        ("name", span.row.name.clone()),
        ("error", said),
        (
            "input",
            span.input.as_ref().map(|input| text_of(input.as_str())),
        ),
        (
            "output",
            span.output.as_ref().map(|output| text_of(output.as_str())),
        ),
    ];
    texts
        .iter()
        .find_map(|(part, text)| found(text.as_deref()?, needle, &[needle], part, None))
}
