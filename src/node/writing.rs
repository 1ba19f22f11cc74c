//! Writes: stamped by their coordinator, sent to all owners at once, acknowledged at their level.
//!
//! What is applied here (if this node is an owner) counts as an acknowledgement. An owner that finds
//! the write at or below its floor says so, and an unconditional write is stamped again above that,
//! a few times. An operation goes on after its client was answered, until all owners have it or its
//! deadline passes; whoever lacks it then is noted as having missed it.

use super::coordinator::{Coordinator, Pending, Phase, reply};
use super::event::{Failure, Level, Written};
use super::message::{Exchange, Request, Response};
use super::outbox::{LARGE_BYTES, lane};
use super::turn::Turn;
use crate::placement::NodeId;
use crate::store::{Answer, Content, Entry, Held, Merged, Mono, Parts, Role, Stamp, key_ref};
use bytes::Bytes;

/// A write that is refused because owners have forgotten something later is stamped again so often:
/// while it was on its way, others may have removed the key once more.
const RESTAMPS_MAX: u8 = 3;

#[derive(Debug)]
pub(super) struct Write {
    pub(super) entry: Entry,
    pub(super) answer: Answer<Bytes>,
    pub(super) level: Level,
    pub(super) acks: u8,
    pub(super) wanted: u8,
    /// Whether this node is one of those who have it.
    pub(super) held: bool,
    /// Owners that could not be asked yet.
    pub(super) unasked: Vec<NodeId>,
    /// Owners that could not take it yet: they do not know that they own it, or take the stamp for
    /// one from the future.
    pub(super) refused: Vec<NodeId>,
    pub(super) answered: bool,
    /// How often it may yet be stamped again above an owner's floor: never if conditional.
    pub(super) restamps: u8,
    /// Whether it was.
    pub(super) restamped: bool,
    /// When it was sent under its stamp.
    begun: Mono,
    /// Who covers it, and in which epoch of its sessions it said so.
    pub(super) epochs: Vec<(NodeId, u32)>,
    /// Whether an owner has another ring: there may be owners that this node does not know.
    pub(super) other_ring: bool,
}

impl Write {
    /// Whether the level is reached if so many can acknowledge it.
    fn is_enough(&self, possible: usize) -> bool {
        usize::from(self.acks) >= needed(self.level, self.wanted, possible)
    }

    /// Whether owners that could not take it are to be asked again: not once others have it.
    pub(super) fn is_to_be_retried(&self) -> bool {
        !self.answered && !self.refused.is_empty()
    }

    /// Whether it is to be stamped above what an owner holds that is later by its stamp. That may
    /// have been acknowledged before this write began, by a clock that is ahead of this node's by
    /// some milliseconds: the client would be told that it is written, and never see it. Not what
    /// this node has written itself since (`own`): its own writes keep their order.
    fn is_to_come_after(&self, stamp: Stamp, own: Stamp, deadline: Mono, turn: &Turn<'_>) -> bool {
        let written = self.entry.version().value;
        // What is later than the new stamp came after this write began. So a large one is not stamped
        // twice, which would cost another trip of its value, and none if its deadline would come
        // first: it would be told to have failed, having been written again and again.
        let trip = turn.now.mono.since(self.begun);
        let hurried = turn.now.mono.0.saturating_add(2 * trip) > deadline.0;
        let again = self.restamped && (hurried || self.entry.value_bytes() > LARGE_BYTES);
        let restamps = self.restamps > 0 && !again;
        let possible = restamps && !self.answered && turn.rules().restamp();
        let others = stamp.writer != written.writer && own <= written;
        // A clock that is far off is not followed.
        let believed = turn.clock.believes(stamp.hlc, turn.now.mono);
        possible && others && believed && turn.rules().after_newer()
    }

    fn written(&self) -> Written {
        Written { version: self.entry.version(), acks: self.acks, wanted: self.wanted }
    }
}

impl Coordinator {
    /// Stamps, applies here if this node is an owner, and sends to all others. Returns whether the
    /// operation goes on.
    pub(super) fn begin_write(
        &mut self,
        number: u64,
        op: &mut Pending,
        (content, deadline_ms): (Content, Option<u64>),
        level: Level,
        turn: &mut Turn<'_>,
    ) -> bool {
        let owner = turn.ring.owners(op.partition).contains(&turn.own);
        let mut existed = false;
        let stamp = if owner {
            turn.with(op.partition, |kept, context| {
                let key = key_ref(&op.key);
                existed = matches!(kept.look(key, context), Held::Value(_));
                let value = match &content {
                    Content::Mark => None,
                    Content::Value(bytes) => Some((&bytes[..], deadline_ms)),
                };
                kept.write(key, value, context)
            })
        } else {
            let above = self.own_writes.version(&op.key);
            turn.clock.stamp(turn.now.mono, above.latest())
        };
        let (entry, answer) = match content {
            Content::Mark => (Entry::mark(stamp), Answer::Existed(existed)),
            Content::Value(bytes) => (Entry::value(stamp, bytes, deadline_ms), Answer::Done),
        };
        self.replicate(number, op, entry, answer, level, owner, RESTAMPS_MAX, turn)
    }

    /// Sends an entry that is applied here already (`held`) to the other owners.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn replicate(
        &mut self,
        number: u64,
        op: &mut Pending,
        entry: Entry,
        answer: Answer<Bytes>,
        level: Level,
        held: bool,
        restamps: u8,
        turn: &mut Turn<'_>,
    ) -> bool {
        let owners = turn.ring.owners(op.partition);
        let write = Write {
            entry,
            answer,
            level,
            acks: u8::from(held),
            held,
            wanted: owners.len() as u8,
            unasked: owners.iter().copied().filter(|owner| *owner != turn.own).collect(),
            refused: Vec::new(),
            answered: false,
            restamps,
            restamped: false,
            begun: turn.now.mono,
            epochs: Vec::new(),
            other_ring: false,
        };
        op.begin(Phase::Write(write), turn);
        self.advance_write(number, op, turn)
    }

    /// Asks whom it can, answers if the level is reached. Returns whether the operation goes on.
    pub(super) fn advance_write(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Write(write) = &mut op.phase else {
            return false;
        };
        if !write.unasked.is_empty() {
            let request = Request::Write { key: op.key.clone(), entry: write.entry.clone() };
            let reachable = |peer: &NodeId| turn.reachable.contains(peer);
            let (asked, unasked) = write.unasked.drain(..).partition(reachable);
            write.unasked = unasked;
            turn.outbox.request_of_all(&asked, lane(op.partition), number + op.round, &request);
            op.waiting.extend(asked.into_iter().map(|peer: NodeId| (peer, turn.now.mono)));
        }
        let reachable = op.waiting.iter().filter(|(p, _)| turn.reachable.contains(p)).count();
        let possible = usize::from(write.acks) + reachable;
        if !write.answered && write.is_enough(possible) {
            write.answered = true;
            let written = write.written();
            self.own_writes.remember(&op.key, op.partition, written.version, number);
            reply(op.origin, Ok((write.answer.clone(), Some(written))), turn);
        }
        if write.answered && op.waiting.is_empty() {
            // Whoever could not be asked is told what it missed as soon as it can be.
            self.end_write(number, op, turn);
            return false;
        }
        true
    }

    /// Asks those again that could not take it, unless others have: they will hear of it.
    pub(super) fn retry_write(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        if let Phase::Write(write) = &mut op.phase
            && write.is_to_be_retried()
        {
            let owners = turn.ring.owners(op.partition);
            let refused = std::mem::take(&mut write.refused).into_iter();
            write.unasked.extend(refused.filter(|peer| owners.contains(peer)));
        }
        self.advance_write(number, op, turn)
    }

    pub(super) fn send_to_new_owners(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Write(write) = &mut op.phase else {
            return false;
        };
        let asked = |write: &Write, owner: &NodeId| {
            op.waiting.iter().any(|(peer, _)| peer == owner)
                || write.epochs.iter().any(|(peer, _)| peer == owner)
                || write.unasked.contains(owner)
                || write.refused.contains(owner)
        };
        for owner in turn.ring.owners(op.partition) {
            if *owner != turn.own {
                if !asked(write, owner) {
                    write.unasked.push(*owner);
                }
            } else if !write.held {
                let taken = turn.with(op.partition, |kept, context| {
                    kept.merge(key_ref(&op.key), Parts::of(&write.entry), context)
                });
                write.held = !matches!(taken, Merged::Below(_));
                write.acks += u8::from(write.held);
            }
        }
        self.advance_write(number, op, turn)
    }

    /// The deadline has come. Whoever was asked, is heard, and has not answered (the way there may be
    /// cut, and the way back open) counts by now like one that cannot be reached.
    pub(super) fn expire_write(&mut self, number: u64, op: &mut Pending, turn: &mut Turn<'_>) {
        let Phase::Write(write) = &mut op.phase else {
            return;
        };
        if !write.answered {
            let (acks, written) = (write.acks, write.written());
            if acks > 0 {
                self.own_writes.remember(&op.key, op.partition, written.version, number);
            }
            let result = match write.is_enough(usize::from(acks)) {
                true => Ok((write.answer.clone(), Some(written))),
                false => Err(Failure::Unknown { acks }),
            };
            self.stats.unknown += u64::from(result.is_err());
            reply(op.origin, result, turn);
        }
        self.end_write(number, op, turn);
    }

    pub(super) fn end_write(&mut self, number: u64, op: &Pending, turn: &mut Turn<'_>) {
        let Phase::Write(write) = &op.phase else {
            return;
        };
        let behind = write.unasked.iter().chain(op.waiting.iter().map(|(peer, _)| peer));
        for peer in behind {
            turn.outbox.missed.push((*peer, op.partition));
        }
        if write.acks < write.wanted {
            self.stats.degraded += 1;
        } else if !write.other_ring {
            // Otherwise an owner that this node does not know yet may lack it.
            self.own_writes.settle(&op.key, number);
        }
        relay(op, write, turn);
    }

    pub(super) fn on_write_response(
        &mut self,
        number: u64,
        op: &mut Pending,
        (from, same_ring): (NodeId, bool),
        response: Response,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Write(write) = &mut op.phase else {
            return false;
        };
        write.other_ring |= !same_ring;
        match response {
            Response::Ack { existed, epoch } => {
                write.acks = write.acks.saturating_add(1);
                write.epochs.push((from, epoch));
                if let Answer::Existed(any) = &mut write.answer {
                    *any |= existed;
                }
            }
            Response::Newer { stamp, epoch }
                if !write.is_to_come_after(
                    stamp,
                    self.own_writes.value(&op.key),
                    op.deadline,
                    turn,
                ) =>
            {
                write.acks = write.acks.saturating_add(1);
                write.epochs.push((from, epoch));
            }
            Response::Below(above) | Response::Newer { stamp: above, .. }
                if write.restamps > 0
                    && !write.answered
                    && turn.clock.believes(above.hlc, turn.now.mono)
                    && turn.rules().restamp() =>
            {
                self.stats.restamped += 1;
                let stamp = turn.clock.stamp(turn.now.mono, above);
                let entry = match write.entry.content() {
                    Content::Mark => Entry::mark(stamp),
                    Content::Value(bytes) => {
                        Entry::value(stamp, bytes.clone(), write.entry.deadline_ms())
                    }
                };
                let (answer, level) = (write.answer.clone(), write.level);
                let owner = turn.ring.owners(op.partition).contains(&turn.own);
                if owner {
                    turn.with(op.partition, |kept, context| {
                        kept.merge(key_ref(&op.key), Parts::of(&entry), context)
                    });
                }
                let left = write.restamps - 1;
                let live = self.replicate(number, op, entry, answer, level, owner, left, turn);
                if let Phase::Write(write) = &mut op.phase {
                    write.restamped = true;
                }
                return live;
            }
            // What has come after it so often is removed by others at the same time: it came before.
            Response::Below(_) if write.restamped => write.acks = write.acks.saturating_add(1),
            Response::NotOwner | Response::Busy => write.refused.push(from),
            // Covered by a floor: it has nothing older either. Not an ack.
            _ => {}
        }
        self.advance_write(number, op, turn)
    }
}

/// Tells the owners who covers a write, so that they need not ask one another.
fn relay(op: &Pending, write: &Write, turn: &mut Turn<'_>) {
    let version = write.entry.version();
    if write.epochs.is_empty() || version.deadline != version.value {
        return;
    }
    let (partition, key) = (op.partition, key_ref(&op.key));
    let (hash, own) = turn.with(partition, |kept, context| {
        let hash = kept.hash(key);
        // Not whoever has become an owner since, and was not sent what was answered already.
        let covers = kept.role() != Role::None && kept.covers(key, version, context);
        kept.relayed(hash, version.value, write.epochs.iter().copied());
        (hash, covers.then(|| kept.sessions().epoch()))
    });
    let owners = turn.ring.owners(partition);
    let epoch = |owner: &NodeId| match *owner == turn.own {
        true => own,
        false => write.epochs.iter().find(|(peer, _)| peer == owner).map(|(_, epoch)| *epoch),
    };
    let epochs: Vec<Option<u32>> = owners.iter().map(epoch).collect();
    if epochs.iter().flatten().count() < 2 {
        return;
    }
    for owner in owners {
        let acked = write.epochs.iter().any(|(peer, _)| peer == owner);
        if acked && turn.reachable.contains(owner) {
            let (stamp, epochs) = (version.value, epochs.clone());
            let message = Exchange::Acked { partition, hash, stamp, epochs };
            turn.outbox.exchange(*owner, partition, &message);
        }
    }
}

/// How many acknowledgements a level means when so many are possible.
fn needed(level: Level, owners: u8, possible: usize) -> usize {
    let wanted = match level {
        Level::One => 1,
        Level::Quorum => usize::from(owners) / 2 + 1,
        Level::All => usize::from(owners),
    };
    wanted.min(possible).max(1)
}
