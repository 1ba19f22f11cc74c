//! The commands of one connection that are under way, oldest first.
//!
//! Replies leave in order, so what is answered early waits here for what is older. Two bounds hold
//! whatever clients ask: how many commands are under way ([`Window::span`], which shrinks where
//! replies are large, because their sizes are not known before they come), and how many bytes of
//! replies wait here before no more commands are taken.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

use super::reply::Finish;
use crate::node::event::Reply;
use crate::store::Answer;

/// Most commands of one connection under way.
const SPAN_MAX: usize = 1024;
/// So many may be under way before anything is known of the replies.
const SPAN_FIRST: usize = 32;
/// A reply of so many bytes is a large one.
const LARGE_BYTES: usize = 32 << 10;
/// While replies of so many bytes wait here, no more commands are taken.
const HELD_BYTES_MAX: usize = 256 << 10;
/// Bits of a token that number the part within a command.
const PART_BITS: u32 = 24;

/// A command whose reply is not complete, or waits behind one that is not.
#[derive(Debug)]
pub(super) enum Slot {
    /// Encoded already.
    Done(Vec<u8>),
    /// Parts of it are with the node.
    Waiting {
        /// What the parts make together.
        finish: Finish,
        /// The parts.
        parts: Vec<Option<Reply>>,
        /// How many are missing.
        missing: usize,
        /// The keys it touches, as hashes.
        keys: Vec<u64>,
    },
}

impl Slot {
    /// Bytes of replies that it holds.
    fn held(&self) -> usize {
        match self {
            Slot::Done(reply) => reply.len(),
            Slot::Waiting { parts, .. } => parts.iter().flatten().map(bytes).sum(),
        }
    }
}

/// Commands under way, oldest first.
#[derive(Debug)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    /// Number of the oldest slot.
    first: u64,
    /// Hashes of the keys under way, and how often each. One command may name a million.
    keys: HashMap<u64, u32>,
    span: usize,
    held: usize,
}

impl Default for Window {
    fn default() -> Self {
        Window { slots: VecDeque::new(), first: 0, keys: HashMap::new(), span: SPAN_FIRST, held: 0 }
    }
}

impl Window {
    /// The token of a part of the command that comes next.
    pub(super) fn token(&self, part: usize) -> u64 {
        ((self.first + self.slots.len() as u64) << PART_BITS) | part as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a command has to wait before it is begun at all.
    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= self.span || self.held >= HELD_BYTES_MAX
    }

    /// How many answers may be under way at once: grows by one with every small one, and halves
    /// with every large one. At least 1.
    pub(super) fn span(&self) -> usize {
        self.span
    }

    pub(super) fn touches(&self, key: u64) -> bool {
        self.keys.contains_key(&key)
    }

    /// Whether a command is under way that is about a whole database or node. Such a command only
    /// starts when nothing else is under way, so it is the oldest.
    pub(super) fn is_barred(&self) -> bool {
        match self.slots.front() {
            Some(Slot::Waiting { missing: 1.., keys, .. }) => keys.is_empty(),
            _ => false,
        }
    }

    pub(super) fn push(&mut self, slot: Slot) {
        if let Slot::Waiting { keys, .. } = &slot {
            for key in keys {
                *self.keys.entry(*key).or_default() += 1;
            }
        }
        self.held += slot.held();
        self.slots.push_back(slot);
    }

    /// Puts a part in its place.
    pub(super) fn arrive(&mut self, token: u64, reply: Reply) {
        let (number, part) = (token >> PART_BITS, (token & ((1 << PART_BITS) - 1)) as usize);
        let bytes = bytes(&reply);
        self.span = match bytes >= LARGE_BYTES {
            true => (self.span / 2).max(1),
            false => (self.span + 1).min(SPAN_MAX),
        };
        let Some(slot) = self.slots.get_mut((number - self.first) as usize) else {
            return;
        };
        if let Slot::Waiting { parts, missing, .. } = slot
            && let Some(place @ None) = parts.get_mut(part)
        {
            *place = Some(reply);
            *missing -= 1;
            self.held += bytes;
        }
    }

    /// Takes the oldest command if its reply is complete.
    pub(super) fn pop(&mut self) -> Option<Slot> {
        if let Slot::Waiting { missing: 1.., .. } = self.slots.front()? {
            return None;
        }
        let slot = self.slots.pop_front()?;
        self.first += 1;
        self.held -= slot.held();
        if let Slot::Waiting { keys, .. } = &slot {
            for key in keys {
                if let Entry::Occupied(mut under_way) = self.keys.entry(*key) {
                    *under_way.get_mut() -= 1;
                    if *under_way.get() == 0 {
                        under_way.remove();
                    }
                }
            }
            if self.keys.is_empty() && self.keys.capacity() > 4 * SPAN_MAX {
                self.keys = HashMap::new();
            }
        }
        Some(slot)
    }
}

/// Bytes of values in a reply.
fn bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Answer { answer: Answer::Found { value, .. }, .. } => value.len(),
        Reply::Answer { answer: Answer::Written { previous: Some(value), .. }, .. } => value.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn found(len: usize) -> Reply {
        let value = Bytes::from(vec![0; len]);
        Reply::Answer { answer: Answer::Found { value, deadline_ms: None }, written: None }
    }

    fn waiting(window: &mut Window) -> u64 {
        let token = window.token(0);
        let (parts, keys) = (vec![None], vec![7]);
        window.push(Slot::Waiting { finish: Finish::Get, parts, missing: 1, keys });
        token
    }

    #[test]
    fn large_replies_close_the_window_and_small_ones_open_it() {
        let mut window = Window::default();
        for _ in 0..2 * SPAN_MAX {
            let token = waiting(&mut window);
            window.arrive(token, found(10));
            assert!(window.pop().is_some());
        }
        assert_eq!(window.span(), SPAN_MAX);
        for _ in 0..12 {
            let token = waiting(&mut window);
            window.arrive(token, found(LARGE_BYTES));
            assert!(window.pop().is_some());
        }
        assert_eq!(window.span(), 1);
    }

    #[test]
    fn replies_that_wait_behind_an_older_command_are_bounded_in_bytes() {
        let mut window = Window::default();
        let oldest = waiting(&mut window);
        window.push(Slot::Done(vec![0; HELD_BYTES_MAX - 1]));
        assert!(!window.is_full());
        let token = waiting(&mut window);
        window.arrive(token, found(1));
        assert!(window.is_full());
        window.arrive(oldest, found(0));
        while window.pop().is_some() {}
        assert!(window.is_empty() && !window.is_full());
        assert!(!window.touches(7));
    }
}
