//! What is to happen, by virtual time, then by the order of putting in.
//!
//! Events are large and lie still: what is put in order is when they happen, and where they lie.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Time;

/// A queue of events.
#[derive(Debug)]
pub(super) struct Queue<E> {
    /// When, in which order they came, and where.
    order: BinaryHeap<Reverse<(Time, u64, usize)>>,
    events: Vec<Option<E>>,
    /// Places in `events` without one.
    free: Vec<usize>,
    number: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue { order: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), number: 0 }
    }
}

impl<E> Queue<E> {
    /// Puts an event in.
    pub(super) fn push(&mut self, at: Time, event: E) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.number += 1;
        self.order.push(Reverse((at, self.number, place)));
    }

    /// When the next one is to happen.
    pub(super) fn next(&self) -> Option<Time> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes it out.
    pub(super) fn pop(&mut self) -> Option<E> {
        let Reverse((_, _, place)) = self.order.pop()?;
        self.free.push(place);
        self.events[place].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_happens_first() {
        let mut queue = Queue::default();
        queue.push(Time(5), "c");
        queue.push(Time(1), "a");
        assert_eq!(queue.pop(), Some("a"));
        queue.push(Time(5), "d");
        queue.push(Time(3), "b");
        assert_eq!(queue.next(), Some(Time(3)));
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, ["b", "c", "d"]);
    }
}
