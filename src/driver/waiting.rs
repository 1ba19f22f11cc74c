//! Who waits: callers for answers, and large commands for their turn.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::LARGE_UNDER_WAY_MAX;
use crate::handle::{ReplyTo, Submission};
use crate::net::Endpoint;
use crate::node::event::{Command, OpId, Reply};
use crate::node::outbox::LARGE_BYTES;
use crate::placement::NodeId;

/// Most large commands that wait for their turn; beyond it no commands at all are taken.
const HELD_MAX: usize = 1_024;
/// Most bytes of their values; the same.
const HELD_BYTES_MAX: usize = 64 << 20;

/// Callers waiting for answers, by operation.
#[derive(Default)]
pub(super) struct Waiting {
    next: u64,
    callers: hashbrown::HashMap<u64, ReplyTo, std::hash::BuildHasherDefault<Identical>>,
}

/// Operation numbers are as good as hashes already.
#[derive(Default)]
struct Identical(u64);

impl std::hash::Hasher for Identical {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes its tags from the upper bits.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Waiting {
    pub(super) fn add(&mut self, reply_to: ReplyTo) -> OpId {
        let id = self.next;
        self.next += 1;
        self.callers.insert(id, reply_to);
        OpId(id)
    }

    pub(super) fn answer(&mut self, id: OpId, reply: Reply) {
        if let Some(caller) = self.callers.remove(&id.0) {
            caller.send(reply);
        }
    }

    /// How many operations are under way.
    pub(super) fn len(&self) -> usize {
        self.callers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// All that are still waiting.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = ReplyTo> {
        self.callers.drain().map(|(_, caller)| caller)
    }
}

/// Commands with large values that wait until what is under way to the peers is less, while small
/// ones pass them: two commands of one client that touch one key are never both here.
pub(super) struct Held {
    commands: VecDeque<Submission>,
    /// Bytes of their values.
    bytes: usize,
    /// Bytes of large frames under way to one peer, beyond which no more are begun.
    most: usize,
}

impl Held {
    /// `bulk_rate`: bytes a second. Where that is little, so is what may be under way: a quarter of
    /// a second of it, so that no deadline passes behind what was begun before.
    pub(super) fn new(bulk_rate: u64) -> Held {
        let most = usize::try_from(bulk_rate / 4).unwrap_or(usize::MAX).min(LARGE_UNDER_WAY_MAX);
        Held { commands: VecDeque::new(), bytes: 0, most }
    }

    /// Whether no more commands are to be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.commands.len() >= HELD_MAX || self.bytes >= HELD_BYTES_MAX
    }

    /// Takes a command that has to wait; gives back what may begin.
    pub(super) fn pass(
        &mut self,
        submission: Submission,
        endpoint: &Endpoint,
        peers: impl Iterator<Item = NodeId>,
    ) -> Option<Submission> {
        if !is_large(&submission.command) {
            return Some(submission);
        }
        if self.commands.is_empty() && self.has_room(endpoint, peers) {
            return Some(submission);
        }
        self.bytes += value_bytes(&submission.command);
        self.commands.push_back(submission);
        None
    }

    /// The next that may begin by now.
    pub(super) fn next(
        &mut self,
        endpoint: &Endpoint,
        peers: impl Iterator<Item = NodeId>,
    ) -> Option<Submission> {
        if self.commands.is_empty() || !self.has_room(endpoint, peers) {
            return None;
        }
        let next = self.commands.pop_front()?;
        self.bytes -= value_bytes(&next.command);
        Some(next)
    }

    /// All of them, at the end.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Submission> {
        self.bytes = 0;
        self.commands.drain(..)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    fn has_room(&self, endpoint: &Endpoint, mut peers: impl Iterator<Item = NodeId>) -> bool {
        !peers.any(|peer| endpoint.queued_large(peer) > self.most)
    }
}

/// Whether a command sends something large to other nodes.
pub(super) fn is_large(command: &Command) -> bool {
    value_bytes(command) > LARGE_BYTES
}

fn value_bytes(command: &Command) -> usize {
    match command {
        Command::Key { operation, .. } => operation.value().map_or(0, Bytes::len),
        _ => 0,
    }
}
