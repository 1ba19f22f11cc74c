//! Getting what is missing: boot of an owner that does not have everything, comparison with a member
//! that is back, handoff by a holder that owns no more.
//!
//! All three are one exchange, driven by the side that may lack something: it pulls a partition's
//! headers from another holder in parts, wants the values it would take, and merges them. This is
//! the provisional form (every header, no tree); it throws nothing away.
//!
//! What it keeps true:
//! * A booting partition becomes ready only after it pulled from every owner that can be reached,
//!   and only if those count this node as an owner, so that their writes come here.
//! * What a booting node kept from before an absence, and a ready holder may have outlived (it holds
//!   nothing, and its floor is at or above), loses its content before the partition is ready.
//! * Floors are adopted all together, at the end, when nothing is refused any more for their sake.
//! * A holder that owns no more drops its entries only when every owner said that it is ready and
//!   has pulled from it.

use std::collections::{BTreeMap, BTreeSet};

use super::message::Exchange;
use super::replica::key_ref;
use super::turn::Turn;
use crate::placement::{Generation, NodeId, Partition, Ring};
use crate::store::partition::FLOORS;
use crate::store::sessions::Session;
use crate::store::{Content, Cursor, Held, Key, Merged, Mono, Parts, Role, Stamp, Version};

/// Most pulls from one peer at a time: bounds what a booting node asks of it.
const PULLS_PER_PEER: usize = 32;
/// Most headers of one Offer.
const HEADERS_MAX: usize = 256;
/// Most bytes of keys in an Offer, or of values in one Values.
const PART_BYTES_MAX: usize = 64 << 10;
/// A pull without progress is asked again after so long, in milliseconds.
const STUCK_MS: u64 = 1_000;
/// A pull that was answered "not yet" is tried again after so long, in milliseconds.
const AGAIN_MS: u64 = 100;
/// An owner that is a member but cannot be reached is waited for so long, in milliseconds.
const PATIENCE_MS: u64 = 4_000;
/// Time between two tellings that a partition is still held, in milliseconds.
const HOLDING_MS: u64 = 1_000;
/// How long after a change of owners or sessions a miss is in doubt, in milliseconds.
const UNSETTLED_MS: u64 = 3_000;
/// Time between two looks at what is stuck, in milliseconds.
const TICK_MS: u64 = 50;

/// What a finished pull said.
#[derive(Clone, Debug)]
struct Pulled {
    ready: bool,
    floors: [Stamp; FLOORS],
    bit: Option<u8>,
}

/// One partition being pulled from one peer.
#[derive(Debug)]
struct Pull {
    number: u64,
    bit: Option<u8>,
    cursor: Option<Cursor>,
    next: Option<Cursor>,
    /// Whether values were asked for and have not all come.
    wanting: bool,
    ready: bool,
    floors: Option<Box<[Stamp; FLOORS]>>,
    state: PullState,
    touched: Mono,
    /// The handoff this pull answers.
    handoff: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PullState {
    Queued,
    Active,
    /// Asked again later: the peer does not count this node as an owner yet.
    Later(Mono),
}

/// One partition on its way to ready.
#[derive(Debug)]
struct Boot {
    since: Mono,
    done: BTreeMap<NodeId, Pulled>,
    /// Whether members that are no owners were asked too.
    everybody: bool,
}

/// One partition held without owning it.
#[derive(Debug)]
struct Handoff {
    number: u64,
    taken: BTreeSet<NodeId>,
    next: Mono,
}

impl Pull {
    fn try_later(&mut self, now: Mono) {
        self.state = PullState::Later(now.plus_ms(AGAIN_MS));
        self.cursor = None;
        self.wanting = false;
    }
}

/// Counters of exchanges.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionStats {
    /// Partitions that began to boot.
    pub boots: u64,
    /// Headers offered to others.
    pub offered: u64,
    /// Values that others asked for.
    pub wanted: u64,
    /// Values taken from others.
    pub repaired: u64,
    /// Values dropped because a ready holder may have outlived them.
    pub condemned: u64,
}

/// The exchanges of one node.
#[derive(Debug, Default)]
pub struct Sessions {
    pulls: BTreeMap<(NodeId, Partition), Pull>,
    boots: BTreeMap<Partition, Boot>,
    handoffs: BTreeMap<Partition, Handoff>,
    taken: BTreeMap<(NodeId, Partition), u64>,
    /// Partitions that became ready without having met another holder.
    alone: BTreeSet<Partition>,
    numbers: u64,
    next_tick: Mono,
    /// Counters.
    pub stats: SessionStats,
}

impl Sessions {
    /// `seed` must be random: numbers of a former life must not be taken for this one's.
    pub fn new(seed: u64) -> Sessions {
        Sessions { numbers: seed >> 1, ..Sessions::default() }
    }

    /// Whether this node has all of what it owns.
    pub fn is_settled(&self) -> bool {
        self.boots.is_empty()
    }

    /// Partitions held without owning them.
    pub fn handing_off(&self) -> usize {
        self.handoffs.len()
    }

    /// Pulls under way.
    pub fn pulling(&self) -> usize {
        self.pulls.len()
    }

    /// The owners changed: take up, keep or give up each partition.
    pub fn on_ring(&mut self, old: &Ring, turn: &mut Turn<'_>) {
        let unsettled = turn.now.mono.plus_ms(UNSETTLED_MS);
        let partitions: Vec<Partition> = turn.store.options().partitions.iter().collect();
        for partition in partitions {
            let owners = turn.ring.owners(partition);
            if owners == old.owners(partition) && !owners.is_empty() {
                continue;
            }
            let (role, empty) = turn.with(partition, |kept, _| (kept.role(), kept.is_empty()));
            let owns = owners.contains(&turn.own);
            let next = match (owns, role) {
                (true, Role::None | Role::Old) if turn.members.is_empty() => Role::Ready,
                (true, Role::None | Role::Old) => Role::Boot,
                (true, role) => role,
                (false, Role::None) => Role::None,
                (false, _) if empty => Role::None,
                (false, _) => Role::Old,
            };
            let sole = turn.is_sole(partition);
            turn.store.set_role(partition, next, sole);
            turn.store.unsettle(partition, unsettled);
            if next != Role::Old {
                self.handoffs.remove(&partition);
            }
            match next {
                Role::Boot if role != Role::Boot => self.boot(partition, turn),
                Role::Boot => self.pull_owners(partition, turn),
                Role::Old => {
                    self.abandon_boot(partition);
                    self.numbers += 1;
                    let number = self.numbers;
                    let (taken, next) = (BTreeSet::new(), turn.now.mono);
                    self.handoffs.insert(partition, Handoff { number, taken, next });
                }
                Role::None => {
                    self.abandon_boot(partition);
                    turn.with(partition, |kept, _| kept.clear());
                }
                Role::Ready if role != Role::Ready => drop(self.alone.insert(partition)),
                Role::Ready => {}
            }
        }
        self.next_tick = turn.now.mono;
    }

    /// Compares everything held with its other owners. For a change in the members: one that is
    /// back may have taken writes apart from the others, and one that died may have been the only
    /// one to know which of its writes did not reach whom.
    pub fn compare(&mut self, turn: &mut Turn<'_>) {
        let partitions: Vec<Partition> = turn.store.options().partitions.iter().collect();
        for partition in partitions {
            if matches!(turn.role(partition), Role::Ready | Role::Boot) {
                self.pull_owners(partition, turn);
            }
        }
        self.next_tick = turn.now.mono;
    }

    /// A member is gone: nothing more will come from it.
    pub fn member_gone(&mut self, peer: NodeId) {
        self.pulls.retain(|(from, _), _| *from != peer);
        self.taken.retain(|(from, _), _| *from != peer);
        for boot in self.boots.values_mut() {
            boot.done.remove(&peer);
        }
        for handoff in self.handoffs.values_mut() {
            handoff.taken.remove(&peer);
        }
        self.next_tick = Mono(0);
    }

    /// A link is new: what was asked over the old one is asked again.
    pub fn link_up(&mut self, peer: NodeId, now: Mono) {
        for ((from, _), pull) in &mut self.pulls {
            if *from == peer && pull.state == PullState::Active {
                pull.state = PullState::Queued;
                pull.cursor = None;
            }
        }
        self.next_tick = now;
    }

    /// This node may lack something in these partitions: boot them again, keeping what they hold.
    pub fn doubt(&mut self, partitions: impl IntoIterator<Item = Partition>, turn: &mut Turn<'_>) {
        let count = turn.store.options().partitions.get();
        for partition in partitions {
            if partition.0 >= count {
                continue;
            }
            match turn.role(partition) {
                Role::Ready if turn.ring.owners(partition).len() > 1 => {
                    turn.store.set_role(partition, Role::Boot, false);
                    self.boot(partition, turn);
                }
                Role::Boot => {
                    if let Some(boot) = self.boots.get_mut(&partition) {
                        boot.done.clear();
                    }
                    self.pulls.retain(|(_, p), _| *p != partition);
                    self.pull_owners(partition, turn);
                }
                _ => {}
            }
        }
        self.next_tick = turn.now.mono;
    }

    fn boot(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        self.stats.boots += 1;
        self.alone.remove(&partition);
        self.pulls.retain(|(_, p), _| *p != partition);
        let since = turn.now.mono;
        let boot = Boot { since, done: BTreeMap::new(), everybody: false };
        self.boots.insert(partition, boot);
        self.pull_owners(partition, turn);
    }

    fn abandon_boot(&mut self, partition: Partition) {
        self.boots.remove(&partition);
        self.pulls.retain(|(_, p), _| *p != partition);
    }

    fn pull_owners(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        let owners: Vec<NodeId> = turn.other_owners(partition).collect();
        for owner in owners {
            self.pull(owner, partition, None, turn);
        }
    }

    /// Wants to pull a partition from a peer, unless that is under way or done.
    fn pull(&mut self, peer: NodeId, partition: Partition, handoff: Option<u64>, turn: &Turn<'_>) {
        let done = self.boots.get(&partition).is_some_and(|b| b.done.contains_key(&peer));
        if done && handoff.is_none() {
            return;
        }
        if let Some(pull) = self.pulls.get_mut(&(peer, partition)) {
            pull.handoff = handoff.or(pull.handoff);
            return;
        }
        self.numbers += 1;
        let pull = Pull {
            number: self.numbers,
            bit: None,
            cursor: None,
            next: None,
            wanting: false,
            ready: false,
            floors: None,
            state: PullState::Queued,
            touched: turn.now.mono,
            handoff,
        };
        self.pulls.insert((peer, partition), pull);
    }

    /// A message of an exchange from a peer of that generation.
    pub fn receive(
        &mut self,
        from: NodeId,
        generation: Generation,
        message: Exchange,
        turn: &mut Turn<'_>,
    ) {
        let count = turn.store.options().partitions.get();
        let partition = match &message {
            Exchange::Pull { partition, .. }
            | Exchange::Offer { partition, .. }
            | Exchange::Want { partition, .. }
            | Exchange::Values { partition, .. }
            | Exchange::Holding { partition, .. }
            | Exchange::Taken { partition, .. } => *partition,
        };
        if partition.0 >= count {
            return;
        }
        match message {
            Exchange::Pull { number, cursor, .. } => {
                self.offer(from, partition, number, cursor, turn);
            }
            Exchange::Offer { number, ready, alone, you_own, headers, cursor, floors, .. } => {
                let part = Part { ready, alone, you_own, headers, cursor, floors };
                self.on_offer(from, generation, partition, number, part, turn);
            }
            Exchange::Want { number, keys, .. } => {
                self.send_values(from, partition, number, keys, turn);
            }
            Exchange::Values { number, entries, last, .. } => {
                let Some(pull) = self.pulls.get_mut(&(from, partition)) else {
                    return;
                };
                if pull.number != number {
                    return;
                }
                pull.touched = turn.now.mono;
                let bit = pull.bit;
                let mut taken = 0;
                let mut disbelieved = false;
                turn.with(partition, |kept, context| {
                    for (key, entry) in &entries {
                        let parts = Parts::of(entry);
                        if !context.clock.believes(parts.version.value.hlc, context.now) {
                            disbelieved = true;
                            continue;
                        }
                        let merged = kept.merge(key_ref(key), parts, context);
                        taken += u64::from(matches!(merged, Merged::Taken { .. }));
                        if let Some(bit) = bit {
                            kept.set_bit(key_ref(key), bit);
                        }
                    }
                });
                self.stats.repaired += taken;
                if disbelieved {
                    pull.try_later(turn.now.mono);
                    return;
                }
                if last && pull.wanting {
                    pull.wanting = false;
                    self.go_on(from, partition, turn);
                }
            }
            Exchange::Holding { number, .. } => {
                if !turn.ring.owners(partition).contains(&turn.own) {
                    return;
                }
                let ready = turn.role(partition) == Role::Ready;
                match self.taken.get(&(from, partition)) {
                    Some(taken) if *taken == number && ready => {
                        turn.outbox.exchange(
                            from,
                            partition,
                            &Exchange::Taken { partition, number },
                        );
                    }
                    Some(taken) if *taken == number => {}
                    _ => self.pull(from, partition, Some(number), turn),
                }
                self.next_tick = turn.now.mono;
            }
            Exchange::Taken { number, .. } => {
                let Some(handoff) = self.handoffs.get_mut(&partition) else {
                    return;
                };
                if handoff.number == number {
                    handoff.taken.insert(from);
                }
                let owners = turn.ring.owners(partition);
                if !owners.is_empty() && owners.iter().all(|o| handoff.taken.contains(o)) {
                    self.handoffs.remove(&partition);
                    turn.store.set_role(partition, Role::None, false);
                    turn.with(partition, |kept, _| kept.clear());
                }
            }
        }
    }

    // ---- the holder's side ------------------------------------------------------------------

    fn offer(
        &mut self,
        to: NodeId,
        partition: Partition,
        number: u64,
        from: Option<Cursor>,
        turn: &mut Turn<'_>,
    ) {
        let mut headers = Vec::new();
        let mut bytes = 0;
        let you_own = turn.ring.owners(partition).contains(&to);
        let owner = turn.ring.owners(partition).contains(&turn.own);
        let (role, epoch, cursor, floors) = turn.with(partition, |kept, context| {
            let cursor = kept.walk(from.unwrap_or_default(), HEADERS_MAX, |key, parts| {
                let owned = Key {
                    namespace: key.namespace,
                    bytes: bytes::Bytes::copy_from_slice(key.bytes),
                };
                bytes += key.bytes.len() + 40;
                let live = matches!(kept.look(key, context), Held::Value(_));
                headers.push((owned, parts.version, live));
                bytes < PART_BYTES_MAX
            });
            let floors = cursor.is_none().then(|| Box::new(*kept.floors()));
            (kept.role(), kept.sessions().epoch(), cursor, floors)
        });
        self.stats.offered += headers.len() as u64;
        let ready = matches!(role, Role::Ready | Role::Old);
        let offer = Exchange::Offer {
            partition,
            number,
            epoch,
            owner,
            ready,
            alone: self.alone.contains(&partition),
            you_own,
            headers,
            cursor,
            floors,
        };
        turn.outbox.exchange(to, partition, &offer);
    }

    fn send_values(
        &mut self,
        to: NodeId,
        partition: Partition,
        number: u64,
        keys: Vec<Key>,
        turn: &mut Turn<'_>,
    ) {
        self.stats.wanted += keys.len() as u64;
        let mut entries = Vec::new();
        let mut bytes = 0;
        let send = |entries: Vec<_>, last: bool, turn: &mut Turn<'_>| {
            let message = Exchange::Values { partition, number, entries, last };
            turn.outbox.exchange(to, partition, &message);
        };
        for key in keys {
            let found =
                turn.with(partition, |kept, context| match kept.look(key_ref(&key), context) {
                    Held::Value(parts) => Some(parts.to_entry()),
                    Held::Dead(_) | Held::Nothing => None,
                });
            let Some(entry) = found else { continue };
            if let Content::Value(value) = entry.content() {
                bytes += value.len() + key.bytes.len() + 40;
            }
            entries.push((key, entry));
            if bytes >= PART_BYTES_MAX {
                bytes = 0;
                send(std::mem::take(&mut entries), false, turn);
            }
        }
        send(entries, true, turn);
    }

    // ---- the puller's side ------------------------------------------------------------------

    fn on_offer(
        &mut self,
        from: NodeId,
        generation: Generation,
        partition: Partition,
        number: u64,
        part: Part,
        turn: &mut Turn<'_>,
    ) {
        let Some(pull) = self.pulls.get_mut(&(from, partition)) else {
            return;
        };
        if pull.number != number || pull.state != PullState::Active {
            return;
        }
        pull.touched = turn.now.mono;
        if !part.you_own && self.boots.contains_key(&partition) {
            // Its writes do not reach this node yet, so having everything would not last.
            pull.try_later(turn.now.mono);
            return;
        }
        if part.ready
            && self.alone.contains(&partition)
            && !self.boots.contains_key(&partition)
            && (!part.alone || from < turn.own)
        {
            // This node called itself ready because it had met nobody, and here is somebody who has
            // more to tell; of two such, the one with the larger id gives in.
            return self.doubt([partition], turn);
        }
        let first = pull.bit.is_none();
        let mut bit = pull.bit;
        let mut keys = Vec::new();
        let mut disbelieved = false;
        turn.with(partition, |kept, context| {
            if first {
                let session = Session { peer: from, generation, number };
                bit = kept.open_session(session);
            }
            for (key, version, live) in part.headers {
                if !context.clock.believes(version.value.hlc, context.now) {
                    disbelieved = true;
                    continue;
                }
                if live && kept.wants(key_ref(&key), version, context) {
                    keys.push(key);
                    continue;
                }
                if !live {
                    let mark = Parts { version, value: None, deadline_ms: None };
                    kept.merge(key_ref(&key), mark, context);
                }
                if let Some(bit) = bit {
                    kept.set_bit(key_ref(&key), bit);
                }
            }
        });
        pull.bit = bit;
        if disbelieved {
            // One of the two clocks is off, and will be corrected: what is refused until then must
            // not be missing from a partition that calls itself ready.
            pull.try_later(turn.now.mono);
            return;
        }
        pull.next = part.cursor;
        pull.ready = part.ready;
        pull.floors = part.floors;
        if keys.is_empty() {
            self.go_on(from, partition, turn);
        } else {
            pull.wanting = true;
            turn.outbox.exchange(from, partition, &Exchange::Want { partition, number, keys });
        }
    }

    /// One part is done: ask for the next, or end the pull.
    fn go_on(&mut self, from: NodeId, partition: Partition, turn: &mut Turn<'_>) {
        let Some(pull) = self.pulls.get_mut(&(from, partition)) else {
            return;
        };
        if let Some(cursor) = pull.next {
            pull.cursor = Some(cursor);
            ask(from, partition, pull, turn);
            return;
        }
        let Some(pull) = self.pulls.remove(&(from, partition)) else {
            return;
        };
        let floors = pull.floors.map_or([Stamp::ZERO; FLOORS], |floors| *floors);
        let pulled = Pulled { ready: pull.ready, floors, bit: pull.bit };
        if let Some(number) = pull.handoff {
            self.taken.insert((from, partition), number);
            if turn.role(partition) == Role::Ready {
                turn.outbox.exchange(from, partition, &Exchange::Taken { partition, number });
            }
        }
        if let Some(boot) = self.boots.get_mut(&partition) {
            boot.done.insert(from, pulled);
            self.consider_ready(partition, turn);
        } else {
            self.alone.remove(&partition);
            turn.with(partition, |kept, _| kept.close_session(from));
        }
        self.next_tick = turn.now.mono;
    }

    /// Whether a booting partition has everything that is to be had.
    fn consider_ready(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        let Some(boot) = self.boots.get_mut(&partition) else {
            return;
        };
        let patient = turn.now.mono.since(boot.since) < PATIENCE_MS * 1_000_000;
        let missing = |peer: &NodeId| {
            !boot.done.contains_key(peer)
                && turn.members.contains(peer)
                && (patient || turn.reachable.contains(peer))
        };
        if turn.other_owners(partition).any(|owner| missing(&owner)) {
            return;
        }
        // A holder that came forward by itself is heard out, too.
        let holders = self.pulls.iter().any(|((peer, p), pull)| {
            *p == partition && pull.handoff.is_some() && turn.reachable.contains(peer)
        });
        if holders {
            return;
        }
        let ready = boot.done.values().any(|pulled| pulled.ready);
        if !ready && !boot.everybody {
            // No owner has it: perhaps somebody holds it who does not own it any more.
            boot.everybody = true;
            let others: Vec<NodeId> = turn
                .reachable
                .iter()
                .copied()
                .filter(|peer| !boot.done.contains_key(peer))
                .collect();
            for peer in &others {
                self.pull(*peer, partition, None, turn);
            }
            if !others.is_empty() {
                return;
            }
        }
        let Some(boot) = self.boots.get(&partition) else {
            return;
        };
        let everybody = boot.everybody
            && self.pulls.keys().any(|(peer, p)| *p == partition && turn.reachable.contains(peer));
        if everybody && patient {
            return;
        }
        let Some(boot) = self.boots.remove(&partition) else {
            return;
        };
        let mut condemned = 0;
        turn.with(partition, |kept, _| {
            for (peer, pulled) in &boot.done {
                if let (true, Some(bit)) = (pulled.ready, pulled.bit) {
                    condemned += kept.condemn(bit, &pulled.floors);
                }
                kept.close_session(*peer);
            }
            for pulled in boot.done.values() {
                kept.adopt_floors(&pulled.floors);
            }
        });
        self.stats.condemned += condemned as u64;
        // Nobody else was there to ask: whoever turns up with more is to be heard out.
        if boot.done.is_empty() {
            self.alone.insert(partition);
        }
        turn.store.set_role(partition, Role::Ready, turn.is_sole(partition));
        turn.store.unsettle(partition, turn.now.mono.plus_ms(UNSETTLED_MS));
        for ((peer, p), number) in &self.taken {
            if *p == partition && turn.reachable.contains(peer) {
                let taken = Exchange::Taken { partition, number: *number };
                turn.outbox.exchange(*peer, partition, &taken);
            }
        }
    }

    /// Starts what is queued, repeats what is stuck, ends what waits for nobody.
    pub fn tick(&mut self, generation: impl Fn(NodeId) -> Generation, turn: &mut Turn<'_>) {
        if turn.now.mono < self.next_tick {
            return;
        }
        let now = turn.now.mono;
        self.next_tick = now.plus_ms(TICK_MS);
        let mut active: BTreeMap<NodeId, usize> = BTreeMap::new();
        for ((peer, _), pull) in &self.pulls {
            *active.entry(*peer).or_default() += usize::from(pull.state == PullState::Active);
        }
        for ((peer, partition), pull) in &mut self.pulls {
            if !turn.reachable.contains(peer) {
                continue;
            }
            if !self.boots.contains_key(partition) {
                // While it is being compared, a miss here may be another's value.
                turn.store.unsettle(*partition, now.plus_ms(UNSETTLED_MS));
            }
            let count = active.entry(*peer).or_default();
            match pull.state {
                PullState::Active if now.since(pull.touched) < STUCK_MS * 1_000_000 => continue,
                PullState::Active => *count -= 1,
                PullState::Later(at) if at > now => continue,
                PullState::Queued | PullState::Later(_) => {}
            }
            if *count >= PULLS_PER_PEER {
                continue;
            }
            *count += 1;
            pull.wanting = false;
            pull.cursor = None;
            pull.state = PullState::Active;
            pull.touched = now;
            let message = Exchange::Pull {
                partition: *partition,
                number: pull.number,
                generation: generation(*peer),
                cursor: None,
            };
            turn.outbox.exchange(*peer, *partition, &message);
        }
        let booting: Vec<Partition> = self.boots.keys().copied().collect();
        for partition in booting {
            self.pull_owners(partition, turn);
            self.consider_ready(partition, turn);
        }
        for (partition, handoff) in &mut self.handoffs {
            if handoff.next > now {
                continue;
            }
            handoff.next = now.plus_ms(HOLDING_MS);
            for owner in turn.ring.owners(*partition) {
                if turn.reachable.contains(owner) && !handoff.taken.contains(owner) {
                    let (partition, number) = (*partition, handoff.number);
                    turn.outbox.exchange(
                        *owner,
                        partition,
                        &Exchange::Holding { partition, number },
                    );
                }
            }
        }
    }

    /// When [`Sessions::tick`] wants to be called.
    pub fn next_deadline(&self) -> Option<Mono> {
        let idle = self.pulls.is_empty() && self.boots.is_empty() && self.handoffs.is_empty();
        (!idle).then_some(self.next_tick)
    }
}

/// One part of a peer's offer.
struct Part {
    ready: bool,
    alone: bool,
    you_own: bool,
    headers: Vec<(Key, Version, bool)>,
    cursor: Option<Cursor>,
    floors: Option<Box<[Stamp; FLOORS]>>,
}

fn ask(to: NodeId, partition: Partition, pull: &Pull, turn: &mut Turn<'_>) {
    let message = Exchange::Pull {
        partition,
        number: pull.number,
        generation: Generation(0),
        cursor: pull.cursor,
    };
    turn.outbox.exchange(to, partition, &message);
}
