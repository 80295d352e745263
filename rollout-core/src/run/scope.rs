//! The scope of one rollout.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::Value;

use super::config::run_of;
use super::live::{self, Said, State};
use super::said::Here;
use super::{Phase, RunMeta, Score, Status};
use crate::client::{Client, client};
use crate::context::{self, Restore};
use crate::error::ConfigError;
use crate::event::Message;
use crate::id::TraceId;
use crate::site::{CallSite, Place};
use crate::span::record::{EndStatus, Field, PutField as _};
use crate::span::{
    End, Failure, Outcome, ROLLOUT_TYPE, Span, Start, TracedFuture as _, open_run, status_of_drop,
};

/// A rollout, about to begin: see [`RolloutBuilder`].
///
/// Recorded by the client of the current trace, else by the global one. Where there is none, nothing is recorded, and
/// the scope runs what it is given.
///
/// Fails where the datapoint has no name, and in `prod`, where there is a step number or another run id than the
/// project's name.
///
/// ```
/// use rollout_core::event::Message;
/// use rollout_core::run::{Phase, RunMeta, Score, Status, trace_run};
///
/// # fn policy(_: &str) -> Result<String, std::io::Error> { Ok("4".into()) }
/// let meta = RunMeta::new("sum/2+2", Phase::Eval).run_id("eval-7").grader_name("exact");
/// let answer = trace_run(meta)?.in_scope(|rollout| {
///     rollout.log(Message::user("2+2?"));
///     let answer = policy("2+2?")?; // an `Err` makes it `ERROR`
///     rollout.log(Message::assistant(&answer));
///     rollout.score(Score::new(if answer == "4" { 1.0 } else { 0.0 }));
///     if answer.len() > 100 {
///         rollout.set_status(Status::Truncated, "too long");
///     }
///     Ok::<_, std::io::Error>(answer)
/// })?;
/// assert_eq!(answer, "4");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn trace_run(meta: RunMeta) -> Result<RolloutBuilder, ConfigError> {
    let current = Client::find(context::client_of(context::current()));
    let client = current.or_else(client).unwrap_or_else(Client::off);
    client.trace_run(meta)
}

impl Client {
    /// A rollout of this client's: see [`run::trace_run`](trace_run).
    #[track_caller]
    pub fn trace_run(&self, meta: RunMeta) -> Result<RolloutBuilder, ConfigError> {
        let meta = meta.checked()?;
        let (run_id, of_phase) = run_of(&meta, self.config())?;
        Ok(RolloutBuilder {
            client: self.clone(),
            meta,
            run_id,
            of_phase,
            input: None,
            attributes: Vec::new(),
            place: Location::caller(),
        })
    }
}

/// A rollout that has not begun. It ends in [`start`](RolloutBuilder::start), [`in_scope`](RolloutBuilder::in_scope)
/// or [`in_scope_async`](RolloutBuilder::in_scope_async).
#[derive(Debug)]
#[must_use = "a builder opens nothing: call `start`, `in_scope` or `in_scope_async`"]
pub struct RolloutBuilder {
    client: Client,
    meta: RunMeta,
    run_id: Option<String>,
    /// What its run is for, where that is something else.
    of_phase: Option<Phase>,
    input: Option<Value>,
    place: Place,
    attributes: Vec<(String, Value)>,
}

impl RolloutBuilder {
    /// What goes in. A value that cannot be serialized leaves a marker in its place.
    pub fn input(mut self, input: impl Serialize) -> Self {
        self.input = Some(crate::capture::to_json(&input));
        self
    }

    /// One attribute. A value that cannot be serialized leaves a marker in its place.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        let value = crate::capture::to_json(&value);
        self.attributes.push((key.into(), value));
        self
    }

    /// Opens the rollout, linked to the trace that is current. It ends with [`Rollout::end`], or when dropped. It does
    /// not become the current one: what is to be a part of it runs in its [`in_scope`](Span::in_scope).
    pub fn start(self) -> Rollout {
        let outer = context::current();
        let mut facts = Facts {
            run_id: self.run_id,
            facts: self.meta.facts(),
        };
        if let Some(phase) = self.of_phase {
            let phase = Value::from(phase.as_str());
            facts.facts.push(("rollout.run.of_phase", phase));
        }
        let title = self.meta.title();
        let opened = open_run(
            self.client.id(),
            CallSite::by_hand(Some(self.place)),
            self.meta.trace_id,
            outer,
            |start: &mut Start<'_>| {
                if let Some(input) = &self.input {
                    start.input(input);
                }
                start.text(Field::Name, title);
                start.text(Field::Type, ROLLOUT_TYPE);
                for (key, value) in &self.attributes {
                    start.attribute(key, value);
                }
                facts.start(start);
            },
        );
        let continues = self.meta.trace_id.is_some();
        let grader = self.meta.grader_name.clone();
        let state = match &opened {
            Some(opened) => live::open(opened.context.trace, grader, continues),
            None => Arc::default(),
        };
        Rollout {
            registered: opened.map(|opened| opened.context.trace),
            span: Span::of_run(self.client, opened, outer, title.to_owned()),
            state,
            facts,
            cancels: false,
            ended: AtomicBool::new(false),
        }
    }

    /// Runs `body` inside the rollout and ends it; an `Err` makes it [`Status::Error`], where no status is set.
    pub fn in_scope<R: Outcome>(self, body: impl FnOnce(&Rollout) -> R) -> R {
        let rollout = self.start();
        let value = rollout.span.in_scope(|| body(&rollout));
        rollout.end_of(&value);
        value
    }

    /// Runs an async `body` inside the rollout and ends it; where no status is set, an `Err` makes it
    /// [`Status::Error`], a drop before that [`Status::Aborted`].
    pub async fn in_scope_async<R: Outcome>(self, body: impl AsyncFnOnce(&Rollout) -> R) -> R {
        let mut rollout = self.start();
        rollout.cancels = true;
        let restore = Restore::enter(rollout.span.context());
        let future = body(&rollout).in_current_span();
        drop(restore);
        let value = future.await;
        rollout.end_of(&value);
        value
    }
}

/// What the start and the end of a rollout's trace both say.
#[derive(Debug)]
struct Facts {
    run_id: Option<String>,
    facts: Vec<(&'static str, Value)>,
}

impl Facts {
    fn start(&self, start: &mut Start<'_>) {
        start.text(Field::Run, self.run_id.as_deref().unwrap_or_default());
        for (key, value) in &self.facts {
            start.attribute(key, value);
        }
    }

    fn end(&self, end: &mut End<'_>) {
        let run_id = self.run_id.as_deref().unwrap_or_default();
        end.payload().put(Field::Run, run_id.as_bytes());
        for (key, value) in &self.facts {
            end.attribute(key, value);
        }
    }
}

/// A rollout that is under way: the root span of its trace.
///
/// It is a [`Span`], with spans, model calls and tool calls below it, and an output. What is said of the rollout from
/// elsewhere, in an annotated function, a tool, a spawned task, is said by the functions of [`run`](super), which do
/// the same for the rollout that they are called in.
///
/// Dropping it ends it.
pub struct Rollout {
    span: Span,
    /// The trace under which it is known, unless nothing could be opened.
    registered: Option<u128>,
    state: Arc<State>,
    facts: Facts,
    /// A drop before the end is a cancellation.
    cancels: bool,
    ended: AtomicBool,
}

impl fmt::Debug for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollout")
            .field("trace_id", &self.trace_id())
            .field("run_id", &self.facts.run_id)
            .finish_non_exhaustive()
    }
}

impl Deref for Rollout {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.span
    }
}

/// How the scope was left.
enum Left {
    Done,
    Failed(Failure),
    Cancelled,
    Panicked,
}

impl Rollout {
    /// The id of its trace; `None` where nothing is recorded.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.span.trace_id()
    }

    /// The run that it belongs to, if it belongs to one.
    pub fn run_id(&self) -> Option<&str> {
        self.facts.run_id.as_deref()
    }

    fn here(&self) -> Here {
        let current = context::current();
        let own = self.span.context();
        let inside = current.trace == own.trace && current.span != 0;
        Here {
            context: if inside { current } else { own },
            state: Arc::clone(&self.state),
        }
    }

    /// Adds the members of a map or struct to the metadata of its trace.
    pub fn add_meta<T: Serialize + ?Sized>(&self, data: &T) {
        self.here().add_meta(data);
    }

    /// Adds tags to those that its trace has.
    pub fn add_tags<I>(&self, tags: I)
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.here().add_tags(tags);
    }

    /// Sets how it ends, with a message, or `None`. Setting it again changes it.
    pub fn set_status<'a>(&self, status: Status, message: impl Into<Option<&'a str>>) {
        self.here().set_status(status, message.into());
    }

    /// Marks the current span as failed. Where that is the rollout itself, it ends as [`Status::Error`], if no status
    /// is set.
    pub fn set_error(&self, message: &str) {
        self.here().set_error(message);
    }

    /// Records a message of the conversation, with its turn and its place in it. A turn is what an assistant was given
    /// plus what it answered: the first message that is not the assistant's after one that is opens the next one.
    pub fn log(&self, message: Message) {
        self.here().log(message);
    }

    /// Goes on to the next turn: the next message is its first, whoever's it is.
    pub fn increment_turn(&self) {
        self.state.numbering().increment_turn();
    }

    /// Leaves out a place in the turn; the next message is in the same turn, whoever's it is.
    pub fn increment_intra(&self) {
        self.state.numbering().increment_intra();
    }

    /// Sets the turn of the next message, from 0. Its place in the turn stays as it is.
    pub fn set_turn_index(&self, turn: u64) {
        self.state.numbering().set_turn_index(turn);
    }

    /// Sets the place of the next message in its turn, from 0. It opens no turn.
    pub fn set_intra_index(&self, intra: u64) {
        self.state.numbering().set_intra_index(intra);
    }

    /// The turn that it is in, from 0.
    pub fn turn_index(&self) -> u64 {
        self.state.numbering().place().turn
    }

    /// The place of the next message of this turn, from 0.
    pub fn intra_index(&self) -> u64 {
        self.state.numbering().place().intra
    }

    /// Records a grader's score.
    pub fn score(&self, score: Score) {
        self.here().score(score);
    }

    /// Runs a grader in a span of type `grader` and records its score under this name. One that fails makes the
    /// rollout [`Status::GraderError`], unless a status is set that says that something failed before.
    pub fn grade<E: fmt::Display>(
        &self,
        grader: &str,
        body: impl FnOnce(&Span) -> Result<Score, E>,
    ) -> Result<Score, E> {
        let span = self.span.span("grader").name(grader);
        self.graded(grader, span.in_scope(body))
    }

    /// The same of an async grader.
    pub async fn grade_async<E: fmt::Display>(
        &self,
        grader: &str,
        body: impl AsyncFnOnce(&Span) -> Result<Score, E>,
    ) -> Result<Score, E> {
        let span = self.span.span("grader").name(grader);
        self.graded(grader, span.in_scope_async(body).await)
    }

    fn graded<E: fmt::Display>(&self, grader: &str, result: Result<Score, E>) -> Result<Score, E> {
        match &result {
            Ok(score) => self.score(score.clone().of(Some(grader))),
            Err(error) => {
                let failed = self.state.said().status.is_some_and(Status::is_error);
                if !failed {
                    self.set_status(Status::GraderError, &*error.to_string());
                }
            }
        }
        result
    }

    /// Ends it. Once is enough: a second end does nothing.
    pub fn end(&self) {
        self.close(Left::Done);
    }

    fn end_of(&self, outcome: &impl Outcome) {
        self.close(outcome.failure().map_or(Left::Done, Left::Failed));
    }

    fn close(&self, left: Left) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let said = self.state.said().clone();
        let (turns, messages) = {
            let numbering = self.state.numbering();
            (numbering.turns(), numbering.messages())
        };
        let status = said.status.unwrap_or(match &left {
            Left::Cancelled => Status::Aborted,
            Left::Done if said.error.is_none() => Status::Completed,
            Left::Done | Left::Failed(_) | Left::Panicked => Status::Error,
        });
        let ended = match (&left, status) {
            (Left::Panicked, _) => EndStatus::Panic,
            (Left::Failed(_), _) => EndStatus::Error,
            (_, Status::Completed) => EndStatus::Ok,
            (_, status) if status.is_error() => EndStatus::Error,
            // It is no success, and nothing has failed.
            _ => EndStatus::Cancelled,
        };
        self.span.close(ended, |end| {
            put_failure(end, ended, status, &said, &left);
            end.status(status.as_str());
            self.facts.end(end);
            end.attribute("rollout.run.turns", &turns);
            end.attribute("rollout.run.messages", &messages);
        });
        if let Some(trace) = self.registered {
            live::close(trace);
        }
    }
}

/// Why it did not come to its end.
fn put_failure(end: &mut End<'_>, ended: EndStatus, status: Status, said: &Said, left: &Left) {
    let message = said.message.as_ref().or(said.error.as_ref());
    if let Left::Failed(failure) = left {
        let message = message.unwrap_or(&failure.message);
        end.failure(failure.type_name, message, &[]);
    } else if ended != EndStatus::Error {
        if let Some(message) = message {
            end.attribute("rollout.run.message", message);
        }
    } else if let Some(message) = message {
        end.failure(status.as_str(), message, &[]);
    } else {
        let kind = status.as_str().as_bytes();
        end.payload().put(Field::ErrorType, kind);
    }
}

impl Drop for Rollout {
    fn drop(&mut self) {
        let otherwise = if self.cancels {
            EndStatus::Cancelled
        } else {
            EndStatus::Ok
        };
        self.close(match status_of_drop(self.span.opened(), otherwise) {
            EndStatus::Panic => Left::Panicked,
            EndStatus::Cancelled => Left::Cancelled,
            EndStatus::Ok | EndStatus::Error => Left::Done,
        });
    }
}
