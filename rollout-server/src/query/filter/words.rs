//! The words that a filter knows.

use super::{Key, Measure};

/// A word of the language, as help and completions show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordInfo {
    /// How it is written; one that ends in a dot wants a name behind it.
    pub name: &'static str,
    /// What it looks at, in a few words.
    pub about: &'static str,
}

macro_rules! words {
    ($($name:literal $about:literal $variant:expr;)*) => {
        &[$((WordInfo { name: $name, about: $about }, $variant)),*]
    };
}

const PLAIN_KEYS: &[(WordInfo, Key)] = words! {
    "status" "its status" Key::Status;
    "name" "its name" Key::Name;
    "user" "its user" Key::User;
    "session" "its session" Key::Session;
    "conversation" "its conversation" Key::Conversation;
    "tag" "one of its tags" Key::Tag;
    "model" "the model of a span" Key::Model;
    "tool" "the name of a tool that it called" Key::Tool;
    "error" "the type of an error" Key::Error;
    "type" "the type of a span" Key::Type;
    "span" "the name of a span" Key::Span;
    "provider" "who serves a model" Key::Provider;
    "account" "its user's account" Key::Account;
    "agent" "the agent's configured name" Key::Agent;
    "version" "the agent's version" Key::Version;
    "environment" "where the agent is deployed" Key::Environment;
    "id" "its id, or your own" Key::Id;
    "run" "the run that it belongs to" Key::Run;
    "phase" "train, eval or prod" Key::Phase;
    "step" "the step of its run" Key::Step;
    "datapoint" "the id of its input" Key::Datapoint;
    "env" "its rollout's environment" Key::Env;
    "grader" "a grader that has scored it" Key::Grader;
    "group" "the group that it is a sample of" Key::Group;
};

const PLAIN_MEASURES: &[(WordInfo, Measure)] = words! {
    "duration" "how long it took: 300ms, 2s, 5m, 1h" Measure::Duration;
    "cost" "US dollars" Measure::Cost;
    "tokens" "tokens of all model calls" Measure::Tokens;
    "input" "tokens that models were given" Measure::Input;
    "output" "tokens that models answered" Measure::Output;
    "spans" "how many spans it has" Measure::Spans;
    "errors" "how many spans failed" Measure::Errors;
    "turns" "how many turns its rollout has" Measure::Turns;
    "score" "a grader's score" Measure::Score(None);
};

const fn infos<T, const N: usize, const M: usize>(
    words: &[(WordInfo, T)],
    others: [WordInfo; M],
) -> [WordInfo; N] {
    assert!(words.len() + M == N);
    let mut list = [WordInfo {
        name: "",
        about: "",
    }; N];
    let mut at = 0;
    while at < N {
        list[at] = if at < words.len() {
            words[at].0
        } else {
            others[at - words.len()]
        };
        at += 1;
    }
    list
}

/// What stands before a colon.
pub const KEYS: &[WordInfo] = &infos::<_, { PLAIN_KEYS.len() + 3 }, 3>(
    PLAIN_KEYS,
    [
        WordInfo {
            name: "meta.",
            about: "an entry of its metadata",
        },
        WordInfo {
            name: "since",
            about: "it began then or later: 2h, 7d, 2026-11-01",
        },
        WordInfo {
            name: "until",
            about: "it began before: 2h, 7d, 2026-11-01",
        },
    ],
);

/// What stands before `<`, `<=`, `=`, `>=` or `>`.
pub const MEASURES: &[WordInfo] = &infos::<_, { PLAIN_MEASURES.len() + 1 }, 1>(
    PLAIN_MEASURES,
    [WordInfo {
        name: "score.",
        about: "the score of this grader",
    }],
);

/// The key of a name.
pub(crate) fn key(name: &str) -> Option<Key> {
    let named = name.strip_prefix("meta.").filter(|name| !name.is_empty());
    let plain = PLAIN_KEYS.iter().find(|(info, _)| info.name == name);
    plain
        .map(|(_, key)| key.clone())
        .or_else(|| Some(Key::Meta(named?.into())))
}

/// The measure of a name.
pub(crate) fn measure(name: &str) -> Option<Measure> {
    let named = name.strip_prefix("score.").filter(|name| !name.is_empty());
    let plain = PLAIN_MEASURES.iter().find(|(info, _)| info.name == name);
    plain
        .map(|(_, measure)| measure.clone())
        .or_else(|| Some(Measure::Score(Some(named?.into()))))
}

/// The name of a key that has one of its own.
pub(super) fn name_of_key(key: &Key) -> &'static str {
    let plain = PLAIN_KEYS.iter().find(|(_, plain)| plain == key);
    plain.map_or("meta.", |(info, _)| info.name)
}

/// The name of a measure that has one of its own.
pub(super) fn name_of_measure(measure: &Measure) -> &'static str {
    let plain = PLAIN_MEASURES.iter().find(|(_, plain)| plain == measure);
    plain.map_or("score.", |(info, _)| info.name)
}
