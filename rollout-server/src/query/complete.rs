//! What may come next in a filter that is being written.

use serde::{Deserialize, Serialize};

use super::{
    Filter, KEYS, MEASURES, Test, ValueCount, ValueQuery,
    filter::{Place, Written, key, quoted},
};

/// How many values are offered at most.
const MOST_VALUES: u64 = 20;

/// What is offered behind `since:` and `until:`.
const AGES: [(&str, &str); 6] = [
    ("15m", "15 minutes ago"),
    ("1h", "an hour ago"),
    ("6h", "6 hours ago"),
    ("24h", "a day ago"),
    ("7d", "7 days ago"),
    ("30d", "30 days ago"),
];

/// What may come next in a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The end of what is written that an item stands in for.
    pub word: String,
    /// What may stand there, the likeliest first.
    pub items: Vec<CompletionItem>,
}

/// Something that may come next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionItem {
    /// What to write in the place of the word.
    pub insert: String,
    /// How it is shown.
    pub label: String,
    /// What it is, in a few words.
    pub about: Option<String>,
    /// How often it is seen among the newest traces.
    pub count: Option<u64>,
}

/// What may come next where `before` is what stands before the caret.
///
/// `values` gives the values of a key; it is asked once at most.
pub fn complete<E>(
    before: &str,
    values: impl FnOnce(&ValueQuery) -> Result<Vec<ValueCount>, E>,
) -> Result<Completion, E> {
    let Written { word, place } = Written::of(before);
    let items = match place {
        Place::Name => names(word),
        Place::Value { key: name, others } => {
            let typed = typed(word);
            if let "since" | "until" = name {
                ages(&typed)
            } else if let Some(key) = key(name) {
                let query = ValueQuery {
                    key,
                    prefix: typed,
                    limit: MOST_VALUES,
                };
                let others = listed(name, others);
                let found = values(&query)?.into_iter();
                found
                    .filter(|found| !others.contains(&found.value))
                    .map(value)
                    .collect()
            } else {
                Vec::new()
            }
        }
        Place::Other => Vec::new(),
    };
    Ok(Completion {
        word: word.to_owned(),
        items,
    })
}

fn names(word: &str) -> Vec<CompletionItem> {
    let start = word.to_lowercase();
    let keys = KEYS.iter().map(|info| (info, ":"));
    let measures = MEASURES.iter().map(|info| (info, ">"));
    keys.chain(measures)
        .filter(|(info, _)| info.name.starts_with(&start))
        .map(|(info, sign)| CompletionItem {
            // What wants a name of the program's is not done yet.
            insert: match info.name {
                name if name.ends_with('.') => name.to_owned(),
                name => format!("{name}{sign}"),
            },
            label: info.name.to_owned(),
            about: Some(info.about.to_owned()),
            count: None,
        })
        .filter(|item| item.insert != word)
        .collect()
}

fn ages(typed: &str) -> Vec<CompletionItem> {
    AGES.iter()
        .filter(|(age, _)| age.starts_with(typed))
        .map(|(age, about)| CompletionItem {
            insert: (*age).to_owned(),
            label: (*age).to_owned(),
            about: Some((*about).to_owned()),
            count: None,
        })
        .collect()
}

fn value(found: ValueCount) -> CompletionItem {
    CompletionItem {
        insert: quoted(&found.value),
        label: found.value,
        about: None,
        count: Some(found.count),
    }
}

/// What is meant by the beginning of a value.
fn typed(word: &str) -> String {
    match word.strip_prefix('"') {
        Some(open) => super::filter::unescaped(open),
        None => word.to_owned(),
    }
}

/// The values that stand before the one that is being written.
fn listed(name: &str, others: &str) -> Vec<String> {
    let Some(others) = others.strip_suffix(',') else {
        return Vec::new();
    };
    let filter: Option<Filter> = format!("{name}:{others}").parse().ok();
    let test = filter.and_then(|filter| filter.terms.into_iter().next());
    match test.map(|term| term.test) {
        Some(Test::Is(_, any_of)) => any_of
            .into_iter()
            .filter_map(|pattern| match pattern {
                super::Pattern::Exactly(text) => Some(text),
                super::Pattern::Wildcard(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
