//! Read-modify-writes: one owner decides.
//!
//! The decider of a partition is its first owner that is ready and answers. It decides on the
//! newest version known: if it holds no value, or the owners changed lately, or the request carries
//! a version it does not cover, or an owner before it was passed over, it asks the other owners
//! first; then it decides under the partition's lock, re-checking what it holds. The result is a
//! new write to all owners.
//!
//! It waits for the other owners for [`HEDGE_MS`] at most once a majority has answered, and not at
//! all for a rest if an owner was passed over: whoever did that has waited for a silence already,
//! and the client must not wait for the same one twice.
//!
//! Exact while membership is stable and the decider answers. If a decider hangs, the next owner
//! decides, which is counted, and last-writer-wins settles what both did.

use bytes::Bytes;

use super::coordinator::{
    Coordinator, Forward, Gather, HEDGE_MS, Pending, Phase, give_up, outlived, reply,
};
use super::event::{Failure, Level};
use super::message::{Request, Response};
use super::outbox::{LARGE_BYTES, lane};
use super::turn::Turn;
use crate::placement::NodeId;
use crate::store::{Entry, Held, Parts, Role, Stamp, Update, Version, key_ref};

impl Coordinator {
    /// Finds the decider and hands the update to it, or decides here. Returns whether the operation
    /// goes on.
    pub(super) fn advance_update(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Forward(forward) = &mut op.phase else {
            return false;
        };
        for owner in turn.ring.owners(op.partition) {
            if *owner == turn.own {
                if !turn.serves(op.partition) || turn.store.is_late() {
                    continue;
                }
                let Forward { update, level, min, passed_over, .. } = forward;
                let (update, level, min) = (update.clone(), *level, *min);
                let passed_over = *passed_over;
                return self.decide_here(number, op, update, level, min, passed_over, turn);
            }
            if forward.declined.contains(owner) {
                continue;
            }
            if forward.asked.contains(owner) {
                forward.passed_over = true;
                continue;
            }
            if !turn.members.contains(owner) {
                // Down, and known to be: it decides nothing. Its place is only held.
                continue;
            }
            if !turn.reachable.contains(owner) {
                forward.passed_over = true;
                continue;
            }
            let request = Request::Decide {
                key: op.key.clone(),
                update: forward.update.clone(),
                min: forward.min,
                level: forward.level,
                passed_over: forward.passed_over,
            };
            turn.outbox.request(*owner, lane(op.partition), number + op.round, &request);
            forward.asked.push(*owner);
            op.waiting.push((*owner, turn.now.mono));
            return true;
        }
        // Nobody can decide now; the retry starts from the first owner that declined.
        forward.declined.clear();
        true
    }

    /// The decider's answer to a forwarded update.
    pub(super) fn on_decided(
        &mut self,
        number: u64,
        op: &mut Pending,
        from: NodeId,
        response: Response,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Forward(forward) = &mut op.phase else {
            return false;
        };
        match response {
            Response::Decided { answer, written } => {
                if let Some(written) = written {
                    // What is written here next is to come after it.
                    turn.clock.observe(written.version.latest().hlc, turn.now.mono);
                    self.own_writes.remember(&op.key, op.partition, written.version, number);
                    if written.acks >= written.wanted {
                        self.own_writes.settle(&op.key, number);
                    }
                    guard_here(op, written.version, turn);
                }
                reply(op.origin, Ok((answer, written)), turn);
                false
            }
            Response::Undecided { acks } => {
                self.stats.unknown += 1;
                reply(op.origin, Err(Failure::Unknown { acks }), turn);
                false
            }
            _ => {
                forward.asked.retain(|owner| *owner != from);
                forward.declined.push(from);
                self.advance_update(number, op, turn)
            }
        }
    }

    /// Decides at this node, which is ready: at once, or after asking the other owners.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn decide_here(
        &mut self,
        number: u64,
        op: &mut Pending,
        update: Update<Bytes>,
        level: Level,
        min: Version,
        passed_over: bool,
        turn: &mut Turn<'_>,
    ) -> bool {
        let ask = turn.see(op.partition, |kept, context| {
            let key = key_ref(&op.key);
            let absent = !matches!(kept.look(key, context), Held::Value(_));
            let unsettled = kept.doubts(key, context.now);
            passed_over || absent || unsettled || !kept.covers(key, min, context)
        });
        let ask = ask && turn.rules().decider_asks();
        let covered =
            turn.see(op.partition, |kept, context| kept.covers(key_ref(&op.key), min, context));
        let min = if covered { Version::ZERO } else { min };
        // Who passed an owner over has waited for its silence already.
        let patience_ms = if passed_over { 0 } else { HEDGE_MS };
        let patient_until = turn.now.mono.plus_ms(patience_ms);
        let (newest, bar, answers, floors) = (None, Stamp::ZERO, 1, Vec::new());
        let gather = Gather { update, level, newest, bar, floors, min, answers, patient_until };
        op.begin(Phase::Gather(gather), turn);
        if ask {
            let request = Request::Read { key: op.key.clone(), min: Version::ZERO };
            for peer in turn.ring.owners(op.partition) {
                if *peer != turn.own && turn.reachable.contains(peer) {
                    turn.outbox.request(*peer, lane(op.partition), number + op.round, &request);
                    op.waiting.push((*peer, turn.now.mono));
                }
            }
        }
        self.decide_if_known(number, op, turn)
    }

    /// Another owner's answer to the decider.
    pub(super) fn on_gathered(
        &mut self,
        number: u64,
        op: &mut Pending,
        from: NodeId,
        response: Response,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Gather(gather) = &mut op.phase else {
            return false;
        };
        match response {
            Response::Hit(entry) => {
                gather.answers += 1;
                gather.take(from, entry);
            }
            // Only an owner that boots has what the asker knows.
            Response::Unready(entry)
                if Version::ZERO < gather.min && gather.min <= entry.version() =>
            {
                gather.take(from, entry);
            }
            Response::Miss { bar, floor, synced, .. } => {
                gather.answers += 1;
                gather.bar = gather.bar.max(bar.value);
                gather.floors.push((floor, synced));
            }
            _ => {}
        }
        self.decide_if_known(number, op, turn)
    }

    /// Decides once enough is known: every owner that was asked has answered, or, after a while, a
    /// majority of all has, which knows every write that a majority acknowledged. Returns whether
    /// the operation goes on.
    pub(super) fn decide_if_known(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Gather(gather) = &op.phase else {
            return false;
        };
        let half = turn.ring.owners(op.partition).len() / 2;
        let majority = gather.answers > half;
        let newest = gather.newest.as_ref().map_or(Version::ZERO, |(_, entry)| entry.version());
        let enough = majority && newest >= gather.min && turn.now.mono >= gather.patient_until;
        if !enough && !op.waiting.is_empty() {
            return true;
        }
        give_up(op, turn);
        self.decide_now(number, op, turn)
    }

    /// Decides on the newest version known, and replicates what was written.
    pub(super) fn decide_now(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Gather(gather) = &mut op.phase else {
            return false;
        };
        let (bar, floors) = (gather.bar, std::mem::take(&mut gather.floors));
        let newest = gather.newest.take().filter(|(peer, entry)| {
            let stamp = entry.version().value;
            let dead = stamp < bar || outlived(*peer, stamp, &floors, turn);
            !(dead && turn.rules().bars())
        });
        let newest = newest.map(|(_, entry)| entry);
        let (update, level) = (gather.update.clone(), gather.level);
        let (decided, entry) = turn.with(op.partition, |kept, context| {
            let key = key_ref(&op.key);
            let newest = newest.as_ref().map(Parts::of);
            let decided = kept.decide(key, &update, newest, context);
            let entry = decided.written.map(|version| match kept.look(key, context) {
                Held::Value(parts) => parts.to_entry(),
                // A removal by the only owner leaves nothing behind.
                _ => crate::store::Entry::mark(version.value),
            });
            (decided, entry)
        });
        let answer = decided.answer.map(Bytes::from);
        match entry {
            None => {
                reply(op.origin, Ok((answer, None)), turn);
                false
            }
            Some(entry) => {
                let bytes = entry.value_bytes();
                if bytes > LARGE_BYTES {
                    // What was decided may be far larger than what was asked for.
                    self.lengthen(op, bytes, turn);
                }
                self.replicate(number, op, entry, answer, level, true, 0, turn)
            }
        }
    }
}

impl Gather {
    /// Another one holds that.
    fn take(&mut self, from: NodeId, entry: Entry) {
        let newer = |(_, newest): &(NodeId, Entry)| newest.version() < entry.version();
        if self.newest.as_ref().is_none_or(newer) {
            self.newest = Some((from, entry));
        }
    }
}

/// This node may be an owner that the write has not reached: it must not answer alone with less.
fn guard_here(op: &Pending, version: Version, turn: &Turn<'_>) {
    turn.with(op.partition, |kept, context| {
        let key = key_ref(&op.key);
        if kept.role() != Role::None && !kept.covers(key, version, context) {
            let hash = kept.hash(key);
            kept.guard(hash, version);
        }
    });
}
