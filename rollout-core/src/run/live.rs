//! The rollouts that are under way in this process, by their traces.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::Status;
use super::turn::Numbering;

/// Rollouts that are remembered between their requests at most; those that had a request longest ago go first.
const MOST_PAST: usize = 4096;

/// What is known of a rollout while it runs.
#[derive(Debug, Default)]
pub(super) struct State {
    numbering: Mutex<Numbering>,
    said: Mutex<Said>,
}

/// How it is to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) status: Option<Status>,
    pub(super) message: Option<String>,
    /// What went wrong in it, where nobody has set a status.
    pub(super) error: Option<String>,
    /// Whose its scores are.
    pub(super) grader: Option<String>,
}

impl State {
    pub(super) fn numbering(&self) -> MutexGuard<'_, Numbering> {
        self.numbering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry {
    state: Arc<State>,
    /// Scopes that are open.
    scopes: usize,
    /// It may go on, and when it had a scope last.
    continues: bool,
    touched: u64,
}

#[derive(Default)]
struct Rollouts {
    by_trace: HashMap<u128, Entry>,
    clock: u64,
    past: usize,
}

static ROLLOUTS: LazyLock<Mutex<Rollouts>> = LazyLock::new(Mutex::default);

fn rollouts() -> MutexGuard<'static, Rollouts> {
    ROLLOUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A scope opens.
pub(super) fn open(trace: u128, grader: Option<String>, continues: bool) -> Arc<State> {
    let mut rollouts = rollouts();
    rollouts.clock += 1;
    let touched = rollouts.clock;
    let known = rollouts.by_trace.get_mut(&trace).map(|entry| {
        let returns = entry.scopes == 0;
        if returns {
            // How its last request ended says nothing of this one.
            *entry.state.said() = Said {
                grader: grader.clone(),
                ..Said::default()
            };
        }
        entry.scopes += 1;
        entry.continues |= continues;
        entry.touched = touched;
        (Arc::clone(&entry.state), returns)
    });
    if let Some((state, returns)) = known {
        rollouts.past -= usize::from(returns);
        return state;
    }
    let state = Arc::new(State::default());
    state.said().grader = grader;
    rollouts.by_trace.insert(
        trace,
        Entry {
            state: Arc::clone(&state),
            scopes: 1,
            continues,
            touched,
        },
    );
    state
}

/// A scope closes.
pub(super) fn close(trace: u128) {
    let mut rollouts = rollouts();
    let Some(entry) = rollouts.by_trace.get_mut(&trace) else {
        return;
    };
    entry.scopes = entry.scopes.saturating_sub(1);
    if entry.scopes > 0 {
        return;
    }
    if !entry.continues {
        rollouts.by_trace.remove(&trace);
        return;
    }
    rollouts.past += 1;
    if rollouts.past > MOST_PAST {
        rollouts.forget_some();
    }
}

/// The rollout whose trace this is.
pub(super) fn find(trace: u128) -> Option<Arc<State>> {
    let rollouts = rollouts();
    let entry = rollouts.by_trace.get(&trace)?;
    (entry.scopes > 0).then(|| Arc::clone(&entry.state))
}

impl Rollouts {
    /// Forgets the older half of those that are between requests.
    #[cold]
    fn forget_some(&mut self) {
        let past = self.by_trace.values().filter(|entry| entry.scopes == 0);
        let mut touched: Vec<u64> = past.map(|entry| entry.touched).collect();
        let middle = touched.len() / 2;
        let (_, median, _) = touched.select_nth_unstable(middle);
        let median = *median;
        self.by_trace
            .retain(|_, entry| entry.scopes > 0 || entry.touched > median);
        self.past = self
            .by_trace
            .values()
            .filter(|entry| entry.scopes == 0)
            .count();
    }
}
