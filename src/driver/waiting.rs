//! Who waits: callers for answers, and large commands for their turn.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::LARGE_WAITING_MAX;
use crate::handle::{ReplyTo, Submission};
use crate::node::event::{Command, OpId, Reply};
use crate::node::outbox::LARGE_BYTES;

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

/// Commands with large values that wait until there is room on their ways, while small ones pass
/// them, and large ones with other ways: two commands of one client that touch one key are never both
/// here.
#[derive(Default)]
pub(super) struct Held {
    commands: VecDeque<Submission>,
}

impl Held {
    /// Whether no more commands are to be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.commands.len() >= LARGE_WAITING_MAX
    }

    /// Takes a command that has to wait; gives back what may begin. Of those that wait none has room,
    /// or it would have begun.
    pub(super) fn pass(
        &mut self,
        submission: Submission,
        has_room: impl FnOnce(&Command) -> bool,
    ) -> Option<Submission> {
        if !is_large(&submission.command) || has_room(&submission.command) {
            return Some(submission);
        }
        self.commands.push_back(submission);
        None
    }

    /// The next that may begin by now, behind so many that were looked at and may not.
    pub(super) fn next(
        &mut self,
        passed_over: &mut usize,
        has_room: impl Fn(&Command) -> bool,
    ) -> Option<Submission> {
        while let Some(held) = self.commands.get(*passed_over) {
            if has_room(&held.command) {
                return self.commands.remove(*passed_over);
            }
            *passed_over += 1;
        }
        None
    }

    /// All of them, at the end.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Submission> {
        self.commands.drain(..)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::node::event::Level;
    use crate::store::{Key, Namespace, Operation, Version};

    fn set(key: &'static str, bytes: usize) -> Submission {
        let key = Key { namespace: Namespace(0), bytes: Bytes::from_static(key.as_bytes()) };
        let operation = Operation::Set { value: Bytes::from(vec![0; bytes]), deadline_ms: None };
        let (level, min) = (Level::Quorum, Version::ZERO);
        let command = Command::Key { key, operation, level, min };
        Submission { command, reply_to: ReplyTo::Caller(oneshot::channel().0) }
    }

    fn key_of(command: &Command) -> &[u8] {
        match command {
            Command::Key { key, .. } => &key.bytes,
            _ => &[],
        }
    }

    #[test]
    fn a_command_waits_for_its_own_way_only() {
        let mut held = Held::default();
        let not_a = |command: &Command| key_of(command) != b"a";
        assert!(held.pass(set("a", LARGE_BYTES), not_a).is_some(), "a small one never waits");
        for key in ["a", "b", "a"] {
            let begun = held.pass(set(key, LARGE_BYTES + 1), not_a).is_some();
            assert_eq!(begun, key == "b");
        }
        assert!(held.pass(set("c", LARGE_BYTES + 1), |_| false).is_none());
        let mut passed_over = 0;
        let next = held.next(&mut passed_over, not_a).expect("that one");
        assert_eq!(key_of(&next.command), b"c");
        assert!(held.next(&mut passed_over, not_a).is_none());
        assert_eq!((passed_over, held.commands.len()), (2, 2));
        assert!(held.next(&mut 0, |_| true).is_some());
    }
}
