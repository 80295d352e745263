//! All that a thread is in, to be taken elsewhere.

use std::marker::PhantomData;
use std::sync::Arc;

use super::attributes::{AttributesGuard, Scope, any_scope, enter_scope, scope};
use super::{Context, Restore, SpanContext, current};

/// A span, and a scope of attributes.
#[derive(Clone)]
pub(crate) struct Surroundings {
    context: Context,
    scope: Option<Arc<Scope>>,
}

impl Surroundings {
    /// Those of this thread.
    pub(crate) fn here() -> Self {
        Self {
            context: current(),
            scope: scope(),
        }
    }

    /// Puts this thread there, until dropped.
    pub(crate) fn enter(&self) -> Inside {
        let scope = (self.scope.is_some() || any_scope()).then(|| enter_scope(self.scope.clone()));
        Inside {
            _scope: scope,
            _span: Restore::enter(self.context),
            _stays: PhantomData,
        }
    }

    pub(crate) fn span(&self) -> Option<SpanContext> {
        SpanContext::of(self.context)
    }
}

/// The thread is elsewhere until this is dropped.
pub(crate) struct Inside {
    _scope: Option<AttributesGuard>,
    _span: Restore,
    _stays: PhantomData<*const ()>,
}
