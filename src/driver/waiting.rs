//! Who waits for what the node does.

use crate::handle::ReplyTo;
use crate::node::event::{OpId, Reply};

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
