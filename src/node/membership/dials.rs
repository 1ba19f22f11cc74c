//! Whom a node calls: its seeds, again and again, members without a link, and members that went down.
//! And when it gives up waiting for company and serves alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::RngExt;

use super::{ANNOUNCE_MS, Membership};
use crate::node::event::{MemberState, Notice, Output};
use crate::node::outbox::Outbox;
use crate::node::refused::Difference;
use crate::placement::NodeId;
use crate::store::{Mono, Now};

/// How often a member that went down is dialed, for the first minute.
const REDIAL_MS: u64 = 500;
/// How often after that, at most.
const REDIAL_LATER_MS: u64 = 15_000;
/// How long after going down a member is dialed often.
const REDIAL_OFTEN_MS: u64 = 60_000;
/// A member that is down, and has a link for so long, is not there any more: its last word was lost,
/// and nothing is ever sent to it that would show it.
const DEAD_LINK_MS: u64 = 3_000;
/// How long a node without seeds waits to be called before it serves alone.
const ALONE_WITHOUT_SEEDS_MS: u64 = 1_200;
/// How long a node with seeds tries them before it serves alone.
const ALONE_WITH_SEEDS_MS: u64 = 4_000;
/// Whoever is found first tells of all others within so long, in milliseconds.
const TOLD_MS: u64 = 50;
/// A node that has found others opens its doors when it has met all, or so long after it has found
/// the first, in milliseconds.
const MEETING_MS: u64 = 250;
/// How often dials are looked after while somebody has no link.
pub(super) const DIALS_MS: u64 = 100;
/// How often if everybody has one: whoever takes note of somebody without asks for a look at once.
const NO_DIALS_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Dial {
    pub(super) next: Mono,
    pub(super) failures: u32,
    pub(super) tried: bool,
}

/// Why the last try of a seed came to nothing.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) reason: String,
    /// A constant of the cluster differs there.
    pub(super) difference: Option<Difference>,
}

impl Membership {
    /// The seeds' addresses, own ones left out.
    pub fn set_seeds(&mut self, seeds: Vec<SocketAddr>, now: Now) {
        let (own, given) = (self.identity().addr, seeds.len());
        self.seeds = seeds.into_iter().filter(|seed| *seed != own).collect();
        // Names that do not resolve now may do so later; own addresses never lead anywhere else.
        self.seeded = self.seeded && (given == 0 || !self.seeds.is_empty());
        self.failed.retain(|addr, _| self.seeds.contains(addr));
        for seed in &self.seeds {
            self.dials.entry(*seed).or_insert(Dial { next: now.mono, failures: 0, tried: false });
        }
        self.next_dials = now.mono;
    }

    /// The last link to a peer is gone. A member is dialed again, at once if it is not down.
    pub fn down(&mut self, peer: NodeId, now: Now) {
        self.members.unlink(peer);
        self.next_dials = self.next_dials.min(now.mono.plus_ms(DIALS_MS));
        let Some(known) = self.members.get(peer) else {
            return;
        };
        let next = match known.state {
            // It has said goodbye, or does not answer: whoever starts there next waits to be called.
            MemberState::Down => now.mono.plus_ms(REDIAL_MS),
            MemberState::Alive | MemberState::Suspect => now.mono,
        };
        let dial = Dial { next, failures: 0, tried: true };
        self.dials.entry(known.identity.addr).or_insert(dial).next = next;
        self.next_dials = self.next_dials.min(next);
    }

    /// A dial came to nothing. Returns whether it went to a seed.
    pub fn dial_failed(
        &mut self,
        addr: SocketAddr,
        reason: &str,
        difference: Option<Difference>,
        now: Now,
    ) -> bool {
        let seed = self.seeds.contains(&addr);
        let jitter = self.rng.random_range(0..200);
        let down_since =
            self.members.at(addr).find(|known| known.state == MemberState::Down).map(|k| k.since);
        if let Some(dial) = self.dials.get_mut(&addr) {
            dial.tried = true;
            dial.failures = dial.failures.saturating_add(1);
            let often =
                down_since.is_none_or(|since| now.mono.since(since) < REDIAL_OFTEN_MS * 1_000_000);
            // A seed is tried as often as ever: it may be the only way back.
            let most = if seed { ANNOUNCE_MS } else { REDIAL_LATER_MS };
            let later = || (REDIAL_MS << dial.failures.min(5)).min(most);
            let wait = if often { REDIAL_MS } else { later() };
            dial.next = now.mono.plus_ms(wait + jitter);
        }
        if seed {
            self.failed.insert(addr, Failed { reason: reason.to_owned(), difference });
        }
        seed
    }

    pub(super) fn consider_opening(&mut self, now: Now, outbox: &mut Outbox) {
        if self.open {
            return;
        }
        let waited_ms = now.mono.since(self.started) / 1_000_000;
        let alive = || self.members.iter().filter(|k| k.state == MemberState::Alive);
        let member = alive().next().is_some();
        // Those that there is no link with yet would be taken for out of reach, and what is written
        // meanwhile be acknowledged by this node alone.
        let linked = alive().all(|known| self.members.is_linked(known.identity.id));
        let found = alive().map(|known| known.since).min();
        let found_ms = found.map_or(0, |at| now.mono.since(at) / 1_000_000);
        let met = found_ms >= MEETING_MS || linked && found_ms >= TOLD_MS;
        let tried = self.seeds.iter().all(|seed| self.dials.get(seed).is_none_or(|d| d.tried));
        let alone = match self.seeded {
            false => waited_ms >= ALONE_WITHOUT_SEEDS_MS,
            true => waited_ms >= ALONE_WITH_SEEDS_MS && tried,
        };
        if !member && self.seeded && tried && !self.seeds.is_empty() {
            // All seeds answered, and none will ever take this node in.
            let failed =
                |seed: &SocketAddr| Some((*seed, self.failed.get(seed)?.difference.clone()?));
            let differences: Vec<_> = self.seeds.iter().map_while(failed).collect();
            if differences.len() == self.seeds.len() {
                let (addr, difference) = differences[0].clone();
                outbox.notice(Notice::Unfit { addr, difference });
            }
        }
        if !member && alone {
            let failed =
                |seed| self.failed.get(seed).map_or("no answer", |failed| failed.reason.as_str());
            let seeds = self.seeds.iter().map(|seed| (*seed, failed(seed).to_owned())).collect();
            outbox.notice(Notice::Alone { seeds });
        }
        if (member && (met || !self.rules.meets_first())) || alone {
            self.open = true;
            outbox.notice(Notice::Open);
        }
    }

    fn contacts_seeds(&self) -> bool {
        self.rules.reannounce() || !self.open
    }

    /// Contacts a random seed: dials it, or compares notes if there is a link already.
    pub(super) fn announce(&mut self, now: Now, outbox: &mut Outbox) {
        if self.seeded {
            outbox.push(Output::Resolve);
        }
        if self.seeds.is_empty() || !self.contacts_seeds() {
            return;
        }
        let seed = self.seeds[self.rng.random_range(0..self.seeds.len())];
        match self.linked_at(seed) {
            Some(peer) => self.compare(peer, outbox),
            None => {
                let dial = Dial { next: now.mono, failures: 0, tried: false };
                self.dials.entry(seed).or_insert(dial);
                self.next_dials = now.mono;
            }
        }
    }

    /// Dials everybody that should have a link and has none: members, members that went down, and
    /// the seeds.
    pub(super) fn dial(&mut self, now: Now, outbox: &mut Outbox) {
        for known in self.members.down() {
            let long = |since: &Mono| now.mono.since(*since) >= DEAD_LINK_MS * 1_000_000;
            let peer = known.identity.id;
            if long(&known.since) && self.members.links().get(&peer).is_some_and(long) {
                let reason = "down all along";
                outbox.push(Output::Close { peer, reason });
            }
        }
        let own = self.identity().addr;
        let linked = |addr: SocketAddr| {
            self.members.at(addr).any(|known| self.members.is_linked(known.identity.id))
        };
        let mut wanted: BTreeMap<SocketAddr, Option<NodeId>> = BTreeMap::new();
        for known in self.members.apart() {
            let down = known.state == MemberState::Down && !self.rules.redial();
            if !down {
                wanted.insert(known.identity.addr, Some(known.identity.id));
            }
        }
        for seed in self.seeds.iter().filter(|_| self.contacts_seeds()) {
            if !linked(*seed) {
                // Whoever answers there is welcome: a seed may be a name in front of many.
                wanted.insert(*seed, None);
            }
        }
        wanted.remove(&own);
        // Before it is open, a node also waits for what does not come.
        let pause_ms = if wanted.is_empty() && self.open { NO_DIALS_MS } else { DIALS_MS };
        self.next_dials = now.mono.plus_ms(pause_ms);
        self.dials.retain(|addr, _| wanted.contains_key(addr) || self.seeds.contains(addr));
        for (addr, expected) in wanted {
            let dial = self.dials.entry(addr).or_insert(Dial {
                next: now.mono,
                failures: 0,
                tried: false,
            });
            if dial.next <= now.mono {
                // Pushed on by its result; this is for a result that never comes.
                dial.next = now.mono.plus_ms(3_000);
                outbox.push(Output::Dial { addr, expected });
            }
        }
    }

    pub(super) fn linked_at(&self, addr: SocketAddr) -> Option<NodeId> {
        let known = self.members.at(addr).next()?;
        self.members.is_linked(known.identity.id).then_some(known.identity.id)
    }
}
