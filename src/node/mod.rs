//! What a node decides: a deterministic state machine, told what happened and when, answering what
//! to do ([`event`] is the whole boundary).
//!
//! This file is a switchboard. It takes an input, hands it to the one role it concerns, and carries
//! what one role noted for another; it holds no policy. The roles are siblings that never name each
//! other's state: [`membership`] (who is there), [`responsiveness`] (who answers now), [`lateness`]
//! (who may have missed something), [`coordinator`] (client operations), [`replica`] (what peers
//! ask), [`sessions`] (getting what is missing).
//!
//! No clock is read here, nothing waited for, nothing drawn from the operating system: the same
//! inputs and the same seed give the same outputs.

mod answers;
mod ascending;
mod batch;
pub mod codec;
pub mod coordinator;
pub mod decision;
pub mod event;
pub mod explanation;
mod flushing;
mod hello;
pub mod lateness;
pub mod membership;
pub mod message;
mod notes;
mod operations;
pub mod outbox;
pub mod own_writes;
mod packing;
mod parting;
mod patience;
mod pending;
pub mod reading;
pub mod refused;
pub mod replica;
pub mod report;
pub mod responsiveness;
mod scatter;
pub mod sessions;
pub mod sweeper;
pub mod timekeeping;
pub mod timers;
pub mod turn;
pub mod writing;

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::placement::{Circles, NodeId, Partition, Ring, Seat};
use crate::store::{Clock, Mono, Now, Store};
use codec::{Header, Kind};
use coordinator::{Coordinator, Origin};
use event::{Command, Input, Notice, Output, Reply};
use lateness::{GAP_NS_MAX, Lateness};
use membership::{Change, Identity, Membership, MembershipOptions};
use message::{Exchange, Request, Response, State, THERE};
use outbox::Outbox;
use replica::ReplicaStats;
use responsiveness::Responsiveness;
use sessions::Sessions;
use sweeper::Sweeper;
use timekeeping::Timekeeping;
use turn::Turn;

/// The protocol versions this build speaks.
pub const PROTOCOL: (u16, u16) = (1, 1);

/// Time between two questions about flushes that a peer knows and this node does not, in
/// milliseconds.
const FLUSH_QUESTION_MS: u64 = 100;
/// Time between two looks whether a member has been down for too long to be held, in milliseconds.
const ROSTER_MS: u64 = 1_000;
/// The driver is asked to call at least this often, in milliseconds, so that a gap in its turns is
/// noticed as one.
pub const HEARTBEAT_MS: u64 = 20;

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who it is.
    pub identity: Identity,
    /// Its human name, at most 64 bytes.
    pub name: String,
    /// Number of owners of a partition: a constant of the cluster.
    pub replicas: NonZeroU8,
    /// Whether it was given seeds.
    pub seeded: bool,
    /// Bytes a second that bring other nodes up to date, to all of them.
    pub bulk_rate: u64,
    /// For all randomness.
    pub seed: [u8; 32],
    /// Time between two audits with one peer, in milliseconds.
    pub audit_ms: u64,
}

/// Counters of the switchboard.
#[derive(Clone, Copy, Debug, Default)]
struct Stats {
    frames_in: u64,
    datagrams_in: u64,
    unknown_frames: u64,
    malformed_frames: u64,
    turns_slow: u64,
    turn_us_max: u64,
}

/// One node.
pub struct Node {
    options: Options,
    store: Arc<Store>,
    clock: Arc<Clock>,
    ring: Arc<Ring>,
    circles: Circles,
    reachable: BTreeSet<NodeId>,
    links: BTreeSet<NodeId>,
    membership: Membership,
    responsiveness: Responsiveness,
    lateness: Lateness,
    coordinator: Coordinator,
    sessions: Sessions,
    outbox: Outbox,
    replica_stats: ReplicaStats,
    stats: Stats,
    last_turn: Mono,
    sweeper: Sweeper,
    timekeeping: Timekeeping,
    flush_hash: u64,
    next_flush_question: Mono,
    next_roster: Mono,
    out_of_sight: bool,
    ready: bool,
    /// It has said goodbye, or was replaced: it takes part in nothing any more.
    gone: bool,
    leaving: Option<parting::Leaving>,
}

impl Node {
    /// A node at the start of a life. Store and clock are shared with whoever runs local operations
    /// on them.
    pub fn new(options: Options, store: Arc<Store>, clock: Arc<Clock>, now: Now) -> Node {
        let rng = ChaCha12Rng::from_seed(options.seed);
        let rules = *store.rules();
        let (life, bulk_rate, audit_ms) =
            (options.identity.life, options.bulk_rate, options.audit_ms);
        let sessions = Sessions::new(life, rules, bulk_rate, audit_ms);
        let membership = MembershipOptions {
            identity: options.identity.clone(),
            name: options.name.clone(),
            seeded: options.seeded,
            rules,
        };
        let membership = Membership::new(membership, rng, now);
        let ring = Ring::build(Vec::new(), store.options().partitions, options.replicas);
        let seed = store.options().seed;
        let mut node = Node {
            options,
            store,
            clock,
            ring: Arc::new(ring),
            circles: Circles::default(),
            reachable: BTreeSet::new(),
            links: BTreeSet::new(),
            membership,
            responsiveness: Responsiveness::new(rules),
            lateness: Lateness::default(),
            coordinator: Coordinator::new(seed, bulk_rate),
            sessions,
            outbox: Outbox::default(),
            replica_stats: ReplicaStats::default(),
            stats: Stats::default(),
            last_turn: now.mono,
            sweeper: Sweeper::default(),
            timekeeping: Timekeeping::default(),
            flush_hash: 0,
            next_flush_question: now.mono,
            next_roster: now.mono,
            out_of_sight: false,
            ready: false,
            gone: false,
            leaving: None,
        };
        node.rehash_flushes();
        node
    }

    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        self.membership.identity()
    }

    /// The ring as it is now.
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Tells the node what happened. Never fails, never waits.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.notice_gap(now);
        match input {
            Input::Command { id, command } => self.on_command(id, command, now),
            Input::Up { peer, .. } if self.gone => {
                let reason = "stopping";
                self.outbox.push(Output::Close { peer, reason });
            }
            Input::Up { peer, addr } => {
                if !self.links.insert(peer) {
                    // A new life, and nobody saw the old link end.
                    self.responsiveness.down(peer);
                    self.outbox.answers.forget(peer);
                    self.refresh_reachable(peer);
                    self.roles(now, |node, turn| node.coordinator.on_unreachable(peer, turn));
                    self.settle(now);
                }
                self.responsiveness.up(peer, now.mono);
                self.outbox.lateness(peer, &message::Lateness::Ping { nonce: THERE });
                let flushes = self.store.flushes();
                self.membership.up(peer, addr, flushes, now, &mut self.outbox);
                self.refresh_reachable(peer);
                self.roles(now, |node, turn| {
                    node.coordinator.on_link(peer, turn);
                    node.sessions.link_up(peer, turn);
                });
            }
            Input::Down { peer } => {
                self.links.remove(&peer);
                self.timekeeping.forget(peer);
                self.responsiveness.down(peer);
                self.outbox.answers.forget(peer);
                self.membership.down(peer, now);
                self.refresh_reachable(peer);
                self.roles(now, |node, turn| node.coordinator.on_unreachable(peer, turn));
            }
            Input::Frame { from, bytes } => self.on_frame(from, bytes, now),
            Input::Datagram { from, bytes } => {
                self.stats.datagrams_in += 1;
                match codec::open(bytes) {
                    Ok((Kind::Swim, ..)) if self.gone => {}
                    Ok((Kind::Swim, header, body)) => {
                        self.observe(from, header, now);
                        self.on_swim(from, &body, false, now);
                    }
                    Ok(_) => self.stats.unknown_frames += 1,
                    Err(error) => self.on_bad_bytes(from, error),
                }
            }
            Input::DialFailed { addr, reason, difference } => {
                if self.membership.dial_failed(addr, &reason, difference, now) {
                    self.outbox.notice(Notice::SeedFailed { addr, reason });
                }
            }
            // A node that stops is replaced as it should be.
            Input::Superseded { .. } if self.coordinator.stopping => {}
            Input::Superseded { generation, addr } => {
                let header = self.header();
                self.membership.superseded(generation, addr, now, &mut self.outbox, header);
            }
            Input::Seeds(seeds) => self.membership.set_seeds(seeds, now),
            Input::Tick => {}
            Input::Stop => self.stop(now),
        }
        self.settle(now);
        if self.membership.is_replaced() {
            // Without a goodbye, which would be taken for the other process'.
            self.gone = true;
            self.coordinator.stopping = true;
        }
        self.tick(now);
        self.settle(now);
        self.note_ready();
    }

    /// What to do next; drained after every input, or after several.
    pub fn poll_output(&mut self) -> Option<Output> {
        let header = self.header();
        self.outbox.pop(|| header)
    }

    /// When to call again with [`Input::Tick`], if nothing happens before.
    pub fn next_deadline(&self, now: Mono) -> Mono {
        self.next_due(now)
            .map_or(now.plus_ms(HEARTBEAT_MS), |due| due.min(now.plus_ms(HEARTBEAT_MS)))
    }

    /// When something is due, apart from the heartbeat.
    pub fn next_due(&self, now: Mono) -> Option<Mono> {
        [
            (!self.gone).then(|| self.membership.next_deadline()),
            self.responsiveness.next_deadline(),
            self.lateness.next_deadline(now),
            self.coordinator.next_deadline(),
            self.outbox.answers.next_deadline(),
            self.sessions.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    // ---- inputs ---------------------------------------------------------------------------

    fn on_command(&mut self, id: event::OpId, command: Command, now: Now) {
        if self.coordinator.stopping {
            let failure = match self.membership.is_replaced() {
                true => event::Failure::Replaced,
                false => event::Failure::Stopping,
            };
            return self.outbox.reply(id, Reply::Failed(failure));
        }
        match command {
            Command::Key { key, operation, level, min } => self.roles(now, |node, turn| {
                node.coordinator.begin(Origin::Client(id), key, operation, level, min, turn);
            }),
            Command::Flush { namespace } => {
                self.roles(now, |node, turn| node.coordinator.begin_flush(id, namespace, turn));
                self.rehash_flushes();
            }
            Command::Count { namespace } => {
                self.roles(now, |node, turn| node.coordinator.begin_count(id, namespace, turn));
            }
            Command::Members => {
                let views = self.members_view();
                self.outbox.reply(id, Reply::Members(views));
            }
            Command::Ready => {
                let ready = self.is_ready();
                self.outbox.reply(id, Reply::Ready(ready));
            }
            Command::Status => {
                let status = self.status(now);
                self.outbox.reply(id, Reply::Status(status));
            }
            Command::Leave { within_ms } => self.leave(id, within_ms, now),
            Command::Explain { key } => {
                let known = self.explain(&key, now);
                self.roles(now, |n, turn| n.coordinator.begin_explain(id, key, known, turn));
            }
        }
    }

    fn on_frame(&mut self, from: NodeId, bytes: Bytes, now: Now) {
        self.stats.frames_in += 1;
        let (kind, header, body) = match codec::open(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.on_bad_bytes(from, error),
        };
        self.observe(from, header, now);
        self.membership.heard(from, now, &mut self.outbox);
        self.hear(from, kind.answers(), now);
        match kind {
            Kind::Hello => {}
            // It has said goodbye: any word about members now would bring it back to life.
            Kind::Swim | Kind::State | Kind::Digest | Kind::Bye if self.gone => {}
            Kind::Swim => self.on_swim(from, &body, true, now),
            Kind::State => self.on_state(from, &body, now),
            Kind::Digest => self.on_digest(from, &body, now),
            Kind::Requests => self.batch::<(u64, Request)>(from, &body, now, Node::on_request),
            Kind::Responses => {
                self.batch::<(u64, Response)>(from, &body, now, |node, from, item, now| {
                    let same_ring = header.ring == node.ring.id();
                    node.on_response(from, same_ring, item, now);
                });
            }
            Kind::LargeRequest => self.large(from, body, now, Node::on_request),
            Kind::LargeResponse => self.large(from, body, now, |node, from, item, now| {
                node.outbox.took(from, item.0);
                node.on_response(from, header.ring == node.ring.id(), item, now);
            }),
            Kind::Coming => self.batch::<(u64, u64)>(from, &body, now, Node::on_coming),
            Kind::Took => self.batch::<u64>(from, &body, now, Node::on_took),
            Kind::Exchange => self.batch::<Exchange>(from, &body, now, |node, from, item, now| {
                let same_ring = header.ring == node.ring.id();
                node.roles(now, |node, turn| {
                    node.sessions.receive(from, same_ring, item, turn);
                });
            }),
            Kind::Lateness => {
                self.batch::<message::Lateness>(from, &body, now, |node, from, item, now| {
                    if let message::Lateness::Pong { nonce, .. } = item {
                        if nonce == THERE {
                            node.responsiveness.met(from, now.mono);
                        }
                        node.hear(from, true, now);
                    }
                    let asks = item.asks();
                    node.roles(now, |node, turn| {
                        if let Some(nonce) = asks {
                            node.sessions.offer_arrears(from, nonce, turn);
                            let missed = node.coordinator.large_writes_to(from);
                            missed.into_iter().for_each(|p| node.lateness.note_missed(from, p));
                        }
                        let next = node.coordinator.next_operation();
                        let behind = node.lateness.receive(from, item, next, turn);
                        node.sessions.doubt(behind, turn);
                    });
                });
            }
            Kind::Bye => {
                let header = self.header();
                self.membership.bye(from, now, &mut self.outbox, header);
            }
        }
    }

    /// Something came from a peer, and perhaps an answer to what this node said.
    fn hear(&mut self, from: NodeId, answers: bool, now: Now) {
        if self.responsiveness.heard(from, answers, now.mono) {
            self.lateness.responsive(from, now.mono);
            self.refresh_reachable(from);
            self.roles(now, |node, turn| node.coordinator.on_responsive(from, turn));
        }
    }

    fn on_swim(&mut self, from: NodeId, body: &[u8], reliable: bool, now: Now) {
        let header = self.header();
        self.membership.packet(from, body, reliable, now, &mut self.outbox, header);
    }

    /// What every frame tells besides its body: the sender's clock, and whether its flushes differ.
    fn observe(&mut self, from: NodeId, header: Header, now: Now) {
        let late = self.lateness.is_late();
        let way_ms = self.responsiveness.way_ms(from);
        self.timekeeping.observe(from, header, way_ms, late, &self.clock, now);
        if header.flushes > self.flush_hash
            && self.links.contains(&from)
            && now.mono >= self.next_flush_question
        {
            // Of two that differ, the one with the smaller hash asks; once, while the answer is on
            // its way.
            self.next_flush_question = now.mono.plus_ms(FLUSH_QUESTION_MS);
            let (flushes, answer) = (self.store.flushes(), true);
            let question = State { flushes, answer, ..State::default() };
            self.outbox.control(from, Kind::State, &question);
        }
    }

    // ---- what follows from every input ------------------------------------------------------

    /// A gap in this node's own turns: everything it remembers may have been overtaken.
    fn notice_gap(&mut self, now: Now) {
        let gap = now.mono.since(self.last_turn);
        self.last_turn = now.mono;
        if gap < GAP_NS_MAX {
            return;
        }
        self.responsiveness.forgive(now.mono);
        self.timekeeping.forgive(now.mono);
        self.membership.forgive(gap, now.mono);
        let suspicion = self.membership.suspicion_ns();
        self.roles(now, |node, turn| {
            node.lateness.stalled(gap, turn);
            node.coordinator.stalled(turn);
            if gap > suspicion && turn.rules().boot_after_absence() {
                // Long enough to have been declared down.
                let partitions: Vec<Partition> = turn.store.options().partitions.iter().collect();
                node.sessions.doubt(partitions, turn);
            }
        });
    }

    /// Hands notes from one role to the others, until there are none.
    fn settle(&mut self, now: Now) {
        if self.outbox.has_notes() {
            self.pass_notes_on(now);
        }
        let changes = self.membership.changes(now, &mut self.outbox);
        let first = self.membership.is_open() && self.ring.seats().is_empty();
        if changes.is_empty() && !first {
            return;
        }
        if first {
            // Before anything is stamped here: the wall clock may have been off all along.
            self.timekeeping.join(now.mono);
        }
        for change in &changes {
            if let Change::Up(peer) | Change::Gone(peer) = change {
                self.refresh_reachable(*peer);
            }
        }
        self.refresh_sight();
        self.rebuild_ring(now);
        let up = changes.iter().any(|change| matches!(change, Change::Up(_)));
        for change in changes {
            self.on_change(change, now);
        }
        if up {
            self.roles(now, |node, turn| node.sessions.members_up(turn));
        }
    }

    fn on_change(&mut self, change: Change, now: Now) {
        match change {
            Change::Up(peer) => {
                self.lateness.renewed(peer);
                self.roles(now, |node, turn| {
                    node.sessions.member_up(peer, turn);
                });
            }
            Change::Gone(peer) => {
                self.lateness.forget(peer);
                self.roles(now, |node, turn| {
                    node.coordinator.on_unreachable(peer, turn);
                    node.sessions.member_gone(peer, turn);
                });
                if self.links.contains(&peer) {
                    let reason = "declared down";
                    self.outbox.push(Output::Close { peer, reason });
                }
            }
            Change::Rejoined => {
                let all = self.ring_of(self.membership.roster(usize::MAX, now));
                self.roles(now, |node, turn| node.sessions.rejoined(&all, turn));
            }
        }
    }

    fn ring_of(&mut self, roster: Vec<Seat>) -> Ring {
        let (partitions, replicas) = (self.store.options().partitions, self.options.replicas);
        Ring::build_on(&mut self.circles, roster, partitions, replicas)
    }

    fn rebuild_ring(&mut self, now: Now) {
        if self.gone {
            return;
        }
        let roster = self.membership.roster(usize::from(self.options.replicas.get()), now);
        if !self.membership.is_open() {
            // For nothing, but then most of its work is done when it is waited for.
            self.ring_of(roster);
            return;
        }
        let seats = roster.len();
        if self.ring.is_of(roster.clone()) {
            return;
        }
        let ring = self.ring_of(roster);
        let all = self.membership.roster(usize::MAX, now);
        let all = (all.len() > seats).then(|| self.ring_of(all));
        let old = std::mem::replace(&mut self.ring, Arc::new(ring));
        self.roles(now, |node, turn| {
            node.sessions.on_ring(&old, all, turn);
            node.coordinator.on_ring(turn);
        });
    }

    fn tick(&mut self, now: Now) {
        if !self.gone && self.membership.next_deadline() <= now.mono {
            let header = self.header();
            self.membership.tick(now, &mut self.outbox, header);
        }
        let silent = self.responsiveness.judge(now.mono);
        silent.iter().for_each(|peer| self.refresh_reachable(*peer));
        for peer in silent {
            self.roles(now, |node, turn| node.coordinator.on_unreachable(peer, turn));
        }
        for peer in self.responsiveness.probes(self.options.identity.id, now.mono) {
            self.outbox.lateness(peer, &message::Lateness::Ping { nonce: THERE });
        }
        self.roles(now, |node, turn| {
            node.coordinator.tick(turn);
            let (coordinator, sessions) = (&node.coordinator, &mut *node.sessions);
            let in_doubt = node.lateness.tick(turn, |peer, before, turn| {
                coordinator.outstanding(peer, before) || sessions.is_in_arrears(peer, turn)
            });
            if in_doubt {
                sessions.doubt(turn.store.options().partitions.iter(), turn);
            }
            node.sessions.tick(turn);
        });
        self.answer_waiting(now);
        if now.mono >= self.next_roster {
            // Members that are held lose their place with time.
            self.next_roster = now.mono.plus_ms(ROSTER_MS);
            if self.membership.holds_anybody() {
                self.rebuild_ring(now);
            }
        }
        self.consider_left(now);
        if self.coordinator.stopping && !self.coordinator.is_awaited() {
            self.say_goodbye(now);
        }
        self.sweeper.tick(&self.store, &self.clock, now);
        self.keep_time(now);
    }

    /// After all else: who opens its doors has nothing to boot before it knows what it owns.
    fn note_ready(&mut self) {
        let ready = self.is_ready();
        if ready && !self.ready {
            self.outbox.notice(Notice::Ready);
        }
        self.ready = ready;
    }

    fn keep_time(&mut self, now: Now) {
        let (late, lone) = (self.lateness.is_late(), self.membership.is_lone());
        if let Some(lead_ms) = self.timekeeping.steer(late, lone, &self.clock, now) {
            self.outbox.notice(Notice::ClockOff { lead_ms });
        }
    }

    // ---- lending ----------------------------------------------------------------------------

    /// Membership, link or pulse of a peer have changed.
    fn refresh_reachable(&mut self, peer: NodeId) {
        let member = self.membership.present().contains(&peer) && self.links.contains(&peer);
        match member && self.responsiveness.is_responsive(peer) {
            true => self.reachable.insert(peer),
            false => self.reachable.remove(&peer),
        };
        self.refresh_sight();
    }

    fn refresh_sight(&mut self) {
        self.out_of_sight = self.reachable.len() < self.membership.present().len()
            || self.membership.holds_anybody();
    }

    fn header(&self) -> Header {
        let hlc = self.clock.read(self.last_turn);
        let ahead_ms = hlc.ms() - self.clock.physical_ms(self.last_turn);
        let ahead_ms = u16::try_from(ahead_ms).unwrap_or(u16::MAX);
        Header { hlc, ahead_ms, ring: self.ring.id(), flushes: self.flush_hash }
    }

    /// Lends a role its surroundings for the length of a call.
    fn roles(&mut self, now: Now, call: impl FnOnce(&mut Lent<'_>, &mut Turn<'_>)) {
        let ring = Arc::clone(&self.ring);
        let unshared = self.membership.is_lone();
        let mut lent = Lent {
            responsiveness: &mut self.responsiveness,
            lateness: &mut self.lateness,
            coordinator: &mut self.coordinator,
            sessions: &mut self.sessions,
            replica_stats: &mut self.replica_stats,
        };
        let mut turn = Turn {
            now,
            own: self.options.identity.id,
            store: &self.store,
            clock: &self.clock,
            ring: &ring,
            members: self.membership.present(),
            lives: self.membership.lives(),
            unshared,
            out_of_sight: self.out_of_sight,
            reachable: &self.reachable,
            outbox: &mut self.outbox,
        };
        call(&mut lent, &mut turn);
    }

    /// Members that answer.
    pub fn reachable(&self) -> impl Iterator<Item = NodeId> {
        self.reachable.iter().copied()
    }

    /// Who owns a key, in order.
    pub fn owners(&self, key: &[u8]) -> &[NodeId] {
        self.ring.owners(self.store.partition_of(key))
    }

    /// Whether this node is a member, or alone, and has all of what it owns.
    pub fn ready(&self) -> bool {
        self.ready
    }

    fn is_ready(&self) -> bool {
        self.membership.is_open() && self.sessions.is_settled() && !self.lateness.is_late()
    }
}

/// The roles, apart from their surroundings.
struct Lent<'a> {
    responsiveness: &'a mut Responsiveness,
    lateness: &'a mut Lateness,
    coordinator: &'a mut Coordinator,
    sessions: &'a mut Sessions,
    replica_stats: &'a mut ReplicaStats,
}
