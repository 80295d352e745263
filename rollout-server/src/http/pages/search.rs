//! The box that filters a list, and the range of time beside it.
//!
//! A range is part of the filter, as `since:` and `until:`: one text says all that a list shows.

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;

use super::facts::{self, Moment};
use crate::query::{
    self, Filter, FilterError, GroupBy, KEYS, Key, MEASURES, Pattern, Term, Test, WordInfo,
};

/// Ranges of one click: as the filter writes them, and in words.
const RANGES: [(&str, &str); 4] = [
    ("1h", "the last hour"),
    ("24h", "the last 24 hours"),
    ("7d", "the last 7 days"),
    ("30d", "the last 30 days"),
];

/// Characters of a filter that are shown on each side of what is wrong with it.
const AROUND: usize = 200;

/// What the address of a list asks for.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) filter: String,
    pub(super) cursor: Option<String>,
    /// Bounds in time that are to become part of the filter.
    from: Option<String>,
    to: Option<String>,
}

impl Asked {
    /// Where the list is whose filter has the bounds that are asked for beside it.
    pub(super) fn elsewhere(&self, base: &str) -> Option<String> {
        if self.from.is_none() && self.to.is_none() {
            return None;
        }
        let bound = |name: &str, text: &Option<String>| {
            let at = moment(text.as_deref()?)?;
            Some(format!("{name}:{at}"))
        };
        let bounds: Vec<_> = [bound("since", &self.from), bound("until", &self.to)]
            .into_iter()
            .flatten()
            .collect();
        Some(href(base, &within(&self.filter, &bounds.join(" "))))
    }
}

/// A time with its zone or, as a form without scripts sends it, one in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let at: civil::DateTime = text.parse().ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The list at `base` of what `filter` lets through.
pub(super) fn href(base: &str, filter: &str) -> String {
    if filter.trim().is_empty() {
        return base.to_owned();
    }
    format!("{base}?filter={}", facts::encoded(filter.trim()))
}

/// The words of a filter, each with what it asks for; `None` where it cannot be read.
fn words(filter: &str) -> Option<Vec<(&str, Term)>> {
    filter.parse::<Filter>().ok()?;
    let mut words = Vec::new();
    let mut rest = filter.trim_start();
    while !rest.is_empty() {
        // A blank in quotes is no end: what stands before it cannot be read by itself.
        let blanks = rest.char_indices().filter(|(_, c)| c.is_whitespace());
        let mut ends = blanks.map(|(at, _)| at).chain([rest.len()]);
        let (end, term) = ends.find_map(|end| {
            let mut terms = rest[..end].parse::<Filter>().ok()?.terms;
            (terms.len() == 1).then(|| Some((end, terms.pop()?)))?
        })?;
        words.push((&rest[..end], term));
        rest = rest[end..].trim_start();
    }
    Some(words)
}

/// The filter with these bounds in time in the place of its own.
fn within(filter: &str, bounds: &str) -> String {
    let kept: Vec<&str> = match words(filter) {
        Some(words) => words
            .into_iter()
            .filter(|(_, term)| !matches!(term.test, Test::Since(_) | Test::Until(_)))
            .map(|(word, _)| word)
            .collect(),
        None => vec![filter.trim()],
    };
    let all = kept.into_iter().chain([bounds]);
    all.filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The filter that asks for one more thing; `None` where the language has no way to say it, or says it already.
pub(super) fn and(filter: &str, key: &str, value: &str) -> Option<String> {
    let condition = condition(key, value)?;
    let known = words(filter).unwrap_or_default();
    if known.iter().any(|(word, _)| *word == condition) {
        return None;
    }
    Some(format!("{} {condition}", filter.trim()).trim().to_owned())
}

/// `key:value`, in quotes where the value needs them. What has both quotes and blanks has no way to be written.
fn condition(key: &str, value: &str) -> Option<String> {
    let special = |c: char| c.is_whitespace() || c == ',' || c == '*';
    match (value.contains('"'), value.contains(special)) {
        _ if value.is_empty() => None,
        (false, false) => Some(format!("{key}:{value}")),
        (false, true) => Some(format!("{key}:\"{value}\"")),
        (true, false) if !value.starts_with('"') => Some(format!("{key}:{value}")),
        (true, _) => None,
    }
}

/// A filter box with all that belongs to it.
pub(super) struct Search {
    /// The list that it filters.
    pub(super) base: &'static str,
    pub(super) filter: String,
    pub(super) problem: Option<Problem>,
    pub(super) ranges: Vec<Range>,
    /// The bounds, where they are none of the ranges.
    pub(super) custom: bool,
    pub(super) since: Option<Moment>,
    pub(super) until: Option<Moment>,
    /// The same list without bounds in time, if it has any.
    pub(super) unbounded: Option<String>,
    /// The page of the one user, session or conversation that it asks for.
    pub(super) page_of: Option<(&'static str, String, String)>,
    /// What stands before a colon, and what before a comparison.
    pub(super) keys: &'static [WordInfo],
    pub(super) measures: &'static [WordInfo],
}

/// What is wrong with a filter, and where.
pub(super) struct Problem {
    pub(super) before: String,
    pub(super) at: String,
    pub(super) after: String,
    pub(super) message: String,
    /// The same place in characters.
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A range of time to choose.
pub(super) struct Range {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

impl Search {
    /// The box above the list at `base`, and what it lets through, if it can be read.
    pub(super) fn of(base: &'static str, filter: &str, now: Timestamp) -> (Self, Option<Filter>) {
        let read = filter.parse::<Filter>();
        let (mut since, mut until) = (None, None);
        let mut bounds = Vec::new();
        for term in read.iter().flat_map(|filter| &filter.terms) {
            match term.test {
                Test::Since(moment) => {
                    bounds.push(&term.test);
                    since = since.max(Some(moment.resolve(now)));
                }
                Test::Until(moment) => {
                    bounds.push(&term.test);
                    let at = moment.resolve(now);
                    until = Some(until.map_or(at, |until: Timestamp| until.min(at)));
                }
                _ => {}
            }
        }
        let ranges = RANGES.iter().map(|(name, words)| Range {
            name,
            words,
            href: href(base, &within(filter, &format!("since:{name}"))),
            current: bounds.len() == 1 && format!("since:{name}").parse() == Ok(one(bounds[0])),
        });
        let ranges: Vec<_> = ranges.collect();
        let search = Self {
            base,
            filter: filter.to_owned(),
            problem: read.as_ref().err().map(|error| Problem::of(error, filter)),
            custom: !bounds.is_empty() && !ranges.iter().any(|range| range.current),
            ranges,
            since: since.map(Moment::of),
            until: until.map(Moment::of),
            unbounded: (!bounds.is_empty()).then(|| href(base, &within(filter, ""))),
            page_of: read.as_ref().ok().and_then(page_of),
            keys: KEYS,
            measures: MEASURES,
        };
        (search, read.ok())
    }

    /// The filter for the charts: what goes on is drawn up to now, so that it is seen where nothing has come of late.
    pub(super) fn drawn(&self, mut filter: Filter, now: Timestamp) -> Filter {
        if self.since.is_some() && self.until.is_none() {
            let until = Test::Until(query::Moment::At(now));
            filter.terms.extend(one(&until).terms);
        }
        filter
    }

    /// Whether what it lets through changes by time alone.
    pub(super) fn slides(&self) -> bool {
        self.ranges.iter().any(|range| range.current)
    }

    /// The page after this one.
    pub(super) fn after(&self, cursor: Option<String>) -> Option<String> {
        let first = href(self.base, &self.filter);
        let and = if first.contains('?') { '&' } else { '?' };
        cursor.map(|cursor| format!("{first}{and}cursor={}", facts::encoded(&cursor)))
    }

    /// The first page.
    pub(super) fn first(&self) -> String {
        href(self.base, &self.filter)
    }
}

fn one(test: &Test) -> Filter {
    Filter {
        terms: vec![Term {
            negated: false,
            test: test.clone(),
        }],
    }
}

fn page_of(filter: &Filter) -> Option<(&'static str, String, String)> {
    let mut pages = filter.terms.iter().filter_map(|term| {
        let Test::Is(key, any_of) = &term.test else {
            return None;
        };
        let by = match key {
            Key::User => GroupBy::User,
            Key::Session => GroupBy::Session,
            Key::Conversation => GroupBy::Conversation,
            _ => return None,
        };
        let [query::Pattern::Exactly(id)] = &any_of[..] else {
            return None;
        };
        let what = facts::group_word(by);
        (!term.negated).then(|| (what, id.clone(), facts::group_href(by, id)))
    });
    pages.next()
}

impl Problem {
    fn of(error: &FilterError, filter: &str) -> Self {
        let part = |from: usize, to: usize| filter.get(from..to).unwrap_or_default();
        let before = part(0, error.at.start);
        let at = part(error.at.start, error.at.end);
        let after = part(error.at.end, filter.len());
        let skipped = before.chars().count().saturating_sub(AROUND);
        let from = before.chars().count();
        Self {
            message: error.to_string(),
            from,
            to: from + at.chars().count(),
            before: cut(before.chars().skip(skipped), skipped > 0, false),
            at: cut(
                at.chars().take(AROUND),
                false,
                at.chars().nth(AROUND).is_some(),
            ),
            after: cut(
                after.chars().take(AROUND),
                false,
                after.chars().nth(AROUND).is_some(),
            ),
        }
    }
}

fn cut(text: impl Iterator<Item = char>, front: bool, back: bool) -> String {
    let text = text.map(|c| if c.is_control() { ' ' } else { c });
    let text = front.then_some('…').into_iter().chain(text);
    text.chain(back.then_some('…')).collect()
}

/// The filter that lets through what has exactly this.
pub(super) fn only(key: Key, value: &str) -> Filter {
    one(&Test::Is(key, vec![Pattern::Exactly(value.to_owned())]))
}

#[cfg(test)]
mod tests {
    use super::{and, condition, within, words};

    #[test]
    fn a_range_replaces_the_bounds_of_a_filter_and_nothing_else() {
        for (filter, whole) in [
            ("", "since:7d"),
            ("  since:1h ", "since:7d"),
            (
                "status:error  since:1h until:2026-11-01 refund",
                "status:error refund since:7d",
            ),
            (
                "user:\"Ada since:1h\" \"until:2h\"",
                "user:\"Ada since:1h\" \"until:2h\" since:7d",
            ),
            ("a\"b since:1h c\"", "a\"b c\" since:7d"),
            ("tag:a,\"b c\" -since:1h", "tag:a,\"b c\" since:7d"),
            // What cannot be read is left as it was written.
            ("since:1h colour:red", "since:1h colour:red since:7d"),
        ] {
            assert_eq!(within(filter, "since:7d"), whole, "{filter}");
        }
        assert_eq!(words("user:\"Ada L.\" x").map(|words| words.len()), Some(2));
    }

    #[test]
    fn a_condition_is_added_once_where_the_language_can_say_it() {
        assert_eq!(and("", "user", "a").as_deref(), Some("user:a"));
        assert_eq!(and("x ", "user", "a b").as_deref(), Some("x user:\"a b\""));
        assert_eq!(and("user:\"a,b\" x", "user", "a,b"), None);
        assert_eq!(
            condition("name", "gpt-*").as_deref(),
            Some("name:\"gpt-*\"")
        );
        assert_eq!(condition("name", "a\"b").as_deref(), Some("name:a\"b"));
        for inexpressible in ["", "\"a", "a \"b\""] {
            assert_eq!(condition("name", inexpressible), None);
        }
        for value in ["a", "a b", "a,b", "*", "a\"b", "-x", "a:b>c"] {
            let text = condition("name", value).unwrap_or_default();
            assert_eq!(
                text.parse(),
                Ok(super::only(crate::query::Key::Name, value))
            );
        }
    }
}
