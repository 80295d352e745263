//! A conversation: who said what, with the answers of tools under the calls that they answer.

use std::collections::{HashMap, VecDeque};

use askama::{Template, filters::HtmlSafe};
use rollout_core::event::RawJson;

use super::{
    json::JsonView,
    markdown::Markdown,
    picture::Picture,
    text::{Budget, Cut, TextView},
    value::{Form, ValueView},
};
use crate::{
    present,
    value::{Chat, Part, Turn},
};

/// Turns of one conversation that a page shows.
pub(super) const TURNS: usize = 400;
/// Bytes of a tool's answer that is shown unfolded.
const OPEN: usize = 1_500;
/// Characters of Markdown that are rendered.
const RENDERED: usize = 100_000;

/// What one side of a conversation said.
#[derive(Template)]
#[template(path = "turn.html")]
pub(super) struct TurnView {
    class: &'static str,
    role: String,
    note: Option<String>,
    parts: Parts,
    /// Stands in the place of turns that are not shown.
    cut: Option<Cut>,
}

/// Pieces of what was said.
#[derive(Template)]
#[template(path = "parts.html")]
pub(super) struct Parts(Vec<PartView>);

// Askama has escaped what these print.
impl HtmlSafe for TurnView {}
impl HtmlSafe for Parts {}

/// A piece of it.
pub(super) enum PartView {
    Text(TextView),
    Markdown(Markdown),
    Reasoning(TextView),
    Call {
        name: String,
        id: Option<String>,
        arguments: ValueView,
        answer: Option<Answer>,
    },
    Image {
        href: String,
        words: String,
    },
    Remote(String),
    Other(JsonView),
}

/// What a tool answered.
pub(super) struct Answer {
    open: bool,
    parts: Parts,
}

/// A turn before it is shown, with the words beside its role and the number of its first image.
pub(super) struct Said {
    pub(super) turn: Turn,
    pub(super) notes: Vec<String>,
    /// Where the images are, but for their numbers.
    pub(super) images: Option<String>,
    pub(super) first_image: usize,
}

/// A part with the place of its image.
type Shown = (Part, Option<String>);

impl Said {
    /// The turns of a captured conversation; `images` is where its images are.
    pub(super) fn of(chat: &mut Chat, images: Option<&str>) -> Vec<Self> {
        let mut first_image = 0;
        let turns = std::mem::take(&mut chat.turns).into_iter();
        turns
            .map(|turn| {
                let said = Self {
                    notes: Vec::new(),
                    images: images.map(str::to_owned),
                    first_image,
                    turn,
                };
                first_image += said.inline().count();
                said
            })
            .collect()
    }

    fn inline(&self) -> impl Iterator<Item = usize> {
        let parts = self.turn.parts.iter().enumerate();
        parts.filter_map(|(at, part)| match part {
            Part::Other(json) => match Picture::read(json) {
                Some(Picture::Inline { .. }) => Some(at),
                _ => None,
            },
            _ => None,
        })
    }

    /// Its parts with the places of their images.
    fn shown(self) -> (Turn, Vec<String>, Vec<Shown>) {
        let inline: Vec<usize> = self.inline().collect();
        let mut turn = self.turn;
        let parts = std::mem::take(&mut turn.parts).into_iter().enumerate();
        let parts = parts
            .map(|(at, part)| {
                let number = inline.iter().position(|inline| *inline == at);
                let href = number
                    .zip(self.images.as_ref())
                    .map(|(number, images)| format!("{images}&n={}", self.first_image + number));
                (part, href)
            })
            .collect();
        (turn, self.notes, parts)
    }
}

impl TurnView {
    /// The last turns up to the one before `until`, the answers of tools with their calls. `earlier` is where those
    /// are that are not shown, but for their number.
    pub(super) fn all(
        mut said: Vec<Said>,
        until: Option<usize>,
        form: Form,
        earlier: Option<&str>,
        budget: &mut Budget,
    ) -> Vec<Self> {
        said.truncate(until.unwrap_or(usize::MAX));
        let cut = said.len().saturating_sub(TURNS);
        let said: Vec<_> = said.drain(cut..).collect();
        let mut views = Vec::with_capacity(said.len() + 1);
        if cut > 0 {
            views.push(Self::cut(cut, earlier));
        }
        let mut answers = taken(&said);
        for one in said {
            let (turn, notes, mut parts) = one.shown();
            let had_parts = !parts.is_empty();
            let is_answer = turn.answers.as_ref().is_some_and(|id| answers.known(id));
            let mut at = 0;
            parts.retain(|_| {
                let answered = turn.results.iter().find(|(index, _)| *index == at);
                let call = answered.and_then(|(_, call)| call.as_ref());
                at += 1;
                !(is_answer || call.is_some_and(|id| answers.known(id)))
            });
            if had_parts && parts.is_empty() {
                continue;
            }
            let parts = parts.into_iter();
            let parts = parts.map(|part| PartView::of(part, form, &mut answers, budget));
            views.push(Self {
                class: class(&turn.role),
                role: turn.role,
                note: note(turn.answers.as_deref(), notes),
                parts: Parts(parts.collect()),
                cut: None,
            });
        }
        views
    }

    fn cut(count: usize, earlier: Option<&str>) -> Self {
        Self {
            class: "other",
            role: "…".to_owned(),
            note: None,
            parts: Parts(Vec::new()),
            cut: Some(Cut {
                words: format!("{count} earlier turns are not shown"),
                href: earlier.map(|earlier| format!("{earlier}&from={count}")),
            }),
        }
    }
}

fn class(role: &str) -> &'static str {
    match role {
        "user" | "human" => "user",
        "assistant" | "ai" => "assistant",
        "tool" | "function" => "tool",
        "system" | "developer" => "system",
        _ => "other",
    }
}

fn note(answers: Option<&str>, notes: Vec<String>) -> Option<String> {
    let answers = answers.map(|id| format!("answers {id}"));
    let notes: Vec<String> = answers.into_iter().chain(notes).collect();
    (!notes.is_empty()).then(|| notes.join(" · "))
}

/// The answers of tools whose calls are in the conversation before them, by the calls; a list for each, since some
/// number their calls anew in each turn.
struct Answers {
    by_call: HashMap<String, VecDeque<Vec<Part>>>,
}

impl Answers {
    /// What the next call of that id was answered.
    fn next(&mut self, call: &str) -> Option<Vec<Part>> {
        let answer = self.by_call.get_mut(call)?.pop_front()?;
        (!answer.is_empty()).then_some(answer)
    }

    fn known(&self, call: &str) -> bool {
        self.by_call.contains_key(call)
    }
}

fn taken(said: &[Said]) -> Answers {
    let mut by_call: HashMap<String, VecDeque<Vec<Part>>> = HashMap::new();
    for one in said {
        let turn = &one.turn;
        let whole = turn
            .answers
            .iter()
            .map(|id| (id, turn.parts.iter().collect()));
        let by_part = turn.results.iter().filter_map(|(index, id)| {
            Some((id.as_ref()?, turn.parts.get(*index).into_iter().collect()))
        });
        let answers: Vec<(&String, Vec<&Part>)> = whole.chain(by_part).collect();
        for (id, parts) in answers {
            if let Some(answer) = by_call.get_mut(id).and_then(VecDeque::back_mut) {
                answer.extend(parts.into_iter().map(copied));
            }
        }
        for part in &turn.parts {
            if let Part::Call { id: Some(id), .. } = part {
                by_call.entry(id.clone()).or_default().push_back(Vec::new());
            }
        }
    }
    Answers { by_call }
}

fn copied(part: &Part) -> Part {
    match part {
        Part::Text(text) => Part::Text(text.clone()),
        Part::Reasoning(text) => Part::Reasoning(text.clone()),
        Part::Call {
            name,
            id,
            arguments,
        } => Part::Call {
            name: name.clone(),
            id: id.clone(),
            arguments: arguments.clone(),
        },
        Part::Other(json) => Part::Other(json.clone()),
    }
}

impl PartView {
    fn of((part, image): Shown, form: Form, answers: &mut Answers, budget: &mut Budget) -> Self {
        match part {
            // Tools answer in JSON inside a string.
            Part::Text(text) if text.starts_with(['{', '[']) => {
                match RawJson::parse(text.clone()) {
                    Ok(json) => Self::Other(JsonView::within(json.as_str(), budget, None)),
                    Err(_) => Self::Text(TextView::within(&text, budget, None)),
                }
            }
            Part::Text(text) if form == Form::Markdown && text.len() <= RENDERED => {
                Self::Markdown(Markdown::of(&text))
            }
            Part::Text(text) => Self::Text(TextView::within(&text, budget, None)),
            Part::Reasoning(text) => Self::Reasoning(TextView::within(&text, budget, None)),
            Part::Call {
                name,
                id,
                arguments,
            } => {
                let answer = id.as_ref().and_then(|id| answers.next(id));
                Self::Call {
                    name,
                    arguments: match RawJson::parse(arguments.clone()) {
                        Ok(json) => ValueView::Json(JsonView::within(json.as_str(), budget, None)),
                        Err(_) => ValueView::Text(TextView::within(&arguments, budget, None)),
                    },
                    answer: answer.map(|parts| Answer {
                        open: parts.iter().map(size).sum::<usize>() <= OPEN,
                        parts: Parts(
                            parts
                                .into_iter()
                                .map(|part| Self::of((part, None), form, answers, budget))
                                .collect(),
                        ),
                    }),
                    id,
                }
            }
            Part::Other(json) => match Picture::read(&json) {
                Some(Picture::Inline { kind, data }) => match image {
                    Some(href) => Self::Image {
                        href,
                        words: format!("{kind}, {}", present::bytes(Picture::size(&data))),
                    },
                    None => Self::Other(JsonView::within(&json, budget, None)),
                },
                Some(Picture::Remote(url)) => Self::Remote(url),
                None => Self::Other(JsonView::within(&json, budget, None)),
            },
        }
    }
}

fn size(part: &Part) -> usize {
    match part {
        Part::Text(text) | Part::Reasoning(text) | Part::Other(text) => text.len(),
        Part::Call { arguments, .. } => arguments.len(),
    }
}
