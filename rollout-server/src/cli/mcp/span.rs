//! `span`: one span with what it was given and what it returned.

use rmcp::schemars;
use rollout_core::event::RawJson;
use serde::Deserialize;

use super::{
    Failure, Local,
    answer::{Answer, beginning, ending, short, weight},
    tree::{Tree, failed},
};
use crate::{
    present,
    query::{SpanDetail, TraceDetail},
    value::Json,
};

/// A part of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(rename_all = "lowercase")]
enum Part {
    /// Why it failed, with its causes.
    Error,
    /// What it was given.
    Input,
    /// What it returned.
    Output,
    /// What the program said of it.
    Attributes,
    /// What was reported inside of it.
    Events,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Input => "input",
            Self::Output => "output",
            Self::Attributes => "attributes",
            Self::Events => "events",
        }
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The trace's id, the beginning of it, or `last` for the newest.
    trace: String,
    /// The span's id, or the beginning of it.
    span: String,
    /// Only this part of it.
    part: Option<Part>,
    /// With `part`: the byte of it from which on it is shown.
    from: Option<usize>,
    /// Tokens that the answer may take, from 300 to 50000; 2000 unless said.
    budget: Option<u64>,
}

pub(super) fn answer(local: &Local, asked: &Asked) -> Result<String, Failure> {
    let mut answer = Answer::within(asked.budget)?;
    if asked.from.is_some() && asked.part.is_none() {
        return Err(Failure::told(
            "`from` is a byte of one part: say which, with \"part\": \"input\", \"output\", \"error\", \"attributes\" or \
             \"events\"",
        ));
    }
    let trace = local.find(&asked.trace)?;
    let tree = Tree::read(local, &trace.summary.trace_id)?;
    let index = tree.find(&trace, &asked.span)?;
    let gone = || Failure::told("the span has just been removed");
    let span = local
        .store
        .span(&trace.summary.trace_id, &tree.rows[index].span_id)?
        .ok_or_else(gone)?;
    if let Some(part) = asked.part {
        one(&trace, &span, part, asked.from.unwrap_or(0), &mut answer)?;
    } else {
        head(&trace, &span, &tree, index, &mut answer);
        all(&trace, &span, &mut answer);
    }
    Ok(answer.told())
}

fn head(trace: &TraceDetail, span: &SpanDetail, tree: &Tree, index: usize, answer: &mut Answer) {
    let row = &span.row;
    answer.line(&format!(
        "span {} of trace {}",
        short(&row.span_id, 64),
        trace.summary.trace_id
    ));
    answer.line(&format!("path: {}", tree.path(index)));
    let mut line = format!(
        "type: {}, status: {}",
        short(&row.kind, 40),
        short(&row.status, 40)
    );
    if failed(row) && row.status == "ok" {
        line.push_str(" (with an error)");
    }
    line.extend(
        row.duration_ms
            .map(|ms| format!(", took {}", present::duration(ms))),
    );
    line.extend(
        row.started_at
            .map(|at| format!(", began {}", present::moment(at))),
    );
    line.extend(
        row.model
            .as_deref()
            .map(|model| format!(", model {}", short(model, 60))),
    );
    line.extend(
        row.provider
            .as_deref()
            .map(|provider| format!(" ({})", short(provider, 40))),
    );
    line.extend(
        present::tokens(&row.usage).map(|tokens| format!(", {} tokens", present::count(tokens))),
    );
    line.extend(row.cost_usd.map(|usd| format!(", {}", present::cost(usd))));
    answer.line(&line);
    if let Some(code) = &span.code {
        let file = short(code.file.as_deref().unwrap_or("?"), 120);
        let place = match code.line {
            Some(line) => format!("{file}:{line}"),
            None => file,
        };
        let function = code
            .function
            .as_deref()
            .map(|function| format!(" in {}", short(function, 80)));
        answer.line(&format!("code: {place}{}", function.unwrap_or_default()));
    }
    let below = tree.below(index).len();
    if below > 0 {
        answer.line(&format!(
            "{below} spans right below it: outline {{\"trace\": \"{}\", \"span\": \"{}\"}}",
            trace.summary.trace_id,
            short(&row.span_id, 64)
        ));
    }
}

/// Quarters of tokens that it takes to say how much of a value was left out.
const NOTE: u64 = 48 * 4;

/// All parts that there are, each with a fair share of the room.
fn all(trace: &TraceDetail, span: &SpanDetail, answer: &mut Answer) {
    let parts = [
        Part::Error,
        Part::Input,
        Part::Output,
        Part::Attributes,
        Part::Events,
    ];
    let texts: Vec<(Part, String)> = parts
        .into_iter()
        .filter_map(|part| Some((part, text(span, part)?)))
        .collect();
    let mut room = answer.room().saturating_sub(texts.len() as u64 * 12);
    let mut sizes: Vec<(u64, Part)> = texts
        .iter()
        .map(|(part, text)| (weight(text) + 2, *part))
        .collect();
    sizes.sort_by_key(|(size, _)| *size);
    let mut shares = Vec::new();
    for (nth, (size, part)) in sizes.iter().enumerate() {
        let share = (*size).min(room / (sizes.len() - nth) as u64);
        room -= share;
        shares.push((*part, share));
    }
    let mut cut = Vec::new();
    for (part, text) in &texts {
        let share = shares
            .iter()
            .find(|(of, _)| of == part)
            .map_or(0, |(_, share)| *share);
        let mut shown = text.clone();
        if weight(text) + 2 > share {
            let room = share.saturating_sub(NOTE);
            let head = beginning(text, room * 2 / 3);
            let tail = ending(text, room / 3).max(head);
            shown = format!(
                "{} …[{} of {} bytes left out, from byte {head}]… {}",
                &text[..head],
                tail - head,
                text.len(),
                &text[tail..]
            );
            cut.push((*part, head));
        }
        if !answer.line(&format!("{}: {shown}", part.name())) {
            cut.push((*part, 0));
        }
    }
    if let Some((part, from)) = cut.first() {
        let others: Vec<_> = cut
            .iter()
            .skip(1)
            .map(|(part, from)| format!("{} from {from}", part.name()))
            .collect();
        let others = if others.is_empty() {
            String::new()
        } else {
            format!(" (also {})", others.join(", "))
        };
        answer.left_out(format!(
            "the middle of values: {}{others}",
            call(trace, span, *part, *from)
        ));
    }
    for (what, bytes) in &span.truncated {
        answer.left_out(format!(
            "the rest of {}: it was cut when it was recorded, of {bytes} bytes",
            short(what, 20)
        ));
    }
}

/// One part, from one of its bytes on.
fn one(
    trace: &TraceDetail,
    span: &SpanDetail,
    part: Part,
    from: usize,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let Some(text) = text(span, part) else {
        answer.line(&format!("{}: there is none", part.name()));
        return Ok(());
    };
    if from >= text.len() && from > 0 {
        return Err(Failure::told(format!(
            "`from` is {from}: {} has {} bytes, counted from 0",
            part.name(),
            text.len()
        )));
    }
    let from = text.floor_char_boundary(from);
    let label = format!("{} from byte {from} of {}: ", part.name(), text.len());
    let room = answer.room().saturating_sub(weight(&label) + 2);
    let end = from + beginning(&text[from..], room);
    answer.line(&format!("{label}{}", &text[from..end]));
    if end < text.len() {
        answer.left_out(format!(
            "{} bytes behind: {}",
            text.len() - end,
            call(trace, span, part, end)
        ));
    }
    Ok(())
}

/// The call that shows a part from a byte on.
fn call(trace: &TraceDetail, span: &SpanDetail, part: Part, from: usize) -> String {
    format!(
        "span {{\"trace\": \"{}\", \"span\": \"{}\", \"part\": \"{}\", \"from\": {from}}}",
        trace.summary.trace_id,
        short(&span.row.span_id, 64),
        part.name()
    )
}

/// A part as text; `None` where there is nothing.
fn text(span: &SpanDetail, part: Part) -> Option<String> {
    match part {
        Part::Input => span.input.as_ref().map(words),
        Part::Output => span.output.as_ref().map(words),
        Part::Error => {
            let error = span.row.error.as_ref()?;
            let mut text = [&error.kind, &error.message]
                .into_iter()
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
                .join(": ");
            for cause in &error.chain {
                text.push_str("\n  caused by: ");
                text.push_str(cause);
            }
            Some(text)
        }
        Part::Attributes => {
            let lines = span
                .attributes
                .iter()
                .map(|(name, value)| format!("{name} = {}", value.as_str()));
            let text = lines.collect::<Vec<_>>().join("; ");
            (!text.is_empty()).then_some(text)
        }
        Part::Events => {
            let lines = span.events.iter().map(|event| {
                let data = event
                    .data
                    .iter()
                    .map(|(name, value)| format!(" {name}={}", value.as_str()));
                let name = event
                    .name
                    .as_deref()
                    .map(|name| format!(" {name}"))
                    .unwrap_or_default();
                format!(
                    "\n  {} {}{name}{}",
                    present::moment(event.at),
                    event.kind,
                    data.collect::<String>()
                )
            });
            let text = lines.collect::<String>();
            (!text.is_empty()).then_some(text)
        }
    }
}

/// A value as plain words: a text without quotes, anything else as JSON.
fn words(value: &RawJson) -> String {
    match Json::read(value.as_str()) {
        Json::Text(text) => text,
        _ => value.as_str().to_owned(),
    }
}
