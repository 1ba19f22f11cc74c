//! One operation under way: who wants what, and who was asked.

use super::coordinator::{DEADLINE_MS, Phase};
use super::event::OpId;
use super::message::Asker;
use super::patience::PATIENCE_MS;
use super::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::{Key, Mono};

/// What one operation asks one after the other goes out under as many numbers: its own, and those up
/// to the next one's. An answer to what was asked before is none to what is asked now.
const ROUNDS: u64 = 16;

/// Who wants the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client of this node.
    Client(OpId),
    /// Another node: this one is the decider.
    Peer(Asker),
}

/// One operation under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) origin: Origin,
    pub(super) key: Key,
    pub(super) partition: Partition,
    pub(super) deadline: Mono,
    /// When this operation wants its turn.
    pub(super) wake: Mono,
    /// Peers asked that have not answered, and when they were asked.
    pub(super) waiting: Vec<(NodeId, Mono)>,
    /// Owners that a read waits for no more, and when they were asked: an answer still counts.
    pub(super) late: Vec<(NodeId, Mono)>,
    /// It carries something large, there or back.
    pub(super) large: bool,
    /// What is large and under way.
    pub(super) coming: Vec<Coming>,
    /// Until then its deadline may be put off because of them.
    pub(super) patient_until: Mono,
    /// Counts what was asked for it, one after the other.
    pub(super) round: u64,
    pub(super) phase: Phase,
}

/// A large answer under way.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) from: NodeId,
    /// Until then it may be expected.
    pub(super) until: Mono,
    /// And, once its sender is silent, until then.
    pub(super) silent_until: Option<Mono>,
}

impl Pending {
    /// One that begins now, and asks nobody yet.
    pub(super) fn new(
        origin: Origin,
        key: Key,
        partition: Partition,
        phase: Phase,
        now: Mono,
    ) -> Box<Pending> {
        Box::new(Pending {
            origin,
            key,
            partition,
            deadline: now.plus_ms(DEADLINE_MS),
            wake: now,
            waiting: Vec::new(),
            late: Vec::new(),
            large: false,
            coming: Vec::new(),
            patient_until: now.plus_ms(PATIENCE_MS),
            round: 0,
            phase,
        })
    }

    /// Something else is asked from now on, and who was asked before is not waited for.
    pub(super) fn begin(&mut self, phase: Phase, turn: &mut Turn<'_>) {
        give_up(self, turn);
        self.round = (self.round + 1).min(ROUNDS - 1);
        self.phase = phase;
    }
}

/// The number of the operation after that one.
pub(super) fn next_operation(number: u64) -> u64 {
    number + ROUNDS
}

/// The operation that a number belongs to.
pub(super) fn operation_of(asked: u64) -> u64 {
    asked - asked % ROUNDS
}

/// Nobody waits for these answers any more.
pub(super) fn give_up(op: &mut Pending, turn: &mut Turn<'_>) {
    turn.outbox.given_up.extend(op.waiting.drain(..).map(|(peer, _)| peer));
}

pub(super) fn drop_waiting(op: &mut Pending, peer: NodeId, turn: &mut Turn<'_>) {
    op.waiting.retain(|(waiting, _)| {
        if *waiting == peer {
            turn.outbox.given_up.push(peer);
        }
        *waiting != peer
    });
}
