//! Scopes of attributes: what is said of whom, for all that begins inside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll};

use pin_project::pin_project;
use serde::Serialize;
use serde_json::Value;

use super::{BaggageKeys, Carried};
use crate::capture::{KeyMatcher, Words, to_json};
use crate::client::Settings;
use crate::span::record::{Field, PutField, said_here};
use crate::span::start::put_entry;

/// A scope that holds nothing yet.
///
/// What begins inside it, traces and spans alike, carries its user, session, conversation, tags and metadata. Scopes
/// nest: the inner user, session and conversation win, tags are united, metadata is merged by key and the inner wins.
/// What a span or trace says of itself, in its attribute or builder, is innermost of all. Users of TraceRoot know this
/// as `using_attributes`.
///
/// ```
/// rollout_core::attributes()
///     .user_id("cus_123")
///     .tags(["beta"])
///     .metadata("plan", "pro")
///     .in_scope(|| { /* call annotated functions */ });
/// ```
pub fn attributes() -> AttributesScope {
    AttributesScope::default()
}

/// Attributes for all that begins inside a scope; made by [`attributes`].
#[derive(Debug, Clone, Default)]
#[must_use = "a scope does nothing until it is entered"]
pub struct AttributesScope {
    user_id: Option<String>,
    session_id: Option<String>,
    conversation_id: Option<String>,
    tags: Vec<String>,
    metadata: BTreeMap<String, Value>,
    /// Nothing of the scopes around it holds inside.
    clears: bool,
}

impl AttributesScope {
    /// Forgets all that the scopes around this one say, and what was said on this one before.
    ///
    /// ```
    /// # rollout_core::attributes().user_id("cus_123").in_scope(|| {
    /// // Housekeeping in the middle of a request is for nobody.
    /// rollout_core::attributes().clear().tags(["housekeeping"]).in_scope(|| { /* … */ });
    /// # });
    /// ```
    pub fn clear(self) -> Self {
        Self {
            clears: true,
            ..Self::default()
        }
    }

    /// Whom it is for.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// The session that it belongs to.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// The conversation that it belongs to.
    pub fn conversation_id(mut self, id: impl Into<String>) -> Self {
        self.conversation_id = Some(id.into());
        self
    }

    /// Tags, in addition to those there are.
    pub fn tags<I>(mut self, tags: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// One entry of metadata. A value that cannot be serialized leaves a marker in its place.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        let value = to_json(&value);
        self.metadata.insert(key.into(), value);
        self
    }

    /// Runs `body` inside the scope.
    pub fn in_scope<R>(self, body: impl FnOnce() -> R) -> R {
        let _guard = self.enter();
        body()
    }

    /// Enters the scope until the guard is dropped.
    pub fn enter(self) -> AttributesGuard {
        AttributesGuard {
            outer: replace(Some(Arc::new(Scope::inside(current().as_deref(), self)))),
            stays: PhantomData,
        }
    }

    /// The future inside the scope, wherever it is polled.
    pub(crate) fn around<F: Future>(self, future: F) -> WithAttributes<F> {
        WithAttributes {
            inner: future,
            scope: Arc::new(Scope::inside(current().as_deref(), self)),
        }
    }
}

/// The thread is inside a scope of attributes until this is dropped.
#[derive(Debug)]
#[must_use = "the scope is left when the guard is dropped"]
pub struct AttributesGuard {
    outer: Option<Arc<Scope>>,
    stays: PhantomData<*const ()>,
}

impl Drop for AttributesGuard {
    fn drop(&mut self) {
        replace(self.outer.take());
    }
}

/// The scope that this thread is in.
pub(super) fn scope() -> Option<Arc<Scope>> {
    current()
}

/// Puts this thread into a scope, or into none, until the guard is dropped.
pub(super) fn enter_scope(scope: Option<Arc<Scope>>) -> AttributesGuard {
    AttributesGuard {
        outer: replace(scope),
        stays: PhantomData,
    }
}

/// A future inside a scope of attributes.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
#[pin_project]
pub struct WithAttributes<F> {
    #[pin]
    inner: F,
    scope: Arc<Scope>,
}

impl<F: Future> Future for WithAttributes<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _guard = AttributesGuard {
            outer: replace(Some(Arc::clone(this.scope))),
            stays: PhantomData,
        };
        this.inner.poll(cx)
    }
}

/// Scopes merged, and the fields they come to.
#[derive(Debug)]
pub(crate) struct Scope {
    merged: AttributesScope,
    payload: Words,
}

impl Scope {
    fn inside(outer: Option<&Self>, inner: AttributesScope) -> Self {
        let outer = outer.filter(|_| !inner.clears);
        let mut merged = outer.map(|outer| outer.merged.clone()).unwrap_or_default();
        merged.user_id = inner.user_id.or(merged.user_id);
        merged.session_id = inner.session_id.or(merged.session_id);
        merged.conversation_id = inner.conversation_id.or(merged.conversation_id);
        for tag in inner.tags {
            if !merged.tags.contains(&tag) {
                merged.tags.push(tag);
            }
        }
        merged.metadata.extend(inner.metadata);
        let payload = merged.payload();
        Self { merged, payload }
    }
}

impl AttributesScope {
    /// What has travelled.
    pub(crate) fn of(carried: Carried) -> Self {
        let [user_id, session_id, conversation_id] = carried.ids;
        Self {
            user_id,
            session_id,
            conversation_id,
            tags: carried.tags,
            ..Self::default()
        }
    }

    /// As much of it as travels.
    pub(crate) fn carried(self) -> Carried {
        Carried {
            ids: [self.user_id, self.session_id, self.conversation_id],
            tags: self.tags,
        }
    }

    fn payload(&self) -> Words {
        let mut payload = Words::new();
        let ids = [
            (Field::UserId, &self.user_id),
            (Field::SessionId, &self.session_id),
            (Field::ConversationId, &self.conversation_id),
        ];
        for (field, id) in ids {
            if let Some(id) = id {
                payload.put(field, id.as_bytes());
            }
        }
        for tag in &self.tags {
            payload.put(Field::Tag, tag.as_bytes());
        }
        let settings = Settings {
            capture_input: true,
            capture_output: true,
            max_value_bytes: 16 * 1024,
            keys: KeyMatcher::default(),
            sampled_up_to: None,
            baggage: BaggageKeys::default(),
        };
        for (key, value) in &self.metadata {
            put_entry(&mut payload, &settings, Field::Metadata, key, value);
        }
        payload
    }
}

/// Whether any scope has ever been entered: without one, nobody looks at the thread-local.
static USED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SCOPE: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// The scope that this thread is in, to be entered elsewhere.
pub(crate) fn scope_of_thread() -> AttributesScope {
    current()
        .map(|scope| scope.merged.clone())
        .unwrap_or_default()
}

fn current() -> Option<Arc<Scope>> {
    if !USED.load(Ordering::Relaxed) {
        return None;
    }
    SCOPE
        .try_with(|scope| scope.borrow().clone())
        .ok()
        .flatten()
}

fn replace(scope: Option<Arc<Scope>>) -> Option<Arc<Scope>> {
    USED.store(true, Ordering::Relaxed);
    SCOPE
        .try_with(|current| current.replace(scope))
        .ok()
        .flatten()
}

/// Whether a thread may be in a scope.
#[inline(always)]
pub(crate) fn any_scope() -> bool {
    USED.load(Ordering::Relaxed)
}

/// Adds the fields of the scope that this thread is in to those of a start. They come after what another process has
/// said, and before what is said of the start itself: the last one wins.
#[inline(always)]
pub(crate) fn put_scope(payload: &mut Words) {
    if any_scope() {
        put_scope_of_thread(payload);
    }
}

#[cold]
#[inline(never)]
fn put_scope_of_thread(payload: &mut Words) {
    let _ = SCOPE.try_with(|scope| {
        if let Some(scope) = &*scope.borrow() {
            let at = said_here(payload);
            payload.insert(at, &scope.payload);
        }
    });
}
