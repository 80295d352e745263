//! The page of a user: who it is, and what was done on its behalf.

use std::sync::Arc;

use askama::Template;
use jiff::Timestamp;
use rollout_core::event::RawJson;

use super::{CONVERSATIONS, SESSIONS, USERS, list::GroupRow, totals};
use crate::{
    http::pages::{
        Frame,
        facts::{self, Fact, Moment},
        groups,
        reply::Missing,
        row::Row,
        search::{and, href, only},
    },
    present,
    query::{FeedbackRow, GroupQuery, Key, TraceContext, TraceDetail, TraceQuery},
    store::Store,
    value::{Json, preview},
};

/// Traces that are shown, and looked through for what was said of them.
const TRACES: u64 = 20;
/// Sessions and conversations that are shown.
const GROUPS: u64 = 10;
/// Pieces of feedback and signals that are shown.
const JUDGED: usize = 40;
/// Characters of a trait.
const TRAIT: usize = 200;

#[derive(Template)]
#[template(path = "user.html")]
pub(super) struct UserPage {
    frame: Frame,
    id: String,
    facts: Vec<Fact>,
    identity: Vec<(String, String)>,
    rows: Vec<Row>,
    away: &'static str,
    traces_more: Option<(String, Option<String>)>,
    related: Vec<Related>,
    judged: Vec<Judged>,
    judged_note: String,
}

/// Sessions, or conversations, of the user.
struct Related {
    title: &'static str,
    name: &'static str,
    rows: Vec<GroupRow>,
    /// Whether there are more, and the list of all of them.
    more: bool,
    all: Option<String>,
}

/// A piece of feedback, or a signal.
struct Judged {
    what: &'static str,
    name: String,
    value: String,
    more: String,
    at: Moment,
    href: String,
    trace: String,
}

pub(super) fn page(store: &Arc<dyn Store>, frame: Frame, id: String) -> Result<UserPage, Missing> {
    let now = Timestamp::now();
    let group = USERS.find(&**store, &id)?;
    let found = store.traces(&TraceQuery {
        filter: only(Key::User, &id),
        limit: TRACES,
        ..TraceQuery::default()
    })?;
    let filter = and("", "user", &id);
    let list = |base: &str| filter.as_ref().map(|filter| href(base, filter));
    let (mut identity, mut judged) = (Vec::new(), Vec::new());
    for summary in &found.traces {
        let Some(trace) = store.trace(&summary.trace_id)? else {
            continue;
        };
        if identity.is_empty() {
            identity = who(&trace.context);
        }
        collect(&trace, &mut judged);
    }
    let said = judged.len();
    judged.truncate(JUDGED);
    let mut related = Vec::new();
    for kind in [SESSIONS, CONVERSATIONS] {
        let found = store.groups(&GroupQuery {
            by: kind.by,
            filter: only(Key::User, &id),
            limit: GROUPS,
            cursor: None,
        })?;
        let groups = found.groups.into_iter();
        related.push(Related {
            title: kind.title,
            name: kind.name,
            rows: groups.map(|group| GroupRow::of(kind, group)).collect(),
            more: found.next_cursor.is_some(),
            all: list(kind.path),
        });
    }
    let mut facts = totals(&group);
    facts.extend(list("/").map(|href| Fact {
        name: "as a list".to_owned(),
        value: "its traces".to_owned(),
        href: Some(href),
    }));
    let traces = found.traces.into_iter();
    Ok(UserPage {
        frame,
        facts,
        identity,
        rows: traces.map(|trace| Row::of(trace, "", now)).collect(),
        away: " no-user",
        traces_more: found.next_cursor.map(|_| {
            let words = format!("The last {TRACES} of {}", present::count(group.traces));
            (words, list("/"))
        }),
        related: related
            .into_iter()
            .filter(|of| !of.rows.is_empty())
            .collect(),
        judged_note: if said > JUDGED {
            format!("the last {JUDGED} of {said} of the last {TRACES} traces")
        } else if group.traces > TRACES {
            format!("of the last {TRACES} traces")
        } else {
            String::new()
        },
        judged,
        id,
    })
}

/// What is known of the user, and of its account.
fn who(context: &TraceContext) -> Vec<(String, String)> {
    let mut known = traits(context.user_traits.as_ref(), "");
    known.extend(
        context
            .account_id
            .clone()
            .map(|id| ("account".to_owned(), id)),
    );
    known.extend(traits(context.account_traits.as_ref(), "account "));
    known
}

fn traits(traits: Option<&RawJson>, of: &str) -> Vec<(String, String)> {
    let Some(Json::Object(members)) = traits.map(|traits| Json::read(traits.as_str())) else {
        return Vec::new();
    };
    let members = members
        .iter()
        .map(|(name, value)| (format!("{of}{name}"), preview(value.get(), TRAIT)));
    members.collect()
}

fn collect(trace: &TraceDetail, into: &mut Vec<Judged>) {
    let of = |what: &'static str, row: &FeedbackRow| {
        let group = groups::judged(what, std::slice::from_ref(row))?;
        let pair = group.pairs.into_iter().next()?;
        Some(Judged {
            what,
            name: pair.name,
            value: pair.value,
            more: pair.share.unwrap_or_default(),
            at: Moment::of(row.at),
            href: facts::trace_href(&trace.summary.trace_id),
            trace: facts::name_of(&trace.summary),
        })
    };
    into.extend(
        trace
            .feedback
            .iter()
            .rev()
            .filter_map(|row| of("feedback", row)),
    );
    into.extend(
        trace
            .signals
            .iter()
            .rev()
            .filter_map(|row| of("signal", row)),
    );
}
