//! Users, sessions and conversations.

use std::collections::HashMap;

use jiff::Timestamp;
use rollout_core::event::Usage;
use rusqlite::{Connection, OptionalExtension};

use super::{
    dictionary::{self, Facet, number},
    facts,
    list::time,
    matcher::{Matcher, Outcome},
};
use crate::{
    fold::Tally,
    query::{GroupBy, GroupPage, GroupQuery, GroupSummary, MAX_GROUPS},
    store::StoreError,
};

/// A group in the making.
#[derive(Default)]
struct Sum {
    traces: u64,
    errors: u64,
    first_at: i64,
    /// When the newest trace began, and its row.
    newest: (i64, i64),
    used: Tally,
    /// The newest trace that has a user, and the user's code.
    user: Option<((i64, i64), u32)>,
}

/// The traces with the same id: when the newest of them began, the id, and its number.
type Place = (i64, String, u32);

pub(super) fn groups(connection: &Connection, query: &GroupQuery) -> Result<GroupPage, StoreError> {
    let facet = match query.by {
        GroupBy::User => Facet::User,
        GroupBy::Session => Facet::Session,
        GroupBy::Conversation => Facet::Conversation,
    };
    let after = match &query.cursor {
        Some(cursor) => Some(group_cursor(cursor)?),
        None => None,
    };
    let mut matcher = Matcher::of(connection, &query.filter, Timestamp::now())?;
    matcher.settle()?;
    let limit = query.limit.clamp(1, MAX_GROUPS) as usize;
    let (page, more) = page(connection, &matcher, facet, after, limit)?;
    let mut sums: HashMap<u32, Sum> = page
        .iter()
        .map(|(.., number)| (*number, Sum::default()))
        .collect();
    matcher.each(|facts| {
        let Some(code) = facts.value(facet) else {
            return Ok(());
        };
        if let Some(sum) = sums.get_mut(&number(code))
            && matcher.test(facts)? == Outcome::Yes
        {
            sum.add(facts);
        }
        Ok(())
    })?;
    let next_cursor = page
        .last()
        .filter(|_| more)
        .map(|(at, id, _)| format!("{at}.{id}"));
    let groups = page.into_iter().map(|(_, id, number)| {
        let sum = sums.remove(&number).unwrap_or_default();
        sum.told(connection, id)
    });
    Ok(GroupPage {
        groups: groups.collect::<Result<_, _>>()?,
        next_cursor,
    })
}

/// The groups on a page in their order, and whether there are more.
fn page(
    connection: &Connection,
    matcher: &Matcher<'_>,
    facet: Facet,
    after: Option<(i64, String)>,
    limit: usize,
) -> Result<(Vec<Place>, bool), StoreError> {
    // When the newest trace of each group began, by the group's number.
    let mut newest: Vec<i64> = Vec::new();
    matcher.each(|facts| {
        let Some(code) = facts.value(facet) else {
            return Ok(());
        };
        let number = number(code) as usize;
        if newest.get(number).is_some_and(|at| *at >= facts.sort_at) {
            return Ok(());
        }
        if matcher.test(facts)? == Outcome::Yes {
            if number >= newest.len() {
                newest.resize(number + 1, i64::MIN);
            }
            newest[number] = facts.sort_at;
        }
        Ok(())
    })?;
    let last = after.as_ref().map_or(i64::MAX, |(at, _)| *at);
    let mut groups: Vec<(i64, u32)> = (0..)
        .zip(newest)
        .filter(|(_, at)| *at != i64::MIN && *at <= last)
        .map(|(number, at)| (at, number))
        .collect();
    groups.sort_unstable_by(|a, b| b.cmp(a));
    // Those that began at one time are in the order of their ids, which are not known yet.
    let mut page: Vec<Place> = Vec::new();
    for of_one_time in groups.chunk_by(|a, b| a.0 == b.0) {
        let mut places = Vec::with_capacity(of_one_time.len());
        for (at, number) in of_one_time {
            if let Some((_, id)) = dictionary::text(connection, *number)? {
                places.push((*at, id, *number));
            }
        }
        places.sort_unstable_by(|a, b| b.1.cmp(&a.1));
        let is_after = |place: &Place| {
            let after = after.as_ref();
            after.is_none_or(|(at, id)| (place.0, &place.1) < (*at, id))
        };
        page.extend(places.into_iter().filter(is_after));
        if page.len() > limit {
            break;
        }
    }
    let more = page.len() > limit;
    page.truncate(limit);
    Ok((page, more))
}

impl Sum {
    fn add(&mut self, facts: &facts::Facts<'_>) {
        let place = (facts.sort_at, facts.trace);
        if self.traces == 0 {
            self.first_at = facts.sort_at;
            self.newest = place;
        }
        self.traces += 1;
        self.errors += u64::from(facts.failed);
        self.first_at = self.first_at.min(facts.sort_at);
        self.newest = self.newest.max(place);
        let used = Tally {
            usage: facts.usage(),
            ..Tally::default()
        };
        self.used.replace(&Tally::default(), &used);
        if let Some(user) = facts.value(Facet::User)
            && self.user.is_none_or(|(at, _)| at < place)
        {
            self.user = Some((place, user));
        }
    }

    fn told(self, connection: &Connection, id: String) -> Result<GroupSummary, StoreError> {
        let user_id = match self.user {
            Some((_, user)) => dictionary::text(connection, number(user))?.map(|(_, id)| id),
            None => None,
        };
        let input_preview: Option<Option<String>> = connection
            .prepare_cached("SELECT input_preview FROM traces WHERE id = ?1")?
            .query_row([self.newest.1], |row| row.get(0))
            .optional()?;
        let usage: Usage = self.used.usage;
        Ok(GroupSummary {
            id,
            traces: self.traces,
            errors: self.errors,
            first_at: time(Some(self.first_at)),
            last_at: time(Some(self.newest.0)),
            cost_usd: usage.cost_usd,
            usage,
            user_id,
            input_preview: input_preview.flatten(),
        })
    }
}

fn group_cursor(cursor: &str) -> Result<(i64, String), StoreError> {
    let (at, id) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
    Ok((at.parse().map_err(|_| StoreError::Cursor)?, id.to_owned()))
}
