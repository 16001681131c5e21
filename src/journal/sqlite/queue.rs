//! What passes between the server's thread and the journal's.

use core::mem;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A queue from one thread to another. Who takes leaves an empty queue for the
/// full one: that holds the lock for a moment only, and neither thread has to
/// allocate or free what the other one made.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

/// What waiting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Items,
    /// Nothing has come in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let (items, is_closed) = (VecDeque::new(), false);
        Queue {
            state: Mutex::new(State { items, is_closed }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn push(&self, item: T) {
        let mut state = self.lock();
        state.items.push_back(item);
        // Who waits is woken once for all that come until they are taken.
        if state.items.len() == 1 {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Adds what is in `items`, and leaves that empty. Nobody who waits is woken.
    pub(super) fn append(&self, items: &mut VecDeque<T>) {
        let mut state = self.lock();
        if state.items.is_empty() {
            mem::swap(&mut state.items, items);
        } else {
            state.items.append(items);
        }
    }

    /// Puts what there is into `taken`, which is empty.
    pub(super) fn take(&self, taken: &mut VecDeque<T>) {
        mem::swap(&mut self.lock().items, taken);
    }

    /// Puts what there is, or what comes first until then, into `taken`, which
    /// is empty.
    pub(super) fn wait(&self, taken: &mut VecDeque<T>, until: Instant) -> Taken {
        let rest = until.saturating_duration_since(Instant::now());
        let is_idle = |state: &mut State<T>| state.items.is_empty() && !state.is_closed;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), rest, is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        let mut state = waited.0;
        mem::swap(&mut state.items, taken);
        match (taken.is_empty(), state.is_closed) {
            (false, _) => Taken::Items,
            (true, true) => Taken::Closed,
            (true, false) => Taken::Nothing,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Whole even where a thread has panicked with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
