//! The page of a session or a conversation: its turns in the order of time.

use std::sync::Arc;

use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Kind, totals, turn::TurnOf};
use crate::{
    http::pages::{
        Frame,
        facts::{self, Fact},
        reply::Missing,
        search::{href, only},
    },
    present,
    query::{GroupBy, TraceQuery},
    store::Store,
};

/// Turns on one page.
const LIMIT: u64 = 25;

/// Which of the turns are asked for: those after a cursor, or the last ones.
#[derive(Deserialize)]
pub(in crate::http::pages) struct Part {
    after: Option<String>,
    last: Option<String>,
}

#[derive(Template)]
#[template(path = "session.html")]
pub(super) struct SessionPage {
    frame: Frame,
    kind: Kind,
    id: String,
    facts: Vec<Fact>,
    turns: Vec<TurnOf>,
    note: String,
    first_href: Option<String>,
    next_href: Option<String>,
    last_href: Option<String>,
}

pub(super) fn page(
    kind: Kind,
    store: &Arc<dyn Store>,
    frame: Frame,
    id: String,
    part: Part,
) -> Result<SessionPage, Missing> {
    let now = Timestamp::now();
    let group = kind.find(&**store, &id)?;
    let from_end = part.last.is_some();
    let begins = part.after.is_none() && !from_end;
    let mut found = store.traces(&TraceQuery {
        filter: only(kind.key(), &id),
        ascending: !from_end,
        limit: LIMIT,
        cursor: if from_end { None } else { part.after },
    })?;
    if from_end {
        found.traces.reverse();
    }
    let mut turns = Vec::new();
    for summary in &found.traces {
        // One may go while the others are read.
        let trace = store.trace(&summary.trace_id)?;
        turns.extend(trace.map(|trace| TurnOf::of(&trace, now)));
    }
    let here = facts::group_href(kind.by, &id);
    let all = turns.len() as u64 >= group.traces;
    let shown = present::count(turns.len() as u64);
    let of = present::count(group.traces);
    let note = match (all, from_end, begins) {
        (true, ..) if turns.len() == 1 => "1 turn".to_owned(),
        (true, ..) => format!("all {of} turns"),
        (_, true, _) => format!("the last {shown} of {of} turns"),
        (_, _, true) => format!("the first {shown} of {of} turns"),
        _ => format!("{shown} of {of} turns"),
    };
    let mut facts = totals(&group);
    facts.extend(group.user_id.map(|user| Fact {
        href: Some(facts::group_href(GroupBy::User, &user)),
        name: "user".to_owned(),
        value: user,
    }));
    let list = crate::http::pages::search::and("", kind.one, &id);
    facts.extend(list.map(|filter| Fact {
        name: "as a list".to_owned(),
        value: "its traces".to_owned(),
        href: Some(href("/", &filter)),
    }));
    let more = found.next_cursor.is_some();
    Ok(SessionPage {
        frame,
        kind,
        id,
        facts,
        turns,
        note,
        first_href: (!all && !begins).then(|| here.clone()),
        last_href: (!from_end && more).then(|| format!("{here}?last=true")),
        next_href: found
            .next_cursor
            .filter(|_| !from_end)
            .map(|cursor| format!("{here}?after={}", facts::encoded(&cursor))),
    })
}
