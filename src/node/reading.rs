//! Reads: answered by one owner, hedged to the next; or by as many as the level says, merged.
//!
//! A ready owner's miss is final unless it has reason to doubt it; then all are asked and the first
//! value is taken that no other answer says is dead. An owner that does not cover what the reader
//! must see (its own writes) says NotYet, and the next is asked.

use std::collections::VecDeque;

use super::coordinator::{Coordinator, Pending, Phase, outlived, reply};
use super::event::Level;
use super::message::{Request, Response};
use super::outbox::lane;
use super::turn::Turn;
use crate::placement::{Life, NodeId, Partition};
use crate::store::partition::recent::Brought;
use crate::store::{
    Answer, Content, Entry, Held, Key, Merged, Parts, Role, Stamp, Version, key_ref,
};
use bytes::Bytes;

/// A miss in doubt is the answer when others were waited for so often,
/// [`super::coordinator::HEDGE_MS`] each time.
const DOUBT_HEDGES_MAX: u8 = 3;

/// Most members that are asked for an own write that no owner has.
const EVERYBODY_MAX: usize = 32;

/// Owners that know too little are asked again so often, [`super::coordinator::RETRY_MS`] apart.
const RETRIES_MAX: u8 = 6;

#[derive(Debug)]
pub(super) struct Read {
    pub(super) level: Level,
    pub(super) min: Version,
    /// Of this, what this node holds, or this node or the client wrote or was promised.
    pub(super) own: Version,
    /// Owners not asked yet, in the order to ask them.
    pub(super) queue: VecDeque<NodeId>,
    /// Owners whose answers are still needed.
    pub(super) needed: u8,
    /// The newest value that was answered, and by whom.
    pub(super) best: Option<(NodeId, Entry)>,
    /// The newest value held by an owner that boots, and who that is; counts if no other has what is
    /// asked for.
    pub(super) unready: Option<(NodeId, Entry)>,
    /// What answers without a value say is dead.
    pub(super) bar: Version,
    /// Their floors, and who has adopted them: what others hold at or below is dead, too.
    pub(super) floors: Vec<(Stamp, Vec<(NodeId, Life)>)>,
    pub(super) misses: u8,
    pub(super) not_yet: u8,
    /// A miss was in doubt: everybody is asked, and the first value taken.
    pub(super) doubted: bool,
    /// How often others were waited for.
    pub(super) hedges: u8,
    /// How often owners that know too little were asked again.
    pub(super) retries: u8,
    /// Others than the owners were asked, too.
    pub(super) everybody: bool,
    pub(super) answers: Vec<(NodeId, Version)>,
}

impl Read {
    /// Whether somebody has said what it has of the key, be it too little.
    pub(super) fn was_answered(&self) -> bool {
        let held = self.best.is_some() || self.unready.is_some();
        held || self.misses > 0 || self.not_yet > 0 || self.retries > 0
    }
}

impl Coordinator {
    pub(super) fn begin_read(
        &mut self,
        number: u64,
        op: &mut Pending,
        level: Level,
        min: Version,
        turn: &mut Turn<'_>,
    ) -> bool {
        let owners = turn.ring.owners(op.partition).len();
        let needed = match level {
            Level::One => 1,
            Level::Quorum => owners / 2 + 1,
            Level::All => owners,
        };
        let guarded = turn.see(op.partition, |kept, _| kept.guarded(key_ref(&op.key)));
        let mut read = Read {
            level,
            min: min.max(guarded),
            own: min,
            queue: VecDeque::new(),
            needed: needed as u8,
            best: None,
            unready: None,
            bar: Version::ZERO,
            floors: Vec::new(),
            misses: 0,
            not_yet: 0,
            doubted: false,
            hedges: 0,
            retries: 0,
            everybody: false,
            answers: Vec::new(),
        };
        if let Some(done) = read_here(&op.key, op.partition, &mut read, turn) {
            reply(op.origin, Ok((done, None)), turn);
            return false;
        }
        know(&op.key, op.partition, &mut read, turn);
        op.phase = Phase::Read(read);
        self.restart_read(number, op, turn)
    }

    /// Puts all other owners on the list again and asks as many as are needed.
    pub(super) fn restart_read(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Read(read) = &mut op.phase else {
            return false;
        };
        let asked = |peer: &NodeId| op.waiting.iter().chain(&op.late).any(|(p, _)| p == peer);
        let answered = |peer: &NodeId| read.answers.iter().any(|(p, _)| p == peer);
        read.queue = turn
            .other_owners(op.partition)
            .filter(|p| turn.reachable.contains(p) && !asked(p) && !answered(p))
            .collect();
        self.advance_read(number, op, turn)
    }

    /// Asks the next owner, or all if the miss so far is in doubt; ends the read when nobody is
    /// left.
    pub(super) fn advance_read(
        &mut self,
        number: u64,
        op: &mut Pending,
        turn: &mut Turn<'_>,
    ) -> bool {
        let comes = op.is_coming_late(turn.now.mono);
        let Phase::Read(read) = &mut op.phase else {
            return false;
        };
        let answers = read.answers.len();
        let window = match (read.doubted, read.level) {
            (true, _) => usize::MAX,
            (false, Level::One) => 1,
            (false, _) => usize::from(read.needed).saturating_sub(answers),
        };
        while op.waiting.len() < window {
            let Some(peer) = read.queue.pop_front() else {
                break;
            };
            if turn.reachable.contains(&peer) {
                ask_read(number, op.partition, &op.key, read.min, peer, turn);
                op.waiting.push((peer, turn.now.mono));
            }
        }
        if !op.waiting.is_empty() {
            return true;
        }
        // Nobody left to ask.
        if comes && read.best.is_none() {
            // It is on its way from one that has been silent since. Who knows too little is asked
            // again, and is not to be counted twice.
            read.not_yet = 0;
            return true;
        }
        let empty = read.best.is_none() && read.unready.is_none() && read.misses == 0;
        // Others may have taken its place while it was stopped.
        let alone = is_alone(op.partition, turn) && !turn.reachable.is_empty();
        let doubted = read.own > Version::ZERO && !read.everybody;
        if empty && doubted && (read.not_yet > 0 || alone) {
            // Its owners may have been others when it was written, and not have passed it on yet.
            let owners = turn.ring.owners(op.partition);
            let others = turn.reachable.iter().filter(|peer| !owners.contains(peer));
            read.queue.extend(others.take(EVERYBODY_MAX));
            (read.everybody, read.doubted) = (true, true);
            return self.advance_read(number, op, turn);
        }
        let all = usize::from(read.not_yet) >= turn.ring.owners(op.partition).len();
        if empty && all && own_write(&op.key, op.partition, read, turn).is_none() {
            if turn.out_of_sight {
                // Whoever has it may be back; until then nothing is better than what was before.
                self.end_read(op, turn);
                return false;
            }
            // Everybody was asked, and none has what this node wrote: whoever had it is gone, and
            // what was there before counts again.
            self.lose(&op.key, op.partition, turn);
            (read.min, read.own, read.not_yet) = (Version::ZERO, Version::ZERO, 0);
            read.doubted = false;
            return self.restart_read(number, op, turn);
        }
        if empty && read.not_yet > 0 && read.retries < RETRIES_MAX {
            // The owners that are ready know less than this node, and those that know as much are not
            // ready: they will be soon.
            (read.retries, read.not_yet) = (read.retries + 1, 0);
            return true;
        }
        let boots = read.best.is_none() && read.misses == 0 && read.unready.is_some();
        if boots && read.retries < RETRIES_MAX {
            // What a booting owner holds may have been overwritten at those it boots from, and soon
            // it will know.
            read.retries += 1;
            return true;
        }
        let heard = read.misses > 0 || read.not_yet > 0;
        if read.best.is_some() || read.unready.is_some() || heard {
            self.end_read(op, turn);
            return false;
        }
        true
    }

    /// Nobody has what this node wrote, and nobody is left who may bring it back.
    fn lose(&mut self, key: &Key, partition: Partition, turn: &Turn<'_>) {
        self.own_writes.lost(key);
        turn.with(partition, |kept, _| kept.release(key_ref(key)));
    }

    pub(super) fn end_read(&mut self, op: &mut Pending, turn: &mut Turn<'_>) {
        let Phase::Read(read) = &mut op.phase else {
            return;
        };
        let answer = match read.best.take() {
            Some((_, entry)) => {
                for (peer, version) in &read.answers {
                    // Whoever holds nothing may have evicted it: that is no reason to repair.
                    let older = Version::ZERO < *version && *version < entry.version();
                    if older && turn.reachable.contains(peer) {
                        // Read repair: an ordinary write of the version that is newest anyway.
                        let request = Request::Write { key: op.key.clone(), entry: entry.clone() };
                        let number = u64::MAX;
                        turn.outbox.request(*peer, lane(op.partition), number, &request);
                        turn.outbox.given_up.push(*peer);
                    }
                }
                repair_here(&op.key, op.partition, &entry, turn);
                found(entry)
            }
            None => match unserved(&op.key, op.partition, read, turn) {
                Some(entry) => found(entry),
                None => {
                    if read.not_yet > 0 && read.misses == 0 && !turn.out_of_sight {
                        // Everybody who had it is gone.
                        self.lose(&op.key, op.partition, turn);
                    }
                    Answer::Missing
                }
            },
        };
        reply(op.origin, Ok((answer, None)), turn);
    }

    pub(super) fn on_read_response(
        &mut self,
        number: u64,
        op: &mut Pending,
        (from, same_ring): (NodeId, bool),
        response: Response,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Phase::Read(read) = &mut op.phase else {
            return false;
        };
        match response {
            Response::Hit(entry) => {
                let version = entry.version();
                // What is written here next is to come after what was read here.
                turn.clock.observe(version.value.hlc, turn.now.mono);
                read.answers.push((from, version));
                // Another holder knew it to be dead: the answer is a miss, unless one that knows all
                // of what that holder has forgotten has it.
                if is_dead(read, from, version.value, turn) {
                    self.stats.barred += 1;
                    read.misses += 1;
                    read.doubted = true;
                } else if read.best.as_ref().is_none_or(|(_, best)| best.version() < version) {
                    read.best = Some((from, entry));
                }
            }
            Response::Miss { bar, floor, synced, doubt } => {
                read.answers.push((from, bar));
                read.misses += 1;
                read.bar = read.bar.max(bar);
                read.floors.push((floor, synced));
                let dead = |(peer, best): &(NodeId, Entry)| {
                    is_dead(read, *peer, best.version().value, turn)
                };
                if read.best.as_ref().is_some_and(dead) {
                    read.best = None;
                }
                read.doubted |= doubt;
            }
            // Whoever was asked only because this node owns it alone says nothing of what is lost.
            Response::NotYet if read.not_yet == 0 && is_alone(op.partition, turn) => {}
            Response::NotYet => read.not_yet += 1,
            Response::Unready(entry) => {
                // It may own the key no more, and writes go elsewhere: the owners are asked first.
                read.not_yet += u8::from(!same_ring);
                let newer = |(_, held): &(NodeId, Entry)| held.version() < entry.version();
                let own = read.own > Version::ZERO && entry.version() >= read.own;
                if own && read.unready.as_ref().is_none_or(newer) {
                    read.unready = Some((from, entry));
                }
            }
            _ => {}
        }
        let enough = match read.level {
            Level::One => read.best.is_some() || (read.misses > 0 && !read.doubted),
            _ => read.answers.len() >= usize::from(read.needed),
        };
        if enough {
            self.end_read(op, turn);
            return false;
        }
        self.advance_read(number, op, turn)
    }

    pub(super) fn hedge(&mut self, number: u64, op: &mut Pending, turn: &mut Turn<'_>) -> bool {
        if let Phase::Read(read) = &mut op.phase {
            if op.waiting.is_empty() {
                // Nobody could answer so far: this node may be ready by now, or somebody back.
                if let Some(done) = read_here(&op.key, op.partition, read, turn) {
                    reply(op.origin, Ok((done, None)), turn);
                    return false;
                }
                return self.restart_read(number, op, turn);
            }
            if op.is_coming(turn.now.mono) {
                // Asking another one would send all of it twice.
                return true;
            }
            let Phase::Read(read) = &mut op.phase else { return true };
            read.hedges += 1;
            if read.misses > 0 && read.level == Level::One && read.hedges >= DOUBT_HEDGES_MAX {
                // In doubt the answer is a miss, and a client does not wait for those who may
                // never answer.
                self.end_read(op, turn);
                return false;
            }
            if let Some(next) = read.queue.pop_front().filter(|_| turn.rules().hedging()) {
                self.stats.hedged += 1;
                ask_read(number, op.partition, &op.key, read.min, next, turn);
                op.waiting.push((next, turn.now.mono));
            }
        }
        true
    }
}

/// Whether this node owns the partition alone, so that there is no other owner to ask.
fn is_alone(partition: Partition, turn: &Turn<'_>) -> bool {
    turn.ring.owners(partition) == [turn.own] && turn.rules().alone_asks()
}

/// Whether what a peer holds at that stamp is dead, by what others have answered.
fn is_dead(read: &Read, peer: NodeId, stamp: Stamp, turn: &Turn<'_>) -> bool {
    let dead = stamp < read.bar.value || outlived(peer, stamp, &read.floors, turn);
    dead && turn.rules().bars()
}

pub(super) fn found(entry: Entry) -> Answer<Bytes> {
    let deadline_ms = entry.deadline_ms();
    match entry.content() {
        Content::Value(value) => Answer::Found { value: value.clone(), deadline_ms },
        Content::Mark => Answer::Missing,
    }
}

/// What was found elsewhere may be newer than what this node holds: the next to ask it is not to be
/// told less. Where it holds nothing, it may have evicted it, and does not take it again; but what
/// was written before it may be on its way here.
fn repair_here(key: &Key, partition: Partition, entry: &Entry, turn: &Turn<'_>) {
    turn.with(partition, |kept, context| {
        let key = key_ref(key);
        if !matches!(kept.look(key, context), Held::Nothing) {
            let merged = kept.merge(key, Parts::of(entry), context);
            if matches!(merged, Merged::Taken { .. }) {
                kept.note_brought(key, Brought::ByRead);
            }
        } else if kept.role() != Role::None && turn.rules().found_guards() {
            let hash = kept.hash(key);
            kept.guard(hash, entry.version());
        }
    });
}

/// What this node holds without being allowed to answer (it boots, or owns no more) still counts: a
/// client that read it here before must not be given something older from elsewhere. Nor what this
/// node knows to be flushed, from owners that have not heard of it.
fn know(key: &Key, partition: Partition, read: &mut Read, turn: &mut Turn<'_>) {
    let own = turn.own;
    turn.see(partition, |kept, context| {
        read.bar = read.bar.max(Version::of(context.flushes.of(key.namespace)));
        if kept.role() == Role::None || read.answers.iter().any(|(peer, _)| *peer == own) {
            return;
        }
        let key = key_ref(key);
        match kept.look(key, context) {
            Held::Value(parts) => {
                // It may also be newer than what the owners have, and written here.
                read.min = read.min.max(parts.version);
                read.own = read.own.max(parts.version);
            }
            Held::Dead(version) => read.bar = read.bar.max(version),
            // It may have held it and forgotten it since.
            Held::Nothing => {
                read.floors.push((kept.floor(key, context), kept.sessions().synced()));
            }
        }
    });
}

/// Reads from this node's own store, if it may answer. `None`: the others have to be asked.
fn read_here(
    key: &Key,
    partition: Partition,
    read: &mut Read,
    turn: &mut Turn<'_>,
) -> Option<Answer<Bytes>> {
    if turn.store.is_late() || !turn.ring.owners(partition).contains(&turn.own) {
        return None;
    }
    let own = turn.own;
    turn.with(partition, |kept, context| {
        let key = key_ref(key);
        if !kept.serves() {
            return None;
        }
        if !kept.covers(key, read.min, context) {
            read.not_yet = read.not_yet.max(1);
            return None;
        }
        let floor = (kept.floor(key, context), kept.sessions().synced());
        let doubts = kept.doubts(key, context.now);
        match kept.read(key, context) {
            Held::Value(parts) if read.level == Level::One => Some(found(parts.to_entry())),
            Held::Value(parts) => {
                read.answers.push((own, parts.version));
                read.best = Some((own, parts.to_entry()));
                None
            }
            Held::Nothing if read.level == Level::One && !doubts => Some(Answer::Missing),
            held => {
                if let Held::Dead(bar) = held {
                    read.bar = read.bar.max(bar);
                }
                read.floors.push(floor);
                read.answers.push((own, read.bar));
                read.misses += 1;
                read.doubted = true;
                None
            }
        }
    })
}

/// This node's own write, though nobody else has it yet, and this node may not answer for the key
/// otherwise (it boots): whoever wrote it here is to see it here. Unless somebody knows it to be
/// dead.
pub(super) fn own_write(
    key: &Key,
    partition: Partition,
    read: &Read,
    turn: &Turn<'_>,
) -> Option<Entry> {
    let min = read.own;
    turn.see(partition, |kept, context| match kept.look(key_ref(key), context) {
        Held::Value(parts) if min > Version::ZERO && parts.version >= min => {
            let dead = is_dead(read, turn.own, parts.version.value, turn);
            (!dead).then(|| parts.to_entry())
        }
        _ => None,
    })
}

/// What is held of a key where nobody may answer for it: this node's own write, or what an owner
/// that boots holds, if that is newer or this node has nothing.
fn unserved(key: &Key, partition: Partition, read: &mut Read, turn: &Turn<'_>) -> Option<Entry> {
    let own = own_write(key, partition, read, turn);
    let unready = read.unready.take().filter(|(peer, entry)| {
        let version = entry.version();
        let newer = match &own {
            Some(own) => own.version() < version,
            None => read.misses == 0,
        };
        newer && !is_dead(read, *peer, version.value, turn)
    });
    let told = unready.map(|(_, entry)| entry);
    if let Some(entry) = &told {
        repair_here(key, partition, entry, turn);
    }
    told.or(own)
}

fn ask_read(
    number: u64,
    partition: Partition,
    key: &Key,
    min: Version,
    peer: NodeId,
    turn: &mut Turn<'_>,
) {
    let request = Request::Read { key: key.clone(), min };
    turn.outbox.request(peer, lane(partition), number, &request);
}
