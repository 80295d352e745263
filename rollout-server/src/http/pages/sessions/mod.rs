//! `/sessions`, `/conversations` and `/users`: traces that have something in common.

mod list;
mod turn;
mod turns;
mod user;

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};

use super::{
    Pages,
    facts::Fact,
    reply::{Missing, blocking, html},
    search::{Asked, only},
};
use crate::{
    present,
    query::{GroupBy, GroupQuery, GroupSummary, Key},
    store::Store,
};

/// What is in common, in words.
#[derive(Clone, Copy)]
struct Kind {
    by: GroupBy,
    one: &'static str,
    /// The same as a heading.
    name: &'static str,
    many: &'static str,
    title: &'static str,
    path: &'static str,
    /// How a trace gets one.
    how: &'static str,
    /// The method that says it.
    method: &'static str,
}

const SESSIONS: Kind = Kind {
    by: GroupBy::Session,
    one: "session",
    name: "Session",
    many: "sessions",
    title: "Sessions",
    path: "/sessions",
    how: "A session is what one visit has in common: the requests of one chat window, one terminal, one job.",
    method: "session_id",
};

const CONVERSATIONS: Kind = Kind {
    by: GroupBy::Conversation,
    one: "conversation",
    name: "Conversation",
    many: "conversations",
    title: "Conversations",
    path: "/conversations",
    how: "A conversation is what goes on over several sessions: a thread, a ticket, a call.",
    method: "conversation_id",
};

const USERS: Kind = Kind {
    by: GroupBy::User,
    one: "user",
    name: "User",
    many: "users",
    title: "Users",
    path: "/users",
    how: "A user is on whose behalf an agent runs.",
    method: "user_id",
};

impl Kind {
    fn key(self) -> Key {
        match self.by {
            GroupBy::User => Key::User,
            GroupBy::Session => Key::Session,
            GroupBy::Conversation => Key::Conversation,
        }
    }

    /// All that is known of one of them.
    fn find(self, store: &dyn Store, id: &str) -> Result<GroupSummary, Missing> {
        let found = store.groups(&GroupQuery {
            by: self.by,
            filter: only(self.key(), id),
            limit: 1,
            cursor: None,
        })?;
        let group = found.groups.into_iter().next();
        group.ok_or_else(|| Missing::Group(self.one, id.to_owned()))
    }
}

/// What the traces of a group come to.
fn totals(group: &GroupSummary) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
        href: None,
    };
    let mut facts = vec![fact("traces", present::count(group.traces))];
    if group.errors > 0 {
        facts.push(fact("failed", present::count(group.errors)));
    }
    facts.extend(present::tokens(&group.usage).map(|count| fact("tokens", present::count(count))));
    let cost = group.cost_usd.map_or_else(|| "–".to_owned(), present::cost);
    facts.push(fact("cost", cost));
    if let (Some(first), Some(last)) = (group.first_at, group.last_at)
        && group.traces > 1
    {
        let span = present::duration(present::since_ms(first, last));
        facts.push(fact("from first to last", span));
    }
    facts
}

/// `GET /sessions`.
pub(super) async fn sessions(
    state: State<Pages>,
    asked: Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    list::page(SESSIONS, state.0, asked.0, headers).await
}

/// `GET /conversations`.
pub(super) async fn conversations(
    state: State<Pages>,
    asked: Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    list::page(CONVERSATIONS, state.0, asked.0, headers).await
}

/// `GET /users`.
pub(super) async fn users(
    state: State<Pages>,
    asked: Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    list::page(USERS, state.0, asked.0, headers).await
}

/// `GET /sessions/{id}`.
pub(super) async fn session(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    Query(part): Query<turns::Part>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || turns::page(SESSIONS, pages.store(), frame, id, part)).await?;
    html(&page)
}

/// `GET /conversations/{id}`.
pub(super) async fn conversation(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    Query(part): Query<turns::Part>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || turns::page(CONVERSATIONS, pages.store(), frame, id, part)).await?;
    html(&page)
}

/// `GET /users/{id}`.
pub(super) async fn user(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || user::page(pages.store(), frame, id)).await?;
    html(&page)
}
