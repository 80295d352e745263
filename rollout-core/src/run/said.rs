//! What is said of a rollout while it runs, by its handle or from anywhere inside.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::live::{self, State};
use super::{Score, Status};
use crate::capture::to_json;
use crate::context::{self, Context, ROOT};
use crate::event::{EventType, Message};
use crate::span::record::{Field, PutField as _, RecordKind};
use crate::span::start::{put_entry, put_value};
use crate::span::{TraceUpdate, moment, put_message};

/// A place in a rollout.
pub(super) struct Here {
    pub(super) context: Context,
    pub(super) state: Arc<State>,
}

/// Where this thread is, if that is in a rollout.
pub(super) fn here() -> Option<Here> {
    let context = context::current();
    if context.trace == 0 {
        return None;
    }
    let state = live::find(context.trace)?;
    Some(Here { context, state })
}

impl Here {
    pub(super) fn add_meta<T: Serialize + ?Sized>(&self, data: &T) {
        let mut update = TraceUpdate::new();
        match to_json(data) {
            Value::Object(members) => {
                for (key, value) in members {
                    update = update.metadata(key, value);
                }
            }
            Value::Null => return,
            value => update = update.metadata("value", value),
        }
        self.update(&update);
    }

    pub(super) fn add_tags<I>(&self, tags: I)
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let tags = tags.into_iter();
        self.update(&tags.fold(TraceUpdate::new(), TraceUpdate::tag));
    }

    fn update(&self, update: &TraceUpdate) {
        moment(
            self.context,
            RecordKind::TraceUpdate,
            |payload, settings| {
                update.put(payload, settings);
            },
        );
    }

    pub(super) fn set_status(&self, status: Status, message: Option<&str>) {
        let mut said = self.state.said();
        said.status = Some(status);
        said.message = message.map(str::to_owned);
    }

    pub(super) fn set_error(&self, message: &str) {
        if self.context.flags & ROOT != 0 {
            self.state.said().error = Some(message.to_owned());
            return;
        }
        moment(self.context, RecordKind::SpanUpdate, |payload, _| {
            payload.put(Field::ErrorType, b"error");
            payload.put(Field::ErrorMessage, message.as_bytes());
        });
    }

    pub(super) fn log(&self, message: Message) {
        // Held while it is recorded, so that messages have the order of their numbers.
        let mut numbering = self.state.numbering();
        let place = numbering.next(message.role.as_deref());
        moment(self.context, RecordKind::Message, |payload, settings| {
            put_message(payload, settings, &message);
            let attribute = Field::Attribute;
            put_entry(payload, settings, attribute, TURN_INDEX, &place.turn);
            put_entry(payload, settings, attribute, INTRA_INDEX, &place.intra);
        });
    }

    pub(super) fn score(&self, score: Score) {
        let score = score.of(self.state.said().grader.as_deref());
        moment(self.context, RecordKind::Custom, |payload, settings| {
            let kind = EventType::EvalResult.as_str();
            payload.put(Field::EventType, kind.as_bytes());
            put_value(payload, settings, Field::Members, None, &score.members());
        });
    }
}

const TURN_INDEX: &str = "rollout.turn_index";
const INTRA_INDEX: &str = "rollout.intra_index";

/// [`Rollout::add_meta`](super::Rollout::add_meta) of the rollout that this is called in, if there is one.
pub fn add_meta<T: Serialize + ?Sized>(data: &T) {
    if let Some(here) = here() {
        here.add_meta(data);
    }
}

/// [`Rollout::add_tags`](super::Rollout::add_tags) of the rollout that this is called in, if there is one.
pub fn add_tags<I>(tags: I)
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    if let Some(here) = here() {
        here.add_tags(tags);
    }
}

/// [`Rollout::set_status`](super::Rollout::set_status) of the rollout that this is called in, if there is one.
pub fn set_status<'a>(status: Status, message: impl Into<Option<&'a str>>) {
    if let Some(here) = here() {
        here.set_status(status, message.into());
    }
}

/// [`Rollout::set_error`](super::Rollout::set_error) of the rollout that this is called in, if there is one.
pub fn set_error(message: &str) {
    if let Some(here) = here() {
        here.set_error(message);
    }
}

/// [`Rollout::log`](super::Rollout::log) of the rollout that this is called in, if there is one.
pub fn log(message: Message) {
    if let Some(here) = here() {
        here.log(message);
    }
}

/// [`Rollout::increment_turn`](super::Rollout::increment_turn) of the rollout that this is called in, if there is one.
pub fn increment_turn() {
    if let Some(here) = here() {
        here.state.numbering().increment_turn();
    }
}

/// [`Rollout::increment_intra`](super::Rollout::increment_intra) of the rollout that this is called in, if there is
/// one.
pub fn increment_intra() {
    if let Some(here) = here() {
        here.state.numbering().increment_intra();
    }
}

/// [`Rollout::set_turn_index`](super::Rollout::set_turn_index) of the rollout that this is called in, if there is one.
pub fn set_turn_index(turn: u64) {
    if let Some(here) = here() {
        here.state.numbering().set_turn_index(turn);
    }
}

/// [`Rollout::set_intra_index`](super::Rollout::set_intra_index) of the rollout that this is called in, if there is
/// one.
pub fn set_intra_index(intra: u64) {
    if let Some(here) = here() {
        here.state.numbering().set_intra_index(intra);
    }
}

/// [`Rollout::score`](super::Rollout::score) of the rollout that this is called in, if there is one.
pub fn score(score: Score) {
    if let Some(here) = here() {
        here.score(score);
    }
}
