//! A captured value as HTML: words, a JSON tree or a conversation, each bounded.

use askama::{Template, filters::HtmlSafe};
use rollout_core::event::RawJson;

use crate::{
    present,
    value::{Chat, Json, Part, Turn},
};

/// Characters of a text that are seen before it is unfolded.
const SEEN: usize = 6_000;
/// Characters of a text that a page holds; the API has all of it.
const HELD: usize = 200_000;
/// Nodes of one JSON tree.
const NODES: usize = 3_000;
/// Levels of one JSON tree.
const LEVELS: usize = 100;
/// Turns of one conversation.
const TURNS: usize = 400;

/// One value.
#[derive(Template)]
#[template(path = "value.html")]
pub(super) enum ValueView {
    /// Nothing was recorded, and why.
    Absent(&'static str),
    /// Words.
    Text(TextView),
    /// Anything else.
    Json(JsonView),
    /// A conversation.
    Chat {
        turns: Vec<TurnView>,
        /// What stood beside the turns: its title, and the tree.
        rest: Option<(String, JsonView)>,
        /// The value as it was captured.
        whole: Option<JsonView>,
    },
}

// Askama has escaped what these print.
impl HtmlSafe for ValueView {}
impl HtmlSafe for TextView {}
impl HtmlSafe for JsonView {}
impl HtmlSafe for TurnView {}

impl ValueView {
    /// Shows `value`; `absent` says why there is none.
    pub(super) fn of(value: Option<&RawJson>, absent: &'static str) -> Self {
        let Some(value) = value else {
            return Self::Absent(absent);
        };
        let text = value.as_str();
        if let Some(chat) = Chat::read(text) {
            return Self::chat(chat, text);
        }
        match Json::read(text) {
            Json::Text(text) => Self::Text(TextView::of(&text)),
            _ => Self::Json(JsonView::of(text)),
        }
    }

    fn chat(chat: Chat, text: &str) -> Self {
        let cut = chat.turns.len().saturating_sub(TURNS);
        let mut turns: Vec<_> = chat.turns.into_iter().skip(cut).map(TurnView::of).collect();
        if cut > 0 {
            turns.insert(
                0,
                TurnView::note(format!("{cut} earlier turns are not shown")),
            );
        }
        let rest = (!chat.rest.is_empty()).then(|| {
            let names: Vec<_> = chat.rest.iter().map(|(name, _)| name.as_str()).collect();
            (short(&names.join(", "), 120), JsonView::members(&chat.rest))
        });
        Self::Chat {
            turns,
            rest,
            whole: Some(JsonView::of(text)),
        }
    }

    /// Words that were not captured as one value.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(TextView::of(text))
    }

    /// Messages that were recorded one by one.
    pub(super) fn turns(turns: Vec<TurnView>) -> Self {
        Self::Chat {
            turns,
            rest: None,
            whole: None,
        }
    }
}

/// Words, the rest of long ones folded.
#[derive(Template)]
#[template(path = "text.html")]
pub(super) struct TextView {
    head: String,
    rest: Option<(String, String)>,
    cut: Option<String>,
}

impl TextView {
    pub(super) fn of(text: &str) -> Self {
        let seen = boundary(text, SEEN);
        let held = boundary(text, HELD);
        let rest = &text[seen..held];
        Self {
            head: text[..seen].to_owned(),
            rest: (!rest.is_empty()).then(|| {
                let size = present::bytes(rest.len() as u64);
                (format!("{size} more"), rest.to_owned())
            }),
            cut: (held < text.len()).then(|| {
                let size = present::bytes((text.len() - held) as u64);
                format!("… and {size} that this page leaves out; Copy takes all")
            }),
        }
    }
}

/// The byte before which at most `chars` characters stand.
fn boundary(text: &str, chars: usize) -> usize {
    text.char_indices()
        .nth(chars)
        .map_or(text.len(), |(at, _)| at)
}

fn short(text: &str, chars: usize) -> String {
    let end = boundary(text, chars);
    if end == text.len() {
        text.to_owned()
    } else {
        format!("{}…", &text[..end])
    }
}

/// One node of a JSON tree.
#[derive(Template)]
#[template(path = "json.html")]
pub(super) enum JsonView {
    Text(TextView),
    Literal(String),
    Cut(String),
    List {
        /// The name under which it stands in an object.
        key: Option<String>,
        open: bool,
        size: usize,
        items: Vec<JsonView>,
    },
    Object {
        key: Option<String>,
        open: bool,
        size: usize,
        /// The members; what unfolds says its name itself.
        members: Vec<(Option<String>, JsonView)>,
    },
}

impl JsonView {
    /// The tree of `text`, one JSON value.
    pub(super) fn of(text: &str) -> Self {
        Self::node(text, 0, &mut NODES.clone())
    }

    fn members(members: &[(String, String)]) -> Self {
        let mut left = NODES;
        Self::Object {
            key: None,
            open: true,
            size: members.len(),
            members: members
                .iter()
                .map(|(name, value)| Self::node(value, 1, &mut left).named(name))
                .collect(),
        }
    }

    fn node(text: &str, level: usize, left: &mut usize) -> Self {
        *left = left.saturating_sub(1);
        match Json::read(text) {
            Json::Text(text) => Self::Text(TextView::of(&text)),
            Json::Literal(text) | Json::Unreadable(text) => Self::Literal(short(text, SEEN)),
            Json::List(_) | Json::Object(_) if level >= LEVELS => {
                Self::Cut("deeper levels are not shown; Copy takes all".to_owned())
            }
            Json::List(list) => {
                let mut items = Vec::new();
                for item in &list {
                    if *left == 0 {
                        items.push(Self::cut(list.len() - items.len()));
                        break;
                    }
                    items.push(Self::node(item.get(), level + 1, left));
                }
                Self::List {
                    key: None,
                    open: open(level, list.len()),
                    size: list.len(),
                    items,
                }
            }
            Json::Object(object) => {
                let mut members = Vec::new();
                for (name, value) in &object {
                    if *left == 0 {
                        let more = Self::cut(object.len() - members.len());
                        members.push((None, more));
                        break;
                    }
                    let value = Self::node(value.get(), level + 1, left);
                    members.push(value.named(&short(name, SEEN)));
                }
                Self::Object {
                    key: None,
                    open: open(level, object.len()),
                    size: object.len(),
                    members,
                }
            }
        }
    }

    /// A member of an object under its name.
    fn named(mut self, name: &str) -> (Option<String>, Self) {
        match &mut self {
            Self::List { key, size, .. } | Self::Object { key, size, .. } if *size > 0 => {
                *key = Some(name.to_owned());
                (None, self)
            }
            _ => (Some(name.to_owned()), self),
        }
    }

    fn cut(more: usize) -> Self {
        Self::Cut(format!("{more} more are not shown; Copy takes all"))
    }
}

/// Whether a node starts unfolded: the upper levels, unless they are long.
fn open(level: usize, size: usize) -> bool {
    level == 0 || (level < 4 && size <= 30)
}

/// What one side of a conversation said.
#[derive(Template)]
#[template(path = "turn.html")]
pub(super) struct TurnView {
    class: &'static str,
    role: String,
    note: Option<String>,
    parts: Vec<PartView>,
}

/// A piece of it.
pub(super) enum PartView {
    Text(TextView),
    Reasoning(TextView),
    Call {
        name: String,
        id: Option<String>,
        arguments: ValueView,
    },
    Other(JsonView),
}

impl TurnView {
    /// A turn of a captured conversation.
    pub(super) fn of(turn: Turn) -> Self {
        let class = match turn.role.as_str() {
            "user" | "human" => "user",
            "assistant" | "ai" => "assistant",
            "tool" | "function" => "tool",
            _ => "other",
        };
        Self {
            class,
            note: turn.answers.map(|id| format!("answers {id}")),
            role: turn.role,
            parts: turn.parts.into_iter().map(PartView::of).collect(),
        }
    }

    /// Adds to what stands beside the role.
    pub(super) fn noted(mut self, note: &str) -> Self {
        self.note = Some(match self.note {
            Some(before) => format!("{before} · {note}"),
            None => note.to_owned(),
        });
        self
    }

    fn note(words: String) -> Self {
        Self {
            class: "other",
            role: "…".to_owned(),
            note: Some(words),
            parts: Vec::new(),
        }
    }
}

impl PartView {
    fn of(part: Part) -> Self {
        match part {
            // Tools answer in JSON inside a string.
            Part::Text(text) if text.starts_with(['{', '[']) => {
                match RawJson::parse(text.clone()) {
                    Ok(json) => Self::Other(JsonView::of(json.as_str())),
                    Err(_) => Self::Text(TextView::of(&text)),
                }
            }
            Part::Text(text) => Self::Text(TextView::of(&text)),
            Part::Reasoning(text) => Self::Reasoning(TextView::of(&text)),
            Part::Call {
                name,
                id,
                arguments,
            } => Self::Call {
                name,
                id,
                arguments: match RawJson::parse(arguments.clone()) {
                    Ok(json) => ValueView::Json(JsonView::of(json.as_str())),
                    Err(_) => ValueView::Text(TextView::of(&arguments)),
                },
            },
            Part::Other(json) => Self::Other(JsonView::of(&json)),
        }
    }
}
