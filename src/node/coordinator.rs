//! A node in its duty of serving client operations: whom to ask, how many must answer, and what the
//! client is told.
//!
//! This file keeps the operations under way, their deadlines and what happens to them meanwhile;
//! how a write goes is in [`super::writing`], a read in [`super::reading`], a read-modify-write in
//! [`super::decision`].
//!
//! The coordinator remembers its writes that not all owners have acknowledged, so that this node's
//! clients read their own writes wherever the read goes.
//!
//! Every operation ends within [`DEADLINE_MS`] and what its value takes ([`super::patience`]). What a
//! write did not reach by then is noted as missed, and its owner told.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::event::{Failure, Level, Reply, Written};
use super::message::{Asker, Request, Response};
use super::outbox::LARGE_BYTES;
use super::own_writes::OwnWrites;
use super::patience::Patience;
pub use super::pending::Origin;
use super::pending::next_operation;
pub(super) use super::pending::{Pending, drop_waiting, give_up, operation_of};
use super::reading::{Read, found, own_write};
use super::scatter::{Scatter, finish_scatter};
use super::turn::Turn;
use super::writing::Write;
use crate::placement::{Life, NodeId};
use crate::store::{
    Answer, Content, Entry, Held, Key, Operation, Role, Stamp, Update, Version, key_ref,
};

/// An operation ends by then, in milliseconds, unless it carries a large value.
pub const DEADLINE_MS: u64 = 1_000;
/// A read is asked of the next owner, too, after so long, in milliseconds.
pub const HEDGE_MS: u64 = 50;
/// Time between attempts when no owner can answer, in milliseconds.
pub(super) const RETRY_MS: u64 = 25;
/// A decider says so often that it is at work, in milliseconds: more often than the least silence
/// that makes a peer unresponsive.
pub(super) const WORKING_MS: u64 = 20;
/// Most operations under way; one more is refused as Busy.
pub const OPERATIONS_MAX: usize = 65_536;

/// What an answer says about the way to whoever gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    /// It was waited for, and took so long, in nanoseconds, if that is a measure at all.
    Awaited(Option<u64>),
    /// It had been given up, and took so long.
    Late(u64),
}

/// Where an operation stands.
#[derive(Debug)]
pub(super) enum Phase {
    Write(Write),
    Read(Read),
    /// The update was sent to its decider.
    Forward(Forward),
    /// This node decides, and asks the other owners first.
    Gather(Gather),
    /// All members are asked.
    Scatter(Scatter),
}

#[derive(Debug)]
pub(super) struct Forward {
    pub(super) update: Update<Bytes>,
    pub(super) level: Level,
    pub(super) min: Version,
    /// An owner before the one asked does not answer.
    pub(super) passed_over: bool,
    /// Owners that were asked, and may decide even if they were passed over since: none is asked
    /// twice.
    pub(super) asked: Vec<NodeId>,
    /// Owners that said that they cannot decide.
    pub(super) declined: Vec<NodeId>,
}

#[derive(Debug)]
pub(super) struct Gather {
    pub(super) update: Update<Bytes>,
    pub(super) level: Level,
    pub(super) newest: Option<(NodeId, Entry)>,
    /// What answers without a value say is dead, up to there.
    pub(super) bar: Stamp,
    /// Their floors, and who has adopted them.
    pub(super) floors: Vec<(Stamp, Vec<(NodeId, Life)>)>,
    /// What the decision must know; zero if this node covers it.
    pub(super) min: Version,
    /// Owners that answered for their store, this one included.
    pub(super) answers: usize,
    /// From then on a majority of the owners is enough.
    pub(super) patient_until: crate::store::Mono,
}

/// Counters of a coordinator.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoordinatorStats {
    /// Writes begun.
    pub writes: u64,
    /// Reads that were not answered from this node's store at once.
    pub reads: u64,
    /// Updates begun here, whoever decides.
    pub updates: u64,
    /// Reads asked of a second owner because the first took too long.
    pub hedged: u64,
    /// Writes acknowledged by fewer owners than there are.
    pub degraded: u64,
    /// Writes and updates that ran into their deadline.
    pub unknown: u64,
    /// Reads that no owner answered in time.
    pub unanswered: u64,
    /// Updates decided without their first decider, because it does not answer.
    pub passed_over: u64,
    /// Writes stamped again above an owner's floor.
    pub restamped: u64,
    /// Operations refused because too many were under way.
    pub busy: u64,
    /// Values rejected because another owner knew them to be dead.
    pub barred: u64,
}

/// The operations under way at this node.
#[derive(Debug)]
pub struct Coordinator {
    /// Boxed, because they are taken out and put back with every answer.
    pub(super) pending: BTreeMap<u64, Box<Pending>>,
    pub(super) next: u64,
    /// When each wants its turn, and its number.
    wakes: BTreeSet<(crate::store::Mono, u64)>,
    pub(super) own_writes: OwnWrites,
    pub(super) patience: Patience,
    /// The node is on its way out.
    pub stopping: bool,
    /// Counters.
    pub stats: CoordinatorStats,
}

impl Coordinator {
    /// Without any. `seed` keys hashes of keys; `bulk_rate` is in bytes a second.
    pub fn new(seed: u64, bulk_rate: u64) -> Coordinator {
        Coordinator {
            pending: BTreeMap::new(),
            next: 0,
            wakes: BTreeSet::new(),
            own_writes: OwnWrites::new(seed),
            patience: Patience::new(bulk_rate),
            stopping: false,
            stats: CoordinatorStats::default(),
        }
    }

    /// The number that the next operation will have.
    pub fn next_operation(&self) -> u64 {
        self.next
    }

    /// The number of the operation that begins.
    pub(super) fn number(&mut self) -> u64 {
        let following = next_operation(self.next);
        std::mem::replace(&mut self.next, following)
    }

    /// Operations under way.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Whether somebody waits for the answer to an operation under way.
    pub fn is_awaited(&self) -> bool {
        let answered = |op: &Pending| matches!(&op.phase, Phase::Write(write) if write.answered);
        !self.pending.values().all(|op| answered(op))
    }

    /// Timers set.
    #[cfg(feature = "simulation")]
    pub(super) fn timers(&self) -> usize {
        self.wakes.len()
    }

    /// Whether a write that began before that operation still waits for the peer.
    pub fn outstanding(&self, peer: NodeId, before: u64) -> bool {
        self.pending.range(..before).any(|(_, op)| {
            let write = matches!(op.phase, Phase::Write(_)) && !op.large;
            write && op.waiting.iter().any(|(p, _)| *p == peer)
        })
    }

    /// Begins an operation on a key.
    pub fn begin(
        &mut self,
        origin: Origin,
        key: Key,
        operation: Operation<Bytes>,
        level: Level,
        min: Version,
        turn: &mut Turn<'_>,
    ) {
        let partition = turn.partition_of(key_ref(&key));
        if self.pending.len() >= OPERATIONS_MAX {
            self.stats.busy += 1;
            return reply(origin, Err(Failure::Busy), turn);
        }
        if turn.ring.owners(partition).is_empty() {
            return reply(origin, Err(Failure::NoOwner), turn);
        }
        let bytes = operation.value().map_or(0, Bytes::len);
        let phase = Phase::Scatter(Scatter::Flush);
        let mut op = Pending::new(origin, key, partition, phase, turn.now.mono);
        if bytes > LARGE_BYTES {
            self.lengthen(&mut op, bytes, turn);
        }
        let number = self.number();
        let live = match operation {
            Operation::Get => {
                self.stats.reads += 1;
                let min = min.max(self.own_write(&op.key, turn));
                self.begin_read(number, &mut op, level, min, turn)
            }
            Operation::Set { value, deadline_ms } => {
                self.stats.writes += 1;
                let content = (Content::Value(value), deadline_ms);
                self.begin_write(number, &mut op, content, level, turn)
            }
            Operation::Delete => {
                self.stats.writes += 1;
                self.begin_write(number, &mut op, (Content::Mark, None), level, turn)
            }
            Operation::Update(update) => {
                self.stats.updates += 1;
                let min = min.max(self.own_write(&op.key, turn)).max(held_here(&op, turn));
                let passed_over = false;
                let (asked, declined) = (Vec::new(), Vec::new());
                let forward = Forward { update, level, min, passed_over, asked, declined };
                op.phase = Phase::Forward(forward);
                self.advance_update(number, &mut op, turn)
            }
        };
        self.keep(number, op, live, turn);
    }

    /// Decides an update for another node.
    pub fn begin_decision(&mut self, asker: Asker, request: Request, turn: &mut Turn<'_>) {
        let Request::Decide { key, update, min, level, passed_over } = request else {
            return;
        };
        let partition = turn.partition_of(key_ref(&key));
        let refuse = |response: Response, turn: &mut Turn<'_>| {
            turn.outbox.response(asker.peer, asker.lane, asker.number, &response);
        };
        if self.pending.len() >= OPERATIONS_MAX {
            self.stats.busy += 1;
            return refuse(Response::Busy, turn);
        }
        match turn.role(partition) {
            _ if turn.serves(partition) && !turn.store.is_late() => {}
            Role::None | Role::Old => return refuse(Response::NotOwner, turn),
            Role::Ready | Role::Boot => return refuse(Response::NotReady, turn),
        }
        // What is decided is to come after what the asker knows.
        turn.clock.observe(min.latest().hlc, turn.now.mono);
        let number = self.number();
        let (origin, phase) = (Origin::Peer(asker), Phase::Scatter(Scatter::Flush));
        let mut op = Pending::new(origin, key, partition, phase, turn.now.mono);
        let live = self.decide_here(number, &mut op, update, level, min, passed_over, turn);
        self.keep(number, op, live, turn);
    }

    /// The version of this node's own write of a key, if it wrote it lately.
    fn own_write(&self, key: &Key, turn: &Turn<'_>) -> Version {
        let kept = turn.rules().own_writes();
        if kept { self.own_writes.version(key) } else { Version::ZERO }
    }

    pub(super) fn keep(
        &mut self,
        number: u64,
        mut op: Box<Pending>,
        live: bool,
        turn: &mut Turn<'_>,
    ) {
        if live {
            let first = match op.phase {
                Phase::Read(_) => turn.now.mono.plus_ms(HEDGE_MS),
                _ if op.waiting.is_empty() => turn.now.mono.plus_ms(RETRY_MS),
                _ => turn.now.mono.plus_ms(pause(&op)),
            };
            self.arm(number, &mut op, first);
            self.pending.insert(number, op);
        } else {
            self.end(number, &mut op, turn);
        }
    }

    /// Sets the one timer of an operation.
    pub(super) fn arm(&mut self, number: u64, op: &mut Pending, at: crate::store::Mono) {
        self.wakes.remove(&(op.wake, number));
        op.wake = at.min(op.deadline);
        self.wakes.insert((op.wake, number));
    }

    /// An operation is over.
    fn end(&mut self, number: u64, op: &mut Pending, turn: &mut Turn<'_>) {
        self.wakes.remove(&(op.wake, number));
        give_up(op, turn);
    }

    // ---- what happens meanwhile -----------------------------------------------------------

    /// A peer answered. If anybody waited for it, returns how long that took, in nanoseconds, where
    /// it says something about the way there.
    ///
    /// `same_ring`: it was answered under the ring that this node has, too.
    pub fn on_response(
        &mut self,
        from: NodeId,
        same_ring: bool,
        asked: u64,
        response: Response,
        turn: &mut Turn<'_>,
    ) -> Option<Timing> {
        let number = operation_of(asked);
        if response == Response::Working {
            // That it came is all it says.
            return None;
        }
        let mut op = self.pending.remove(&number)?;
        if asked - number != op.round {
            self.pending.insert(number, op);
            return None;
        }
        // How long a decision takes says nothing about the way there: it waits for others, too.
        let decision = matches!(op.phase, Phase::Forward(_));
        let measure = !decision && !op.large;
        let waiting = op.waiting.iter().position(|(peer, _)| *peer == from);
        let late = op.late.iter().position(|(peer, _)| *peer == from);
        let timing = match (waiting, late, &op.phase) {
            (Some(at), ..) => {
                let asked = op.waiting.swap_remove(at).1;
                Some(Timing::Awaited(measure.then(|| turn.now.mono.since(asked))))
            }
            (None, Some(at), _) => {
                let asked = op.late.swap_remove(at).1;
                measure.then(|| Timing::Late(turn.now.mono.since(asked)))
            }
            // It was passed over, and has decided after all.
            (None, None, Phase::Forward(forward)) if forward.asked.contains(&from) => {
                Some(Timing::Awaited(None))
            }
            (None, None, _) => {
                self.pending.insert(number, op);
                return None;
            }
        };
        let live = match &mut op.phase {
            Phase::Write(_) => {
                self.on_write_response(number, &mut op, (from, same_ring), response, turn)
            }
            Phase::Read(_) => {
                self.on_read_response(number, &mut op, (from, same_ring), response, turn)
            }
            Phase::Forward(_) => self.on_decided(number, &mut op, from, response, turn),
            Phase::Gather(_) => self.on_gathered(number, &mut op, from, response, turn),
            Phase::Scatter(scatter) => {
                scatter.add(from, response);
                if op.waiting.is_empty() {
                    finish_scatter(&op, turn);
                }
                !op.waiting.is_empty()
            }
        };
        self.put_back(number, op, live, turn);
        timing
    }

    /// This node did not run for a while. What others answered before may be overwritten by now and
    /// still lie in its socket, so reads are asked again, under new numbers that no such answer
    /// matches. Their deadline starts anew, because nobody could work on them.
    pub fn stalled(&mut self, turn: &mut Turn<'_>) {
        if !turn.rules().reads_again() {
            return;
        }
        let reads = self.pending.iter().filter(|(_, op)| matches!(op.phase, Phase::Read(_)));
        let numbers: Vec<u64> = reads.map(|(number, _)| *number).collect();
        for old in numbers {
            let Some(mut op) = self.pending.remove(&old) else {
                continue;
            };
            self.end(old, &mut op, turn);
            op.late.clear();
            op.coming.clear();
            op.deadline = turn.now.mono.plus_ms(DEADLINE_MS);
            let number = self.number();
            let Phase::Read(read) = &op.phase else {
                continue;
            };
            let (level, min) = (read.level, read.own);
            let live = self.begin_read(number, &mut op, level, min, turn);
            self.keep(number, op, live, turn);
        }
    }

    /// A link to a peer is new. What was written over the one before may never have arrived, and
    /// whoever died with it will not answer: it is asked again. The peer's pulse is new, too, so
    /// nothing is given up.
    pub fn on_link(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        // What was given up before may not have arrived.
        for op in self.pending.values_mut() {
            op.late.retain(|(late, _)| *late != peer);
        }
        let waits = |op: &Pending| op.waiting.iter().any(|(p, _)| *p == peer);
        let numbers: Vec<u64> =
            self.pending.iter().filter(|(_, op)| waits(op)).map(|(n, _)| *n).collect();
        for number in numbers {
            self.step(number, turn, |this, op, turn| {
                let Phase::Write(write) = &mut op.phase else {
                    return true;
                };
                op.waiting.retain(|(waiting, _)| *waiting != peer);
                write.unasked.push(peer);
                this.advance_write(number, op, turn)
            });
        }
    }

    /// The owners changed: writes that were not acknowledged yet go to the new ones, too. Those asked
    /// before may be gone.
    pub fn on_ring(&mut self, turn: &mut Turn<'_>) {
        self.own_writes.guard(turn);
        let open = |op: &Pending| matches!(&op.phase, Phase::Write(write) if !write.answered);
        let numbers: Vec<u64> =
            self.pending.iter().filter(|(_, op)| open(op)).map(|(n, _)| *n).collect();
        for number in numbers {
            self.step(number, turn, |this, op, turn| this.send_to_new_owners(number, op, turn));
        }
    }

    /// A peer does not answer, or has no link any more: nobody waits for it.
    pub fn on_unreachable(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        let waits = |op: &Pending| op.waiting.iter().any(|(p, _)| *p == peer);
        let numbers: Vec<u64> =
            self.pending.iter().filter(|(_, op)| waits(op)).map(|(n, _)| *n).collect();
        for number in numbers {
            self.step(number, turn, |this, op, turn| match &mut op.phase {
                // The write is on its way and may still be acknowledged; its level counts only
                // those who can be reached.
                Phase::Write(_) => this.advance_write(number, op, turn),
                Phase::Read(_) => {
                    let given_up = op.waiting.iter().filter(|(waiting, _)| *waiting == peer);
                    op.late.extend(given_up.copied());
                    op.expect_less(peer, turn.now.mono);
                    drop_waiting(op, peer, turn);
                    this.advance_read(number, op, turn)
                }
                Phase::Forward(forward) => {
                    forward.passed_over = true;
                    this.stats.passed_over += 1;
                    drop_waiting(op, peer, turn);
                    this.advance_update(number, op, turn)
                }
                Phase::Gather(_) => {
                    drop_waiting(op, peer, turn);
                    this.decide_if_known(number, op, turn)
                }
                Phase::Scatter(_) => {
                    drop_waiting(op, peer, turn);
                    if op.waiting.is_empty() {
                        finish_scatter(op, turn);
                    }
                    !op.waiting.is_empty()
                }
            });
        }
    }

    /// Does what is due: hedges, retries, deadlines.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        while let Some((_, number)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.pop_first();
            self.step(number, turn, |this, op, turn| {
                if turn.now.mono >= op.deadline {
                    this.expire(number, op, turn);
                    return false;
                }
                say_working(op, turn);
                this.ask_whether_there(op, turn);
                match &mut op.phase {
                    Phase::Write(_) => this.retry_write(number, op, turn),
                    Phase::Read(_) => this.hedge(number, op, turn),
                    Phase::Gather(_) => this.decide_if_known(number, op, turn),
                    Phase::Forward(_) if op.waiting.is_empty() => {
                        this.advance_update(number, op, turn)
                    }
                    _ => true,
                }
            });
            if let Some(mut op) = self.pending.remove(&number) {
                let wait = match op.phase {
                    Phase::Read(_) if op.is_coming(now) => WORKING_MS,
                    Phase::Read(_) if !op.waiting.is_empty() => HEDGE_MS,
                    _ if op.waiting.is_empty() => RETRY_MS,
                    _ => pause(&op),
                };
                self.arm(number, &mut op, turn.now.mono.plus_ms(wait));
                self.pending.insert(number, op);
            }
        }
    }

    /// When [`Coordinator::tick`] wants to be called.
    pub fn next_deadline(&self) -> Option<crate::store::Mono> {
        self.wakes.first().map(|(at, _)| *at)
    }

    fn expire(&mut self, number: u64, op: &mut Pending, turn: &mut Turn<'_>) {
        match &mut op.phase {
            Phase::Write(_) => self.expire_write(number, op, turn),
            Phase::Read(read) => {
                // Somebody has a value, and it did not come in time: that is no miss.
                let comes = read.best.is_none() && !op.coming.is_empty();
                if read.was_answered() && !comes {
                    return self.end_read(op, turn);
                }
                self.stats.unanswered += 1;
                // An owner that has not caught up, and can ask nobody, is in doubt, and the answer
                // is a miss; unless it knows better, by a write of its own.
                let owner = turn.ring.is_owner(turn.own, op.partition);
                let own = own_write(&op.key, op.partition, read, turn);
                let result = match (own, owner && read.own == Version::ZERO) {
                    (Some(entry), _) => Ok((found(entry), None)),
                    (None, _) if self.stopping => Err(Failure::Stopping),
                    (None, true) if !comes => Ok((Answer::Missing, None)),
                    (None, _) => Err(Failure::Unreachable),
                };
                reply(op.origin, result, turn);
            }
            Phase::Forward(_) | Phase::Gather(_) => {
                self.stats.unknown += 1;
                reply(op.origin, Err(Failure::Unknown { acks: 0 }), turn);
            }
            Phase::Scatter(_) => finish_scatter(op, turn),
        }
    }

    fn step(
        &mut self,
        number: u64,
        turn: &mut Turn<'_>,
        step: impl FnOnce(&mut Self, &mut Pending, &mut Turn<'_>) -> bool,
    ) {
        let Some(mut op) = self.pending.remove(&number) else {
            return;
        };
        let live = step(self, &mut op, turn);
        self.put_back(number, op, live, turn);
    }

    /// After a step: the operation goes on, or has ended, and nobody is waited for any more.
    fn put_back(&mut self, number: u64, mut op: Box<Pending>, live: bool, turn: &mut Turn<'_>) {
        if !live {
            return self.end(number, &mut op, turn);
        }
        let retried = matches!(&op.phase, Phase::Write(write) if write.is_to_be_retried());
        if op.waiting.is_empty() || retried {
            self.arm(number, &mut op, turn.now.mono.plus_ms(RETRY_MS));
        }
        self.pending.insert(number, op);
    }
}

/// Whether another node waits for the outcome of a decision.
pub(super) fn awaited(op: &Pending) -> Option<Asker> {
    match (op.origin, &op.phase) {
        (Origin::Peer(_), Phase::Write(write)) if write.answered => None,
        (Origin::Peer(asker), _) => Some(asker),
        _ => None,
    }
}

/// How long an operation that waits for others may be left alone, in milliseconds.
fn pause(op: &Pending) -> u64 {
    match (awaited(op), &op.phase) {
        (Some(_), _) | (None, Phase::Gather(_)) => WORKING_MS,
        _ if op.large => WORKING_MS,
        (None, Phase::Write(write)) if write.is_to_be_retried() => RETRY_MS,
        (None, _) => DEADLINE_MS,
    }
}

/// What this node holds of an operation's key. It may be its own, written while the other owners were
/// out of sight and it needed nobody, and they have not heard of it yet.
fn held_here(op: &Pending, turn: &Turn<'_>) -> Version {
    turn.see(op.partition, |kept, context| match kept.look(key_ref(&op.key), context) {
        Held::Value(parts) if kept.role() != Role::None => parts.version,
        _ => Version::ZERO,
    })
}

/// Tells whoever waits for a decision that this node is at it: its silence would be taken for a
/// hang, and the next owner would decide, too.
fn say_working(op: &Pending, turn: &mut Turn<'_>) {
    if let Some(asker) = awaited(op).filter(|_| turn.rules().working()) {
        let Asker { peer, lane, number } = asker;
        turn.outbox.response(peer, lane, number, &Response::Working);
    }
}

/// Whether what a peer holds at that stamp may have been outlived by somebody who answered a miss:
/// it is at or below the floor of one to whom that peer is not known to be valid.
pub(super) fn outlived(
    peer: NodeId,
    stamp: Stamp,
    floors: &[(Stamp, Vec<(NodeId, Life)>)],
    turn: &Turn<'_>,
) -> bool {
    let life = (peer, turn.life(peer));
    floors.iter().any(|(floor, synced)| stamp <= *floor && !synced.contains(&life))
}

/// Tells whoever asked.
pub(super) fn reply(
    origin: Origin,
    result: Result<(Answer<Bytes>, Option<Written>), Failure>,
    turn: &mut Turn<'_>,
) {
    match origin {
        Origin::Client(id) => {
            let reply = match result {
                Ok((answer, written)) => Reply::Answer { answer, written },
                Err(failure) => Reply::Failed(failure),
            };
            turn.outbox.reply(id, reply);
        }
        Origin::Peer(asker) => {
            let response = match result {
                Ok((answer, written)) => Response::Decided { answer, written },
                Err(Failure::Unknown { acks }) => Response::Undecided { acks },
                Err(_) => Response::Busy,
            };
            turn.outbox.response(asker.peer, asker.lane, asker.number, &response);
        }
    }
}
