//! What members tell each other of all members, beside SWIM: everything, where two know something
//! else.
//!
//! Whether they do shows a digest, a hash of all that a node knows of the members: every Hello
//! carries it, and it alone is sent to a seed every 5 s and to a random member every 30 s. Who hears
//! of another one than its own answers with its State, and wants the other's.
//!
//! While a large cluster forms nearly every two know something else, and there are as many links as
//! pairs: so a node tells of so many members a second only ([`TOLD_PER_S`]). Beyond that it says on a
//! new link that it is there, and gossip and the next comparison do the rest. Whoever has just
//! started is told everything at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use foca::State as Swim;

use super::members::hash;
use super::{MEMBERS_MAX, Membership};
use crate::node::codec::Kind;
use crate::node::event::MemberState;
use crate::node::message::State;
use crate::node::outbox::Outbox;
use crate::placement::NodeId;
use crate::store::{Flushes, Mono, Now};

/// What a node says that has not been told of the members yet.
const TOLD_NOTHING: u64 = 0;
/// Members that a node tells of in a second, where it may be told less.
const TOLD_PER_S: u64 = 1_024;
/// As many as it tells of at once after a pause. In a cluster of 60, to all of them.
const TOLD_AT_ONCE: u64 = 4_096;

/// What was told, and may be.
#[derive(Debug)]
pub(super) struct Telling {
    /// What peers without a link yet said in their Hello.
    said: BTreeMap<NodeId, u64>,
    /// Members that may be told of.
    room: u64,
    /// As of when.
    since: Mono,
}

impl Telling {
    pub(super) fn new(now: Mono) -> Telling {
        Telling { said: BTreeMap::new(), room: TOLD_AT_ONCE, since: now }
    }

    /// Whether so many members may be told of.
    fn takes(&mut self, members: u64, now: Mono) -> bool {
        let room = now.since(self.since) / (1_000_000_000 / TOLD_PER_S);
        if room > 0 {
            self.room = (self.room + room).min(TOLD_AT_ONCE);
            self.since = now;
        }
        // Whoever knows of more than that tells it now and then all the same.
        let takes = self.room >= members.min(TOLD_AT_ONCE);
        if takes {
            self.room = self.room.saturating_sub(members);
        }
        takes
    }
}

impl Membership {
    /// A hash of all that this node knows of the members, itself included. Not of incarnations, which
    /// only say which of two words is the later one, and foca tells nobody its own.
    pub fn digest(&self) -> u64 {
        if !self.lives.was_member {
            return TOLD_NOTHING;
        }
        let own = hash(self.identity(), MemberState::Alive);
        own.wrapping_add(self.members.digest()).max(TOLD_NOTHING + 1)
    }

    /// A peer's Hello: its name, and its digest.
    pub fn greet(&mut self, peer: NodeId, name: &str, digest: u64) {
        self.learn_name(peer, name);
        if self.telling.said.len() < MEMBERS_MAX {
            self.telling.said.insert(peer, digest);
        }
    }

    /// A link to a peer is usable: tell it everything that it may lack.
    pub fn up(
        &mut self,
        peer: NodeId,
        addr: SocketAddr,
        flushes: Flushes,
        now: Now,
        outbox: &mut Outbox,
    ) {
        self.members.link(peer, now.mono);
        self.failed.remove(&addr);
        if let Some(dial) = self.dials.get_mut(&addr) {
            dial.failures = 0;
            dial.tried = true;
        }
        let said = self.telling.said.remove(&peer).unwrap_or(TOLD_NOTHING);
        let own = self.digest();
        if !self.rules.state_on_link() || (said == own && own != TOLD_NOTHING) {
            return;
        }
        if said == TOLD_NOTHING || self.may_tell(now) {
            outbox.control(peer, Kind::State, &self.state(flushes, false, now));
        } else {
            let members = vec![(self.identity().clone(), 0, 0, 0)];
            outbox.control(peer, Kind::State, &State { members, flushes, ..State::default() });
        }
    }

    /// Compares notes with a peer.
    pub(super) fn compare(&self, peer: NodeId, outbox: &mut Outbox) {
        outbox.control(peer, Kind::Digest, &self.digest());
    }

    /// A peer compares notes.
    pub fn compared(
        &mut self,
        peer: NodeId,
        digest: u64,
        flushes: Flushes,
        now: Now,
        outbox: &mut Outbox,
    ) {
        let nothing = digest == TOLD_NOTHING;
        if nothing || (digest != self.digest() && self.may_tell(now)) {
            outbox.control(peer, Kind::State, &self.state(flushes, true, now));
        }
    }

    fn may_tell(&mut self, now: Now) -> bool {
        let members = self.members.len() as u64 + 1;
        self.telling.takes(members, now.mono)
    }

    /// This node's view of the members, itself included.
    pub fn state(&self, flushes: Flushes, answer: bool, now: Now) -> State {
        let own = foca::Member::alive(self.identity().clone());
        let members = self.foca.iter_membership_state().chain([&own]);
        State {
            members: members
                .map(|m| {
                    let state = match m.state() {
                        Swim::Alive => 0,
                        Swim::Suspect => 1,
                        Swim::Down => 2,
                    };
                    let down = self.members.get(m.id().id).filter(|_| state == 2);
                    let age_ms = down.map_or(0, |k| now.mono.since(k.since) / 1_000_000);
                    let age_ms = u32::try_from(age_ms).unwrap_or(u32::MAX);
                    (m.id().clone(), m.incarnation(), state, age_ms)
                })
                .collect(),
            names: self.names.iter().map(|(id, name)| (id.0, name.clone())).collect(),
            flushes,
            answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_cluster_is_told_all_and_a_large_one_in_time() {
        let at = |ms| Mono(0).plus_ms(ms);
        let mut telling = Telling::new(at(0));
        assert!((0..60).all(|_| telling.takes(60, at(0))));
        let mut telling = Telling::new(at(0));
        let mut told = |ms| (0..100).filter(|_| telling.takes(1_000, at(ms))).count();
        assert_eq!(told(0), 4);
        assert_eq!(told(900), 1, "with what was left");
        assert_eq!(told(10_900), 4, "no more than at first");
        assert!(telling.takes(20_000, at(30_000)), "whatever the size, now and then");
    }
}
