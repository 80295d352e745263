//! The list of sessions, conversations or users.

use askama::Template;
use axum::{
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::Kind;
use crate::{
    http::pages::{
        Frame, Pages,
        facts::{self, Moment},
        list::version,
        reply::{Missing, blocking, html},
        search::{Asked, Search},
    },
    present,
    query::{GroupBy, GroupPage, GroupQuery, GroupSummary},
};

/// Groups on one page.
const LIMIT: u64 = 100;

#[derive(Template)]
#[template(path = "sessions.html")]
struct GroupsPage {
    frame: Frame,
    kind: Kind,
    search: Search,
    of_users: bool,
    empty: bool,
    first: bool,
    next_href: Option<String>,
    rows: Vec<GroupRow>,
}

/// A group as a row of a list.
pub(super) struct GroupRow {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) href: String,
    pub(super) traces: String,
    pub(super) errors: Option<String>,
    pub(super) tokens: String,
    pub(super) cost: String,
    pub(super) first: Option<Moment>,
    pub(super) last: Option<Moment>,
    pub(super) user: Option<(String, String)>,
    pub(super) input: String,
}

impl GroupRow {
    pub(super) fn of(kind: Kind, group: GroupSummary) -> Self {
        let known = |known: Option<String>| known.unwrap_or_else(|| "–".to_owned());
        Self {
            version: version(&group),
            href: facts::group_href(kind.by, &group.id),
            traces: present::count(group.traces),
            errors: (group.errors > 0).then(|| present::count(group.errors)),
            tokens: known(present::tokens(&group.usage).map(present::count)),
            cost: known(group.cost_usd.map(present::cost)),
            first: group.first_at.map(Moment::of),
            last: group.last_at.map(Moment::of),
            user: group.user_id.map(|id| {
                let href = facts::group_href(GroupBy::User, &id);
                (id, href)
            }),
            input: group.input_preview.unwrap_or_default(),
            id: group.id,
        }
    }
}

pub(super) async fn page(
    kind: Kind,
    pages: Pages,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    if let Some(elsewhere) = asked.elsewhere(kind.path) {
        return Ok(Redirect::to(&elsewhere).into_response());
    }
    let frame = pages.frame(&headers);
    let (search, filter) = Search::of(kind.path, &asked.filter, Timestamp::now());
    let first = asked.cursor.is_none();
    let found = match filter {
        Some(filter) => {
            let query = GroupQuery {
                by: kind.by,
                filter,
                limit: LIMIT,
                cursor: asked.cursor,
            };
            blocking(move || Ok(pages.store().groups(&query)?)).await?
        }
        None => GroupPage::default(),
    };
    let next_href = search.after(found.next_cursor);
    let groups = found.groups.into_iter();
    let rows: Vec<_> = groups.map(|group| GroupRow::of(kind, group)).collect();
    html(&GroupsPage {
        frame,
        kind,
        of_users: matches!(kind.by, GroupBy::User),
        empty: rows.is_empty() && first && asked.filter.trim().is_empty(),
        search,
        first,
        next_href,
        rows,
    })
}
