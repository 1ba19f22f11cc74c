//! Being late: this node itself, and others through writes that did not reach them.
//!
//! A process that was stopped, swapped out or starved and then goes on must not answer from memory
//! that the others have moved past. It notices by its own clock ([`Lateness::stalled`]), withholds
//! local answers, and pings everybody: *am I behind you?* A peer answers once every write it had
//! sent before the ping was acknowledged, or told as missed, and everything else that it has and the
//! late one is not known to have was offered. So "late" ends when everybody who answers at all has
//! said that there is nothing left on its way.
//!
//! A write that an owner did not acknowledge within the operation's deadline is noted as missed, and
//! that owner is told which partitions are affected ([`super::message::Lateness::Behind`]) until it
//! says that it will see to it.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Notice;
use super::message::{Lateness as Message, THERE};
use super::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::Mono;

/// A gap in this node's own turns longer than this makes it late, in nanoseconds.
pub const GAP_NS_MAX: u64 = 100_000_000;
/// Time between pings of the same peer, in milliseconds.
const PING_MS: u64 = 50;
/// Longest time for which local answers are withheld, in milliseconds. Peers that answer nothing at
/// all are not waited for; this bounds the wait for one that answers, but has always more to tell.
/// Then this node boots what it holds, which is not served before it is up to date.
const LATE_MS_MAX: u64 = 10_000;
/// For so long also peers without a link or an answer are waited for, in milliseconds: links of a
/// node that was stopped for long have to be made anew.
const PATIENT_MS: u64 = 200;
/// Time between repetitions of a Behind, in milliseconds.
const BEHIND_MS: u64 = 500;

#[derive(Debug)]
struct Late {
    nonce: u64,
    waiting: BTreeSet<NodeId>,
    since: Mono,
    next_ping: Mono,
}

#[derive(Debug, Default)]
struct Missed {
    partitions: BTreeSet<Partition>,
    told: Option<(u64, BTreeSet<Partition>)>,
    next: Mono,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    peer: NodeId,
    nonce: u64,
    /// Operations begun before this one count.
    before: u64,
}

/// Who is late.
#[derive(Debug, Default)]
pub struct Lateness {
    own: Option<Late>,
    missed: BTreeMap<NodeId, Missed>,
    owed: Vec<Owed>,
    /// The number of the last Behind of each peer.
    heard: BTreeMap<NodeId, u64>,
    numbers: u64,
    /// Gaps in this node's own turns.
    pub stalls: u64,
}

impl Lateness {
    /// This node did not run for `gap_ns`: withhold local answers and ask everybody.
    pub fn stalled(&mut self, gap_ns: u64, turn: &mut Turn<'_>) {
        self.stalls += 1;
        if gap_ns >= 1_000_000_000 {
            turn.outbox.notice(Notice::Stalled { ms: gap_ns / 1_000_000 });
        }
        if turn.members.is_empty() || !turn.rules().lateness() {
            return;
        }
        self.numbers += 1;
        turn.store.set_late(true);
        self.own = Some(Late {
            nonce: self.numbers,
            waiting: turn.members.clone(),
            since: turn.now.mono,
            next_ping: turn.now.mono,
        });
        let _ = self.tick(turn, |_, _, _| false);
    }

    /// Whether local answers are withheld.
    pub fn is_late(&self) -> bool {
        self.own.is_some()
    }

    /// A write did not reach an owner.
    pub fn note_missed(&mut self, peer: NodeId, partition: Partition) {
        self.missed.entry(peer).or_default().partitions.insert(partition);
    }

    /// A peer is gone: nobody waits for it.
    pub fn forget(&mut self, peer: NodeId) {
        self.owe_nothing(peer);
        if let Some(late) = &mut self.own {
            late.waiting.remove(&peer);
        }
    }

    /// A peer is in a new life: it boots all that it owns anyway. What it has written since, this
    /// node may have missed all the same.
    pub fn renewed(&mut self, peer: NodeId) {
        self.owe_nothing(peer);
        if let Some(late) = &mut self.own {
            late.waiting.insert(peer);
        }
    }

    fn owe_nothing(&mut self, peer: NodeId) {
        self.missed.remove(&peer);
        self.heard.remove(&peer);
        self.owed.retain(|owed| owed.peer != peer);
    }

    /// A peer answers again: tell it at once what it missed.
    pub fn responsive(&mut self, peer: NodeId, now: Mono) {
        if let Some(missed) = self.missed.get_mut(&peer) {
            missed.next = now;
        }
    }

    /// A message from a peer. `next_operation` numbers the operation that would begin now. Returns
    /// the partitions for which this node has to see to it that it has everything.
    pub fn receive(
        &mut self,
        from: NodeId,
        message: Message,
        next_operation: u64,
        turn: &mut Turn<'_>,
    ) -> Vec<Partition> {
        match message {
            Message::Ping { nonce: THERE } => {
                turn.outbox.lateness(from, &Message::Pong { nonce: THERE, level: false });
            }
            Message::Ping { nonce } => {
                self.owed.retain(|owed| owed.peer != from);
                self.owed.push(Owed { peer: from, nonce, before: next_operation });
                self.responsive(from, turn.now.mono);
                // Whether level or not: who says nothing at all is taken for hung, and not waited
                // for.
                turn.outbox.lateness(from, &Message::Pong { nonce, level: false });
            }
            Message::Pong { nonce, level } => {
                if let Some(late) = &mut self.own
                    && late.nonce == nonce
                    && level
                {
                    late.waiting.remove(&from);
                }
            }
            Message::Behind { number, partitions } => {
                turn.outbox.lateness(from, &Message::BehindAck { number });
                // Said again: what it is about has begun to boot.
                let again = self.heard.insert(from, number) == Some(number);
                return if again { Vec::new() } else { partitions };
            }
            Message::BehindAck { number } => {
                if let Some(missed) = self.missed.get_mut(&from)
                    && missed.told.as_ref().is_some_and(|(told, _)| *told == number)
                {
                    missed.told = None;
                    missed.next = turn.now.mono;
                    if missed.partitions.is_empty() {
                        self.missed.remove(&from);
                    }
                }
            }
        }
        Vec::new()
    }

    /// Does what is due. `outstanding(peer, before, _)`: whether a write that began before that
    /// operation still waits for the peer, or it is to be offered something. Returns whether this
    /// node has waited for too long, so that it does not know whether it holds what others have moved
    /// past.
    #[must_use]
    pub fn tick(
        &mut self,
        turn: &mut Turn<'_>,
        mut outstanding: impl FnMut(NodeId, u64, &Turn<'_>) -> bool,
    ) -> bool {
        let now = turn.now.mono;
        for (peer, missed) in &mut self.missed {
            if !turn.rules().behind() {
                missed.partitions.clear();
            }
            if !turn.reachable.contains(peer) || missed.next > now {
                continue;
            }
            // What was told and not acknowledged is told again, under the same number: on a long way
            // the acknowledgement is late, and must not come to a number that counts no more. What
            // came since waits for it.
            let (number, partitions) = match missed.told.take() {
                Some(told) => told,
                None if missed.partitions.is_empty() => continue,
                None => {
                    self.numbers += 1;
                    (self.numbers, std::mem::take(&mut missed.partitions))
                }
            };
            let list = partitions.iter().copied().collect();
            turn.outbox.lateness(*peer, &Message::Behind { number, partitions: list });
            missed.told = Some((number, partitions));
            missed.next = now.plus_ms(BEHIND_MS);
        }
        self.owed.retain(|owed| {
            let told = self.missed.get(&owed.peer).is_none_or(|m| m.partitions.is_empty());
            if !told || outstanding(owed.peer, owed.before, turn) {
                return true;
            }
            let pong = Message::Pong { nonce: owed.nonce, level: true };
            turn.outbox.lateness(owed.peer, &pong);
            false
        });
        let Some(late) = &mut self.own else { return false };
        if late.next_ping <= now {
            late.next_ping = now.plus_ms(PING_MS);
            for peer in &late.waiting {
                if turn.reachable.contains(peer) {
                    turn.outbox.lateness(*peer, &Message::Ping { nonce: late.nonce });
                    turn.outbox.expected.push(*peer);
                }
            }
        }
        let patient = now < late.since.plus_ms(PATIENT_MS);
        let pending = late.waiting.iter().any(|peer| patient || turn.reachable.contains(peer));
        let too_long = now >= late.since.plus_ms(LATE_MS_MAX);
        if !pending || too_long {
            self.own = None;
            turn.store.set_late(false);
        }
        pending && too_long
    }

    /// When [`Lateness::tick`] wants to be called.
    pub fn next_deadline(&self, now: Mono) -> Option<Mono> {
        let soon = now.plus_ms(10);
        let own = self.own.as_ref().map(|_| soon);
        let owed = (!self.owed.is_empty()).then_some(soon);
        let missed = self.missed.values().map(|m| m.next.max(now.plus_ms(20))).min();
        [own, owed, missed].into_iter().flatten().min()
    }

    /// Number of partitions whose missed writes have not been acknowledged as told.
    pub fn missed(&self) -> u64 {
        let count = |m: &Missed| m.partitions.len() + m.told.as_ref().map_or(0, |t| t.1.len());
        self.missed.values().map(|m| count(m) as u64).sum()
    }
}
