//! Pair sessions: how two holders of a partition learn what the other covers, so that both may forget
//! without lying. Boot of a new owner, return after an absence, repair and handoff are this one
//! exchange (rules R1 to R10 of the model this was checked in; see the crate's documentation).
//!
//! This file says which sessions there are to be as members and owners change, and decides when a
//! turn is due. They are opened and closed in [`opening`]. Which talk has a turn is in [`room`], what
//! is said in [`talk`], how much of it at a time in [`pace`], what need not be said in
//! [`comparison`], who brings a partition up to date in [`supply`], when it is ready in [`boot`],
//! what is passed on in [`renewal`], who is asked before something is dropped in [`vouching`], when a
//! partition can be dropped in [`handoff`], what is different while others are out of sight in
//! [`solitude`], what is read elsewhere in [`heat`], what one that was stopped is owed in
//! [`arrears`], and whether all of it works in [`audit`]. What must be atomic with reads and writes
//! is in `store/partition/exchange` and `store/partition/comparison`.
//!
//! In a session in step nothing is said. How one side stands is said in a push, which is repeated
//! until it is answered, or in an answer, which is asked for again; so what was said is heard, unless
//! the link goes, and then all is said again. An audit says it, too.
//!
//! A session is closed at once when its peer's memory is known to be gone (a newer life); for a
//! silent peer after [`SILENCE_MS`]. While it is open its bit is awaited, so what is overwritten or
//! evicted meanwhile leaves marks, and a return costs little.

mod arrears;
mod audit;
mod boot;
mod comparison;
mod handoff;
mod heat;
mod opening;
mod pace;
mod renewal;
mod room;
mod solitude;
mod supply;
mod talk;
mod vouching;

use std::collections::{BTreeMap, BTreeSet};

use self::arrears::Arrears;
use self::audit::Audits;
use self::boot::Boot;
use self::pace::Paces;
use self::solitude::Solitude;
use self::talk::Talk;
use super::message::Exchange;
use super::turn::Turn;
use crate::placement::{Life, NodeId, Partition, Ring};
use crate::store::partition::heat::HEATED_MAX;
use crate::store::sessions::Session;
use crate::store::{Mono, Role, Rules};

/// Time between two looks at what is to be offered, in milliseconds: the anti-entropy interval.
pub const INTERVAL_MS: u64 = 1_000;
/// The interval is gone through in so many steps, each for its share of the partitions.
const STEPS: u16 = 20;
/// A peer that is gone is waited for so long, in milliseconds: its sessions stay open, and what it
/// lacks is kept as marks.
const SILENCE_MS: u64 = 60_000;
/// A member that came back less than so long ago, in milliseconds, counts as having been away when
/// this node learns that it was declared down itself.
const BACK_MS: u64 = 10_000;
/// How long after a change of owners or sessions a miss is in doubt, in milliseconds.
const UNSETTLED_MS: u64 = 3_000;

/// Counters of exchanges.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionStats {
    /// Partitions that began to boot.
    pub boots: u64,
    /// Sessions opened.
    pub opened: u64,
    /// Sessions given a new number because of what was learnt from another peer.
    pub renewed: u64,
    /// Headers offered to others.
    pub offered: u64,
    /// Values that others asked for.
    pub wanted: u64,
    /// Bytes of entries sent: keys, values, and
    /// [`ENTRY_BYTES`](crate::store::partition::exchange::ENTRY_BYTES) each.
    pub repair_bytes: u64,
    /// Values taken from others.
    pub repaired: u64,
    /// How often a value was not taken from others for want of memory, in a partition that boots.
    pub no_room: u64,
    /// Values dropped because a peer may have outlived them.
    pub condemned: u64,
    /// Values kept because another one confirmed what a peer was in doubt about.
    pub vouched: u64,
    /// Partitions dropped after all their owners had them.
    pub dropped: u64,
    /// Comparisons that this node began and that came to their end.
    pub compared: u64,
    /// Entries that a comparison has settled, on either side, without a header.
    pub equal: u64,
    /// Audits that this node began and that came to their end.
    pub audited: u64,
    /// Entries that a peer was taken to cover and wanted in an audit: each is a bug.
    pub audit_repaired: u64,
}

/// The exchanges of one node.
#[derive(Debug)]
pub struct Sessions {
    life: Life,
    talks: BTreeMap<(NodeId, Partition), Talk>,
    /// Talks that have something to say now, if there is room.
    due: BTreeSet<(NodeId, Partition)>,
    /// Talks that have much to say, and wait until less is under way.
    held_back: BTreeSet<(NodeId, Partition)>,
    /// Talks that wait for an answer, and some that did: of many talks few do.
    waiting: BTreeSet<(NodeId, Partition)>,
    /// Nobody has had a turn who could have had one: this node's would have taken too long.
    unfinished: bool,
    /// Sessions that are to be opened.
    opening: BTreeSet<(Partition, NodeId)>,
    /// Sessions that are to be closed.
    closing: BTreeSet<(Partition, NodeId)>,
    boots: BTreeMap<Partition, Boot>,
    /// Partitions held without owning them, and since when.
    old: BTreeMap<Partition, Mono>,
    solitude: Solitude,
    paces: Paces,
    /// When peers brought something last, or were asked to.
    brought: BTreeMap<NodeId, Mono>,
    /// Peers that a link was up to at some time.
    met: BTreeSet<NodeId>,
    /// Members that are gone, and since when.
    gone: BTreeMap<NodeId, Mono>,
    /// Members that came back, and when.
    back: BTreeMap<NodeId, Mono>,
    arrears: Arrears,
    audit_ms: u64,
    audits: BTreeMap<NodeId, Audits>,
    numbers: u64,
    step: u16,
    next_step: Mono,
    /// Counters.
    pub stats: SessionStats,
}

impl Sessions {
    /// Numbers of a later life are larger than those of a former one. `bulk_rate`: bytes a second
    /// that bring peers up to date. `audit_ms`: time between two audits with one peer.
    pub fn new(life: Life, rules: Rules, bulk_rate: u64, audit_ms: u64) -> Sessions {
        Sessions {
            life,
            talks: BTreeMap::new(),
            due: BTreeSet::new(),
            held_back: BTreeSet::new(),
            waiting: BTreeSet::new(),
            unfinished: false,
            opening: BTreeSet::new(),
            closing: BTreeSet::new(),
            boots: BTreeMap::new(),
            old: BTreeMap::new(),
            solitude: Solitude::default(),
            paces: Paces::new(bulk_rate),
            brought: BTreeMap::new(),
            met: BTreeSet::new(),
            gone: BTreeMap::new(),
            back: BTreeMap::new(),
            arrears: Arrears::default(),
            audit_ms,
            audits: BTreeMap::new(),
            numbers: if rules.life_numbers() { life.0 << 20 } else { 0 },
            step: 0,
            next_step: Mono::default(),
            stats: SessionStats::default(),
        }
    }

    /// Whether this node has all of what it owns.
    pub fn is_settled(&self) -> bool {
        self.boots.is_empty()
    }

    /// Partitions held without owning them.
    pub fn handing_off(&self) -> usize {
        self.old.len()
    }

    /// Talks that are waiting for an answer or for room.
    pub fn busy(&self) -> usize {
        self.due.union(&self.held_back).count()
            + self.talks.values().filter(|talk| talk.is_waiting()).count()
    }

    /// The owners changed: take up, keep or give up each partition.
    ///
    /// `all`: the ring of all who were members lately, if not all of them have a place on this one.
    pub fn on_ring(&mut self, old: &Ring, all: Option<Ring>, turn: &mut Turn<'_>) {
        let unsettled = turn.now.mono.plus_ms(UNSETTLED_MS);
        let partitions: Vec<Partition> = turn.store.options().partitions.iter().collect();
        // Put in place at once: there may be a thousand.
        let mut opening = Vec::new();
        for partition in partitions {
            let owners = turn.ring.owners(partition);
            if owners == old.owners(partition) && !owners.is_empty() {
                turn.store.set_sole(partition, turn.is_sole(partition));
                continue;
            }
            let (role, blank) = turn.see(partition, |kept, _| (kept.role(), kept.is_blank()));
            let owns = owners.contains(&turn.own);
            let next = match (owns, role) {
                (true, Role::None) if turn.members.is_empty() => Role::Ready,
                (true, Role::None | Role::Old) => Role::Boot,
                (true, role) => role,
                (false, Role::None) => Role::None,
                // What it has forgotten, others may have to be told.
                (false, Role::Boot) if blank || !turn.rules().boots_hand_over() => Role::None,
                (false, _) => Role::Old,
            };
            turn.store.set_role(partition, next, turn.is_sole(partition), unsettled);
            match next {
                Role::Boot if role != Role::Boot => self.boot(partition, turn),
                Role::Ready if role != Role::Ready => self.find_alone(partition, turn),
                Role::Old if role != Role::Old => {
                    self.boots.remove(&partition);
                    self.old.insert(partition, turn.now.mono);
                }
                Role::None if role != Role::None => self.drop_partition(partition, turn),
                // So many are gone that nobody's place is held: others may be better off.
                Role::Ready if owners == [turn.own] && !turn.is_sole(partition) => {
                    self.find_alone(partition, turn);
                }
                _ => {}
            }
            if next != Role::Old {
                self.old.remove(&partition);
            }
            // A new owner that is ready may have heard the former ones out before they took the last
            // writes of this node.
            let former = (next == Role::Boot && role != Role::Boot).then(|| old.owners(partition));
            let peers = (next != Role::None).then_some(owners).into_iter().chain(former);
            for peers in peers {
                let missing = opening::missing(peers, partition, turn);
                opening.extend(missing.into_iter().map(|peer| (partition, peer)));
            }
        }
        self.opening.append(&mut opening.into_iter().collect());
        // After sessions were opened with those who are back.
        self.solitude.all = all;
        self.consider_bereft(turn);
        self.next_step = turn.now.mono;
    }

    /// A member is there, perhaps in a new life: sessions with a former one are closed, because what
    /// it covered is gone with it.
    pub fn member_up(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        if self.gone.remove(&peer).is_some() {
            self.back.insert(peer, turn.now.mono);
        }
        self.arrears.forget(peer);
        for partition in turn.store.options().partitions.iter() {
            let (role, life) = turn.see(partition, |kept, _| {
                (kept.role(), kept.sessions().with(peer).map(|session| session.life))
            });
            let owner = || turn.ring.owners(partition).contains(&peer);
            match life {
                Some(life) if life == turn.life(peer) || !turn.rules().new_life() => {
                    self.due.insert((peer, partition));
                }
                None if role == Role::None || !owner() => {}
                _ => self.open_soon(peer, partition, turn),
            }
        }
        self.next_step = turn.now.mono;
    }

    /// Some are there, or there again.
    pub fn members_up(&mut self, turn: &mut Turn<'_>) {
        self.consider_bereft(turn);
    }

    /// A member is gone. It may come back with its memory.
    pub fn member_gone(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        self.gone.insert(peer, turn.now.mono);
        self.met.remove(&peer);
        self.brought.remove(&peer);
        self.arrears.forget(peer);
        self.consider_bereft(turn);
        self.next_step = turn.now.mono;
    }

    /// This node was declared down and is back. Where it was cut off from most owners, the others
    /// may have taken writes that it lacks; where it was with most, they lack what it has.
    ///
    /// `all`: the ring of all who were members lately; who is down need not have a place on this
    /// node's.
    pub fn rejoined(&mut self, all: &Ring, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        self.back.retain(|_, at| now.since(*at) < BACK_MS * 1_000_000);
        let absent =
            |owner: &NodeId| self.gone.contains_key(owner) || self.back.contains_key(owner);
        let cut_off = |partition: &Partition| {
            let owners = all.owners(*partition);
            let away: Vec<&NodeId> = owners.iter().filter(|owner| absent(owner)).collect();
            let half = 2 * away.len() == owners.len();
            // Of two halves, the one with the smaller id stays.
            2 * away.len() > owners.len() || (half && away.iter().any(|owner| **owner < turn.own))
        };
        let partitions = turn.store.options().partitions.iter();
        let partitions: Vec<Partition> = partitions.filter(cut_off).collect();
        if turn.rules().boot_after_absence() {
            self.doubt(partitions, turn);
        }
    }

    /// A link is new: what was said over the one before may not have arrived.
    pub fn link_up(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        self.met.insert(peer);
        self.brought.insert(peer, turn.now.mono);
        self.paces.forget(peer);
        for ((_, partition), talk) in
            self.talks.range_mut((peer, Partition(0))..=(peer, Partition(u16::MAX)))
        {
            // A late reply of the former link must not pass for one to a push of this one.
            *talk = talk.over_another_link(turn.now.mono);
            self.due.insert((peer, *partition));
            turn.with(*partition, |kept, _| {
                if let Some(bit) = kept.sessions().bit(peer) {
                    kept.in_touch_again(bit);
                }
            });
        }
        self.next_step = turn.now.mono;
    }

    /// This node may lack something in these partitions: boot them again, keeping what they hold.
    pub fn doubt(&mut self, partitions: impl IntoIterator<Item = Partition>, turn: &mut Turn<'_>) {
        let count = turn.store.options().partitions.get();
        for partition in partitions {
            if partition.0 >= count {
                continue;
            }
            match turn.role(partition) {
                // Also the only owner: others took it over while they did not see this node.
                Role::Ready if !turn.members.is_empty() => {
                    turn.store.set_role(partition, Role::Boot, false, turn.now.mono);
                    self.boot(partition, turn);
                }
                Role::Boot => self.boot(partition, turn),
                _ => {}
            }
        }
        self.next_step = turn.now.mono;
    }

    /// A message of an exchange from a peer.
    ///
    /// `same_ring`: it was sent under the ring that this node has, too.
    pub fn receive(
        &mut self,
        from: NodeId,
        same_ring: bool,
        message: Exchange,
        turn: &mut Turn<'_>,
    ) {
        let partition = match &message {
            Exchange::Push { standing, .. }
            | Exchange::Reply { standing, .. }
            | Exchange::Compare { standing, .. }
            | Exchange::Compared { standing, .. } => standing.partition,
            Exchange::Nothing { partition, .. }
            | Exchange::Who { partition }
            | Exchange::WhoIsValid { partition }
            | Exchange::Valid { partition, .. }
            | Exchange::Confirm { partition, .. }
            | Exchange::Confirmed { partition, .. }
            | Exchange::Hot { partition, .. }
            | Exchange::Acked { partition, .. } => *partition,
        };
        if partition.0 >= turn.store.options().partitions.get() {
            return;
        }
        match message {
            Exchange::Push { standing, push, headers, entries, hot, full, vouched } => {
                let Some((bit, echoed)) = self.hear(from, &standing, true, turn) else {
                    return;
                };
                let offer = talk::Offer { push, headers, entries, hot, full, vouched };
                self.on_push(from, bit, echoed, partition, offer, turn);
            }
            Exchange::Reply { standing, push, verdicts, doubt } => {
                if let Some((bit, echoed)) = self.hear(from, &standing, false, turn) {
                    let judged = talk::Judged { push, verdicts, doubt };
                    self.on_reply(from, bit, echoed, partition, judged, turn);
                }
            }
            Exchange::Confirm { number, claims, .. } => {
                self.on_confirm(from, partition, (number, claims), turn);
            }
            Exchange::Confirmed { number, life, holds, .. } => {
                self.on_confirmed((from, life), partition, (number, holds), turn);
            }
            Exchange::Nothing { echo, .. } => self.on_nothing(from, partition, echo, turn),
            Exchange::Hot { hashes, .. } if hashes.len() <= HEATED_MAX => {
                turn.with(partition, |kept, _| kept.warm(&hashes));
            }
            Exchange::Hot { .. } => {}
            Exchange::Who { .. } => self.on_who(from, partition, turn),
            Exchange::WhoIsValid { .. } => self.on_who_is_valid(from, partition, turn),
            Exchange::Valid { life, peers, .. } => {
                self.on_valid((from, life), partition, &peers, turn);
            }
            Exchange::Acked { hash, stamp, epochs, .. } if same_ring => {
                let owners = turn.ring.owners(partition).iter().copied();
                let acks = owners.zip(epochs).filter_map(|(owner, epoch)| Some((owner, epoch?)));
                turn.with(partition, |kept, _| kept.relayed(hash, stamp, acks));
            }
            Exchange::Acked { .. } => {}
            Exchange::Compare { standing, number, question } => {
                if let Some((bit, echoed)) = self.hear(from, &standing, true, turn) {
                    let question = echoed.then_some((number, &question));
                    self.on_compare(from, bit, partition, question, turn);
                }
            }
            Exchange::Compared { standing, number, findings } => {
                if let Some((bit, echoed)) = self.hear(from, &standing, false, turn) {
                    let findings = echoed.then_some((number, &findings));
                    self.on_compared(from, bit, partition, findings, turn);
                }
            }
        }
    }

    /// Looks after a share of the partitions, says what is due, and sees whether anything is ready.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        if turn.now.mono >= self.next_step {
            self.next_step = turn.now.mono.plus_ms(INTERVAL_MS / u64::from(STEPS));
            self.step = (self.step + 1) % STEPS;
            let count = turn.store.options().partitions.get();
            let mut partition = self.step;
            while partition < count {
                self.look_after(Partition(partition), turn);
                partition += STEPS;
            }
            let silent: Vec<NodeId> = self.silent(turn).collect();
            for peer in silent {
                self.gone.remove(&peer);
                self.closing.extend(turn.store.options().partitions.iter().map(|p| (p, peer)));
            }
            self.give_up_what_is_stuck(turn);
            self.get_used_to_it(turn);
            self.consider_boots(turn);
            self.consider_handoffs(turn);
            self.audit(turn);
        }
        self.open_and_close(turn);
        self.say_what_is_due(turn);
    }

    /// What was installed before that is offered also to those in step: its acknowledgements would
    /// have been relayed by now.
    fn recent(&self, peer: NodeId, turn: &Turn<'_>) -> Mono {
        let relayed = Mono(turn.now.mono.0.saturating_sub(INTERVAL_MS * 1_000_000));
        relayed.max(self.arrears.since(peer))
    }

    fn silent(&self, turn: &Turn<'_>) -> impl Iterator<Item = NodeId> {
        let now = turn.now.mono;
        let silent = move |since: Mono| now.since(since) >= SILENCE_MS * 1_000_000;
        self.gone.iter().filter(move |(_, since)| silent(**since)).map(|(peer, _)| *peer)
    }

    /// One partition's turn in an interval.
    fn look_after(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        if turn.role(partition) == Role::None {
            return;
        }
        // Memory may have closed sessions, and owners may have become members.
        self.open_owners(partition, turn);
        self.see_to_lacking(partition, turn);
        self.tell_heat(partition, turn);
        let sessions: Vec<(NodeId, u8, bool)> = turn.see(partition, |kept, _| {
            let booting = kept.role() == Role::Boot;
            let in_step = |s: &Session| s.is_in_step() && (s.done || !booting);
            let each = kept.sessions().iter();
            each.map(|(bit, session)| (session.peer, bit, in_step(session))).collect()
        });
        for (peer, bit, in_step) in sessions {
            let talk = self.talks.entry((peer, partition)).or_default();
            if !turn.reachable.contains(&peer) {
                continue;
            }
            if !in_step {
                // While it is being compared, a miss here may be another's value.
                turn.store.unsettle(partition, turn.now.mono.plus_ms(UNSETTLED_MS));
            }
            talk.resume();
            if talk.is_stuck(in_step) {
                turn.with(partition, |kept, _| kept.say_again(bit));
            }
            if self.has_to_say(peer, bit, partition, turn) {
                self.due.insert((peer, partition));
            }
        }
    }

    /// When [`Sessions::tick`] wants to be called.
    pub fn next_deadline(&self) -> Option<Mono> {
        let now = self.unfinished || !self.opening.is_empty() || !self.closing.is_empty();
        Some(if now { Mono::default() } else { self.next_step })
    }
}
