//! Deadlines in one total order: instant, then the order of setting.
//!
//! Timers are never cancelled: what they were set for is looked up when they fire, and a timer whose
//! cause is gone is recognised and ignored (foca's way).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::store::Mono;

/// A queue of deadlines.
#[derive(Debug)]
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<(Mono, u64, T)>>,
    count: u64,
}

impl<T: Ord> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { heap: BinaryHeap::new(), count: 0 }
    }
}

impl<T: Ord> Timers<T> {
    /// Fires `what` at an instant.
    pub fn set(&mut self, at: Mono, what: T) {
        self.heap.push(Reverse((at, self.count, what)));
        self.count += 1;
    }

    /// What is due, earliest first, with the instant it was due at.
    pub fn due(&mut self, now: Mono) -> Option<(Mono, T)> {
        if self.next()? > now {
            return None;
        }
        let Reverse((at, _, what)) = self.heap.pop()?;
        Some((at, what))
    }

    /// The next instant at which something is due.
    pub fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}
