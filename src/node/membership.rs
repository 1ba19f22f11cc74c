//! Membership: SWIM by foca, and what foca leaves to its surroundings.
//!
//! foca decides who is alive; this file owns its timers, its packets' way, and the cures for what
//! was found with it:
//!
//! * foca stops every timer on a node that sees no peer, so a cluster can stay split for ever. A
//!   random seed is contacted every 5 s, always, and members that went down are dialed at their
//!   last address.
//! * Views stay incomplete without a full-state exchange: one at every new link, and one with a
//!   random member every 30 s, where the two know something else ([`telling`]).
//! * A `ChangeSuspectToDown` timer of a suspicion that was refuted meanwhile still tells the live
//!   member that it is dead (foca 2.0.0): such timers are filtered out.
//! * A probe lost as a datagram gets a second chance on the stream at the indirect stage, and an
//!   answer goes the way its question came.
//!
//! SWIM carries membership only. Whether a member answers *now* is another question
//! ([`super::responsiveness`]).

mod changes;
mod dials;
mod hearsay;
mod identity;
mod members;
mod packet;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use foca::{AccumulatingRuntime, Foca, NoCustomBroadcast, OwnedNotification, State as Swim, Timer};
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::codec::{self, HEADER_BYTES, Header, Kind};
use super::event::{MemberState, MemberView, Notice, Output};
use super::message::{Lateness, State, THERE};
use super::outbox::{Outbox, datagram};
use super::timers::Timers;
use crate::placement::{Generation, Life, NodeId, Seat};
use crate::store::Flushes;
use crate::store::{Mono, Now, Rules};

pub use changes::Change;
use changes::Listed;
use dials::{Dial, Failed};
use hearsay::Hearsay;
pub use identity::Identity;
use identity::Lives;
use members::{Known, Members};
use packet::{Bincode, Packet};
use telling::Telling;

/// Longest datagram, all headers of ours included: what a QUIC datagram takes at the smallest
/// path MTU.
pub const DATAGRAM_BYTES_MAX: usize = 1150;

/// How often a random seed is contacted.
const ANNOUNCE_MS: u64 = 5_000;
/// How often notes are compared with a random member.
const STATE_MS: u64 = 30_000;
/// A member that went down without leaving for good keeps its place on the ring for so long.
pub const HOLD_MS: u64 = 60_000;
/// How often a suspect that is heard is told so.
const TELL_MS: u64 = 500;
/// What lies unread after a stop is read within so long at most, in nanoseconds, and who is suspected
/// was told so and has refuted it.
const UNREAD_NS_MAX: u64 = 1_000_000_000;
/// Most members that one state message may bring.
const MEMBERS_MAX: usize = 20_000;
/// As many words about members as foca is given without a look whether they are known.
const FEW: usize = 8;
/// Longest zone, in bytes.
const ZONE_BYTES_MAX: usize = 16;
/// Longest name of a node, in bytes.
const NAME_BYTES_MAX: usize = 64;

impl foca::Identity for Identity {
    type Addr = NodeId;

    /// Without reading a clock, so that a run can be replayed.
    fn renew(&self) -> Option<Identity> {
        Some(Identity { generation: Generation(self.generation.0 + 1), ..self.clone() })
    }

    fn addr(&self) -> NodeId {
        self.id
    }

    fn win_addr_conflict(&self, adversary: &Identity) -> bool {
        (self.generation, self) > (adversary.generation, adversary)
    }
}

/// How this node takes part.
#[derive(Clone, Debug)]
pub struct MembershipOptions {
    /// Who this node is.
    pub identity: Identity,
    /// Its human name.
    pub name: String,
    /// Whether seeds were given; their addresses come as an input.
    pub seeded: bool,
    /// The rules that are kept.
    pub rules: Rules,
}

/// The members, and this node's part among them.
pub struct Membership {
    rules: Rules,
    foca: Foca<Identity, Bincode, ChaCha12Rng, NoCustomBroadcast>,
    rng: ChaCha12Rng,
    runtime: AccumulatingRuntime<Identity>,
    timers: Timers<Timer<Identity>>,
    members: Members,
    /// foca's list at the last comparison, in its order.
    listed: Vec<Listed>,
    names: BTreeMap<NodeId, String>,
    dials: BTreeMap<SocketAddr, Dial>,
    seeds: Vec<SocketAddr>,
    seeded: bool,
    /// The last probe sent to each member, for a second chance on the stream.
    probes: BTreeMap<NodeId, Vec<u8>>,
    /// While a packet from a stream is handled, answers to its sender go on the stream.
    reliable: Option<NodeId>,
    started: Mono,
    open: bool,
    next_announce: Mono,
    next_state: Mono,
    next_dials: Mono,
    sized_for: u32,
    /// Members that another node says have been down for some time.
    down_since: BTreeMap<NodeId, Mono>,
    /// Seeds that were tried and came to nothing since, and why.
    failed: BTreeMap<SocketAddr, Failed>,
    lives: Lives,
    hearsay: Hearsay,
    telling: Telling,
    rejoined: bool,
    /// foca was told something since the last comparison.
    dirty: bool,
    /// Not to be compared before.
    next_look: Mono,
    /// See [`Membership::forgive`].
    unread_until: Mono,
    /// SWIM packets that could not be read or belonged to somebody else.
    pub packets_refused: u64,
}

fn config(members: u32) -> foca::Config {
    let size = NonZeroU32::new(members.max(3)).expect("at least three");
    let packet = DATAGRAM_BYTES_MAX - HEADER_BYTES;
    foca::Config {
        max_packet_size: NonZeroUsize::new(packet).expect("a packet has room"),
        ..foca::Config::new_lan(size)
    }
}

impl Membership {
    /// A node that knows nobody yet.
    pub fn new(options: MembershipOptions, mut rng: ChaCha12Rng, now: Now) -> Membership {
        let swim_rng = rand::SeedableRng::from_rng(&mut rng);
        let MembershipOptions { identity, name, seeded, rules } = options;
        let names = BTreeMap::from([(identity.id, name)]);
        Membership {
            rules,
            foca: Foca::new(identity, config(3), swim_rng, Bincode),
            rng,
            runtime: AccumulatingRuntime::new(),
            timers: Timers::default(),
            members: Members::default(),
            listed: Vec::new(),
            names,
            dials: BTreeMap::new(),
            seeds: Vec::new(),
            seeded,
            probes: BTreeMap::new(),
            reliable: None,
            started: now.mono,
            open: false,
            next_announce: now.mono.plus_ms(ANNOUNCE_MS),
            next_state: now.mono.plus_ms(STATE_MS),
            next_dials: now.mono,
            sized_for: 3,
            down_since: BTreeMap::new(),
            failed: BTreeMap::new(),
            lives: Lives::default(),
            hearsay: Hearsay::default(),
            telling: Telling::new(now.mono),
            rejoined: false,
            dirty: false,
            next_look: now.mono,
            unread_until: Mono(0),
            packets_refused: 0,
        }
    }

    /// Who this node is now.
    pub fn identity(&self) -> &Identity {
        self.foca.identity()
    }

    /// How long a suspicion lasts before the suspect is declared down, in nanoseconds.
    pub fn suspicion_ns(&self) -> u64 {
        config(self.sized_for).suspect_to_down_after.as_nanos() as u64
    }

    /// Whether the doors may open: this node is a member, or alone.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Members that are alive or suspect, without this node.
    pub fn present(&self) -> &BTreeSet<NodeId> {
        self.members.present()
    }

    /// Whether no other node is known, not even one that is down.
    pub fn is_lone(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether somebody is down who has not been forgotten yet.
    pub fn holds_anybody(&self) -> bool {
        self.members.down().next().is_some()
    }

    /// The lives of all nodes as last known, those that are down included: whoever comes back is
    /// heard before it is a member again.
    pub fn lives(&self) -> &BTreeMap<NodeId, Life> {
        self.members.lives()
    }

    /// The roster the ring is built from: everybody present, this node, and whoever went down lately
    /// (most come back within a minute, and nothing has to move). If `held_max` are down at once,
    /// nobody is held: some partition might have lost all of its owners.
    pub fn roster(&self, held_max: usize, now: Now) -> Vec<Seat> {
        let present = |k: &&Known| k.state != MemberState::Down;
        // Who left for good has told before that it owns nothing.
        let held = |k: &&Known| {
            let recent = now.mono.since(k.since) < HOLD_MS * 1_000_000;
            k.state == MemberState::Down && recent && k.identity.weight > 0
        };
        let few = self.members.down().filter(held).count() < held_max;
        let hold = few && self.rules.ring_hold();
        let known = self.members.iter().filter(|k| present(k) || (hold && held(k)));
        let identities = known.map(|k| &k.identity).chain([self.foca.identity()]);
        identities.map(|i| Seat { id: i.id, weight: i.weight, zone: i.zone.clone() }).collect()
    }

    /// All members, this node first.
    pub fn views(&self) -> Vec<MemberView> {
        let own = self.view(self.foca.identity(), MemberState::Alive, true);
        let others = self.members.iter().map(|k| self.view(&k.identity, k.state, false));
        std::iter::once(own).chain(others).collect()
    }

    /// The name of a member; empty if unknown.
    pub fn name(&self, id: NodeId) -> &str {
        self.names.get(&id).map_or("", String::as_str)
    }

    fn view(&self, identity: &Identity, state: MemberState, own: bool) -> MemberView {
        MemberView {
            id: identity.id,
            name: self.name(identity.id).to_owned(),
            addr: identity.addr,
            generation: identity.generation,
            state,
            weight: identity.weight,
            zone: identity.zone.clone(),
            responsive: true,
            rtt_us: 0,
            own,
        }
    }

    fn learn_name(&mut self, id: NodeId, name: &str) {
        let printable = !name.chars().any(char::is_control);
        if printable && name.len() <= NAME_BYTES_MAX && self.names.len() < MEMBERS_MAX {
            self.names.insert(id, name.to_owned());
        }
    }

    /// A SWIM packet, from a datagram or, with `reliable`, from the stream.
    pub fn packet(
        &mut self,
        from: NodeId,
        bytes: &[u8],
        reliable: bool,
        now: Now,
        outbox: &mut Outbox,
        header: Header,
    ) {
        // Only what the certificate says: a member may speak for nobody but itself.
        let speaks = |p: &Packet<'_>| p.header.src.id == from && acceptable(&p.header.src);
        let Some(packet) = Packet::open(bytes).filter(speaks) else {
            self.packets_refused += 1;
            return;
        };
        // Before foca, which would declare any other life of this node down.
        let named = packet.updates.iter().map(|update| update.member.id());
        self.meet_all(std::iter::once(&packet.header.dst).chain(named), now, outbox);
        if self.is_replaced() {
            return;
        }
        let updates = packet.updates.iter().map(|update| &update.member);
        let doubted = updates.filter(|word| self.doubts(from, word)).cloned();
        let doubted: Vec<_> = doubted.collect();
        for word in doubted {
            self.doubt(word, now, outbox);
        }
        let bytes = packet.keep(|word| !self.doubts(from, word));
        self.reliable = reliable.then_some(from);
        if self.foca.handle_data(&bytes, &mut self.runtime).is_err() {
            self.packets_refused += 1;
        }
        self.settle(now, outbox, header);
        self.heard(from, now, outbox);
        self.reliable = None;
    }

    /// Another node's view of the members. Answers with this node's if asked to.
    pub fn merge(
        &mut self,
        from: NodeId,
        state: State,
        flushes: Flushes,
        now: Now,
        outbox: &mut Outbox,
        header: Header,
    ) {
        let whole = !state.members.is_empty();
        for (id, name) in &state.names {
            self.learn_name(NodeId(*id), name);
        }
        let lives = state.members.iter().map(|(identity, ..)| identity);
        self.meet_all(lives, now, outbox);
        if self.is_replaced() {
            return;
        }
        let members = state.members.into_iter().filter(|(identity, ..)| acceptable(identity));
        let mut news = Vec::new();
        for (identity, incarnation, state, age_ms) in members.take(MEMBERS_MAX) {
            let known = self.members.get(identity.id);
            if state > 1 && known.is_none_or(|k| k.identity.generation < identity.generation) {
                let since = now.mono.0.saturating_sub(u64::from(age_ms) * 1_000_000);
                self.down_since.insert(identity.id, Mono(since));
            }
            let state = match state {
                0 => Swim::Alive,
                1 => Swim::Suspect,
                _ => Swim::Down,
            };
            news.push(foca::Member::new(identity, incarnation, state));
        }
        self.drop_known(&mut news);
        let (doubted, members): (Vec<_>, Vec<_>) =
            news.into_iter().partition(|word| self.doubts(from, word));
        for word in doubted {
            self.doubt(word, now, outbox);
        }
        if self
            .foca
            // What is news here is news to others: two that join at once through one seed would
            // otherwise not hear of each other before the next exchange.
            .apply_many(members.into_iter(), true, &mut self.runtime)
            .is_err()
        {
            self.packets_refused += 1;
        }
        self.settle(now, outbox, header);
        self.lives.was_member |= self.members.iter().any(|k| k.state == MemberState::Alive);
        if state.answer {
            // Who says nothing of members asks about flushes only.
            let answer = match whole {
                true => self.state(flushes, false, now),
                false => State { flushes, ..State::default() },
            };
            outbox.control(from, Kind::State, &answer);
        }
    }

    /// Drops the words that say what is known already: nearly all, and foca goes over its whole list
    /// for each.
    fn drop_known(&self, words: &mut Vec<foca::Member<Identity>>) {
        if words.len() < FEW {
            return;
        }
        let known = self.foca.iter_membership_state();
        let mut known: Vec<_> = known.map(|member| (member.id().id, member)).collect();
        known.sort_unstable_by_key(|(id, _)| *id);
        words.retain(|word| {
            let at = known.binary_search_by_key(&word.id().id, |(id, _)| *id);
            at.map_or(true, |at| known[at].1 != word)
        });
    }

    /// Whether a word from a peer needs a second opinion: it is about a member in touch.
    fn doubts(&self, from: NodeId, word: &foca::Member<Identity>) -> bool {
        let id = word.id().id;
        let present = self.members.get(id).filter(|k| k.state != MemberState::Down);
        self.rules.hearsay()
            && id != from
            && self.members.is_linked(id)
            && present.is_some_and(|known| hearsay::is_down(word, &known.identity))
    }

    /// Asks the member itself.
    fn doubt(&mut self, word: foca::Member<Identity>, now: Now, outbox: &mut Outbox) {
        let id = word.id().id;
        if self.hearsay.note(word, now.mono) {
            outbox.lateness(id, &Lateness::Ping { nonce: THERE });
        }
    }

    /// Anything came from a peer. One that is suspected is told so, to refute it: SWIM passes a
    /// suspicion on only so often, and all of that may have been lost in the silence that raised it
    /// (Lifeguard's buddy system: Dadgar, Phillips, Currey 2018).
    pub fn heard(&mut self, peer: NodeId, now: Now, outbox: &mut Outbox) {
        self.hearsay.heard(peer);
        let Some(known) = self.members.get(peer) else {
            return;
        };
        let recently = now.mono.since(known.told) < TELL_MS * 1_000_000;
        if known.state != MemberState::Suspect || recently || !self.rules.suspects_told() {
            return;
        }
        self.members.tell(peer, now.mono);
        if let Some(suspect) = self.foca.iter_membership_state().find(|m| m.id().id == peer) {
            let members = vec![(suspect.id().clone(), suspect.incarnation(), 1, 0)];
            outbox.control(peer, Kind::State, &State { members, ..State::default() });
        }
    }

    /// Looks for this node's own name in what a peer said.
    fn meet_all<'i>(
        &mut self,
        said: impl Iterator<Item = &'i Identity>,
        now: Now,
        outbox: &mut Outbox,
    ) {
        let own = self.identity().id;
        let lives = said.filter(|identity| identity.id == own && acceptable(identity));
        let Some(last) = lives.max_by_key(|identity| (identity.generation, identity.addr)) else {
            return;
        };
        self.meet(last.generation, last.addr, now, outbox);
    }

    /// A peer closed a link because it is connected to a later life of this node.
    pub fn superseded(
        &mut self,
        generation: Generation,
        addr: SocketAddr,
        now: Now,
        outbox: &mut Outbox,
        header: Header,
    ) {
        // Of its own generation is what it took itself, on a newer link; the address is the one
        // that the peer saw, which need not be the one advertised.
        if generation > self.identity().generation {
            self.meet(generation, addr, now, outbox);
            self.settle(now, outbox, header);
        }
    }

    /// A peer said that it stops.
    pub fn bye(&mut self, peer: NodeId, now: Now, outbox: &mut Outbox, header: Header) {
        let Some(known) = self.members.get(peer) else {
            return;
        };
        let down = foca::Member::new(known.identity.clone(), u16::MAX, Swim::Down);
        let _ = self.foca.apply_many(std::iter::once(down), true, &mut self.runtime);
        self.settle(now, outbox, header);
    }

    /// Tells the cluster that this node leaves.
    pub fn leave(&mut self, now: Now, outbox: &mut Outbox, header: Header) {
        for _ in 0..3 {
            let _ = self.foca.gossip(&mut self.runtime);
        }
        let _ = self.foca.leave_cluster(&mut self.runtime);
        self.settle(now, outbox, header);
    }

    /// This node did not run for so long, in nanoseconds. Whoever is suspected may have refuted it
    /// meanwhile, and that lies unread: nobody is declared down here before it is (swarm seed 3692).
    pub fn forgive(&mut self, gap_ns: u64, now: Mono) {
        self.unread_until = Mono(now.0 + gap_ns.min(UNREAD_NS_MAX));
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now, outbox: &mut Outbox, header: Header) {
        while let Some((_, timer)) = self.timers.due(now.mono) {
            let down = matches!(timer, Timer::ChangeSuspectToDown { .. });
            if down && now.mono < self.unread_until {
                self.timers.set(self.unread_until, timer);
                continue;
            }
            // Gossip changes nothing here, and is most of what foca does in a quiet cluster.
            let gossips = matches!(timer, Timer::PeriodicGossip(_)) && self.open;
            self.fire(timer, outbox);
            self.dirty |= !gossips;
            self.carry_out(now, outbox, header);
        }
        let due = self.hearsay.due(now.mono);
        if !due.is_empty() {
            let _ = self.foca.apply_many(due.into_iter(), true, &mut self.runtime);
            self.settle(now, outbox, header);
        }
        if now.mono >= self.next_announce {
            self.next_announce = now.mono.plus_ms(ANNOUNCE_MS);
            self.announce(now, outbox);
        }
        if now.mono >= self.next_state {
            let jitter = self.rng.random_range(0..STATE_MS / 4);
            self.next_state = now.mono.plus_ms(STATE_MS + jitter);
            if let Some(peer) = self.random_link() {
                self.compare(peer, outbox);
            }
        }
        if now.mono >= self.next_dials {
            self.dial(now, outbox);
        }
        self.consider_opening(now, outbox);
    }

    /// When [`Membership::tick`] wants to be called.
    pub fn next_deadline(&self) -> Mono {
        let next = self.next_announce.min(self.next_state).min(self.next_dials);
        let look = self.dirty.then_some(self.next_look);
        [self.timers.next(), self.hearsay.next(), look].into_iter().flatten().fold(next, Mono::min)
    }

    fn fire(&mut self, timer: Timer<Identity>, outbox: &mut Outbox) {
        match &timer {
            // foca 2.0.0 sends TurnUndead even if the suspicion was refuted meanwhile, and the live
            // member then takes a new identity, which moves the ring for nothing.
            Timer::ChangeSuspectToDown { member_id, incarnation, .. } => {
                let refuted = self.foca.iter_membership_state().any(|m| {
                    m.id().id == member_id.id
                        && (m.id() != member_id || m.incarnation() != *incarnation)
                });
                if refuted && self.rules.refuted_suspects() {
                    return;
                }
            }
            Timer::SendIndirectProbe { probed_id, .. } => {
                if let Some(ping) = self.probes.remove(&probed_id.id)
                    && self.members.is_linked(probed_id.id)
                {
                    outbox.control_raw(probed_id.id, Kind::Swim, &ping);
                }
            }
            _ => {}
        }
        // The errors of handle_timer are about timers that foca no longer cares for.
        let _ = self.foca.handle_timer(timer, &mut self.runtime);
    }

    /// Foca was told something: its list may have changed.
    fn settle(&mut self, now: Now, outbox: &mut Outbox, header: Header) {
        self.dirty = true;
        self.carry_out(now, outbox, header);
    }

    /// Carries out what foca wants, after every call of it.
    fn carry_out(&mut self, now: Now, outbox: &mut Outbox, header: Header) {
        while let Some((to, packet)) = self.runtime.to_send() {
            if !self.members.is_linked(to.id) {
                // Dropped, not queued: a stale probe is worse than none.
                self.dials.entry(to.addr).or_insert(Dial {
                    next: now.mono,
                    failures: 0,
                    tried: false,
                });
                self.next_dials = self.next_dials.min(now.mono.plus_ms(dials::DIALS_MS));
                continue;
            }
            if let Ok(header) = codec::take::<foca::Header<Identity>>(&mut &packet[..])
                && matches!(header.message, foca::Message::Ping(_))
            {
                self.probes.insert(to.id, packet.to_vec());
            }
            if self.reliable == Some(to.id) {
                outbox.control_raw(to.id, Kind::Swim, &packet);
            } else {
                let bytes = datagram(&packet, header);
                outbox.push(Output::Datagram { to: to.id, bytes });
            }
        }
        while let Some((after, timer)) = self.runtime.to_schedule() {
            let after = after.min(Duration::from_secs(7 * 24 * 3600));
            self.timers.set(Mono(now.mono.0 + after.as_nanos() as u64), timer);
        }
        while let Some(notification) = self.runtime.to_notify() {
            if let OwnedNotification::Rejoin(identity) = notification {
                self.rejoined = true;
                outbox.notice(Notice::Rejoined(identity.generation));
            }
        }
    }

    fn random_link(&mut self) -> Option<NodeId> {
        let count = self.members.links().len();
        if count == 0 {
            return None;
        }
        self.members.links().keys().nth(self.rng.random_range(0..count)).copied()
    }
}

/// Whether an identity from a peer keeps the limits that its type does not express.
fn acceptable(identity: &Identity) -> bool {
    identity.zone.0.len() <= ZONE_BYTES_MAX && !identity.addr.ip().is_unspecified()
}
