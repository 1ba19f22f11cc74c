//! How long operations with large values may take, and that nobody is taken for hung meanwhile.
//!
//! A value takes its time on the way, so the deadline of its operation has as much more: from the
//! beginning where the value is written, from the word that it is coming ([`super::codec::Kind`])
//! where it is read. The owner that sends it says that at once on the lane of operations; the
//! reader asks no other one as long as it may be expected.
//!
//! An answer that takes long because it is large, or is to something large, says nothing about the
//! peer, and its silence does. So as long as one is awaited, the peer is asked whether it is there,
//! in a frame that waits for nothing large: it is hung when it does not answer that. How long the
//! transfer itself takes is no measure of the way there.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::ITEM_BYTES_MAX;
use super::coordinator::{
    Coordinator, DEADLINE_MS, Pending, Phase, WORKING_MS, awaited, operation_of,
};
use super::message::{Lateness, THERE};
use super::pending::Coming;
use super::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::Mono;

/// No way is taken for faster than this, in bytes a second, whatever the rate of bulk is.
const RATE_MAX: u64 = 8 << 20;
/// A value that is coming may be late by so long, in milliseconds, before it is asked of another.
const COMING_MS: u64 = 250;
/// One that is silent meanwhile for longer than one that is there is waited for so long, in
/// milliseconds: its words wait behind what it sends, or it is gone.
const SILENT_MS: u64 = 400;
/// So many peers may make an operation longer.
const COMING_MAX: usize = 2;
/// And none after that, in milliseconds: an answer that waits for others' is announced as long as it
/// does. The last word gives an operation the time of its value once more.
pub(super) const PATIENCE_MS: u64 = 30_000;
/// Time between two questions to a peer whether it is there, in nanoseconds: several times within
/// the least silence that makes it unresponsive.
const THERE_NS: u64 = 15_000_000;
/// Peers of whom it is known when they were asked.
const PEERS_MAX: usize = 4_096;

/// What a coordinator knows of large values on their way.
#[derive(Debug)]
pub(super) struct Patience {
    /// Bytes a second.
    rate: u64,
    /// When each peer was last asked whether it is there.
    asked: BTreeMap<NodeId, Mono>,
}

impl Patience {
    /// `bulk_rate`: bytes a second.
    pub(super) fn new(bulk_rate: u64) -> Patience {
        Patience { rate: bulk_rate.clamp(1, RATE_MAX), asked: BTreeMap::new() }
    }

    /// What a value adds to a deadline, in milliseconds.
    pub(super) fn takes_ms(&self, bytes: usize) -> u64 {
        bytes.min(ITEM_BYTES_MAX) as u64 * 1_000 / self.rate
    }
}

/// How long something large may take at the rate that a way is taken to have at most, in
/// milliseconds.
pub(super) fn expected_ms(bytes: usize) -> u64 {
    DEADLINE_MS + Patience::new(u64::MAX).takes_ms(bytes)
}

impl Coordinator {
    /// Gives an operation the time that a value of this size takes from now on, and whoever waits for
    /// its decision as well.
    pub(super) fn lengthen(&self, op: &mut Pending, bytes: usize, turn: &mut Turn<'_>) {
        op.large = true;
        if !turn.rules().large_deadline() {
            return;
        }
        let ms = DEADLINE_MS + self.patience.takes_ms(bytes);
        op.deadline = op.deadline.max(turn.now.mono.plus_ms(ms));
        if let Some(asker) = awaited(op) {
            turn.outbox.coming(asker.peer, asker.lane, asker.number, bytes);
        }
    }

    /// A peer says that its answer is large and under way.
    pub fn on_coming(&mut self, from: NodeId, asked: u64, bytes: u64, turn: &mut Turn<'_>) {
        let number = operation_of(asked);
        let Some(mut op) = self.pending.remove(&number) else {
            // Nobody waits for it any more, and others may for its turn.
            return turn.outbox.took(from, asked);
        };
        let (told, bytes) = (asked - number, usize::try_from(bytes).unwrap_or(usize::MAX));
        let asked = match &op.phase {
            Phase::Read(_) | Phase::Gather(_) => {
                op.waiting.iter().chain(&op.late).any(|(peer, _)| *peer == from)
            }
            Phase::Forward(forward) => forward.asked.contains(&from),
            Phase::Write(_) | Phase::Scatter(_) => false,
        };
        let asked = asked && told == op.round;
        // For one peer more than the first, or the operation might last for ever; and so it might if
        // they went on saying it.
        let known = op.coming.iter().position(|coming| coming.from == from);
        let more = known.is_some() || op.coming.len() < COMING_MAX;
        if asked && more && turn.now.mono < op.patient_until {
            let until = turn.now.mono.plus_ms(COMING_MS + self.patience.takes_ms(bytes));
            let coming = Coming { from, until, silent_until: None };
            match known {
                Some(at) => op.coming[at] = coming,
                None => op.coming.push(coming),
            }
            // Its word may have been on the way for longer than it may be silent.
            op.wait_again(from, turn);
            self.lengthen(&mut op, bytes, turn);
            // At once: this word was the last that is heard from it for a while.
            self.ask_whether_there(&op, turn);
            self.arm(number, &mut op, turn.now.mono.plus_ms(WORKING_MS));
        }
        self.pending.insert(number, op);
    }

    /// A peer is heard again: what it said is coming is waited for.
    pub fn on_responsive(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        for op in self.pending.values_mut() {
            if let Some(coming) = op.coming.iter_mut().find(|coming| coming.from == peer) {
                coming.silent_until = None;
                op.wait_again(peer, turn);
            }
        }
    }

    /// The partitions of large writes that a peer has not acknowledged. One that did not run for a
    /// while cannot wait until they have arrived, or never will: it is told that they are missing.
    pub fn large_writes_to(&self, peer: NodeId) -> BTreeSet<Partition> {
        let waits = |op: &&Pending| {
            let write = matches!(op.phase, Phase::Write(_)) && op.large;
            write && op.waiting.iter().any(|(waiting, _)| *waiting == peer)
        };
        let writes = self.pending.values().map(|op| &**op).filter(waits);
        writes.map(|op| op.partition).collect()
    }

    /// Asks those that something large is awaited from, or an answer to it, whether they are there.
    pub(super) fn ask_whether_there(&mut self, op: &Pending, turn: &mut Turn<'_>) {
        if !op.large {
            return;
        }
        let now = turn.now.mono;
        let asked = &mut self.patience.asked;
        if asked.len() > PEERS_MAX {
            asked.clear();
        }
        for (peer, _) in &op.waiting {
            if asked.get(peer).is_none_or(|at| now.since(*at) >= THERE_NS) {
                asked.insert(*peer, now);
                turn.outbox.lateness(*peer, &Lateness::Ping { nonce: THERE });
            }
        }
    }
}

impl Pending {
    /// A peer that a read waits for no more is there after all.
    fn wait_again(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        if let Some(at) = self.late.iter().position(|(late, _)| *late == peer) {
            self.waiting.push(self.late.swap_remove(at));
            turn.outbox.sent.push(peer);
        }
    }

    /// A peer is silent, or gone: what it sends is not expected for long.
    pub(super) fn expect_less(&mut self, peer: NodeId, now: Mono) {
        for coming in self.coming.iter_mut().filter(|coming| coming.from == peer) {
            coming.silent_until.get_or_insert(now.plus_ms(SILENT_MS));
        }
    }

    /// Whether a large answer of a peer that is waited for is on its way and not late.
    pub(super) fn is_coming(&self, now: Mono) -> bool {
        self.comes_from(&self.waiting, now)
    }

    /// The same for a peer that is waited for no more, because it was silent meanwhile.
    pub(super) fn is_coming_late(&self, now: Mono) -> bool {
        self.comes_from(&self.late, now)
    }

    fn comes_from(&self, peers: &[(NodeId, Mono)], now: Mono) -> bool {
        self.coming.iter().any(|coming| {
            let until = coming.until.min(coming.silent_until.unwrap_or(coming.until));
            now < until && peers.iter().any(|(peer, _)| *peer == coming.from)
        })
    }
}
