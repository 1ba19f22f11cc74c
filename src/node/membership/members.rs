//! The members as known here, and who of them has a link. In a large cluster every frame would cost
//! as much as there are members, were they not also found by address, and those apart that need
//! something: who is down, and who has no link.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use xxhash_rust::xxh3::Xxh3;

use super::Identity;
use crate::node::event::MemberState;
use crate::placement::{Life, NodeId};
use crate::store::Mono;

/// A member, as known here.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) identity: Identity,
    pub(super) state: MemberState,
    pub(super) since: Mono,
    /// When it was last told that it is suspected.
    pub(super) told: Mono,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Members {
    known: BTreeMap<NodeId, Known>,
    /// Peers with a link, and since when.
    links: BTreeMap<NodeId, Mono>,
    by_addr: BTreeSet<(SocketAddr, NodeId)>,
    present: BTreeSet<NodeId>,
    down: BTreeSet<NodeId>,
    /// Without a link.
    apart: BTreeSet<NodeId>,
    lives: BTreeMap<NodeId, Life>,
    digest: u64,
}

impl Members {
    pub(super) fn get(&self, id: NodeId) -> Option<&Known> {
        self.known.get(&id)
    }

    /// All, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Those at an address, by id.
    pub(super) fn at(&self, addr: SocketAddr) -> impl Iterator<Item = &Known> {
        let ids = (addr, NodeId([0; 16]))..=(addr, NodeId([u8::MAX; 16]));
        self.by_addr.range(ids).filter_map(|(_, id)| self.known.get(id))
    }

    /// Those that are alive or suspect.
    pub(super) fn present(&self) -> &BTreeSet<NodeId> {
        &self.present
    }

    /// Those that are not.
    pub(super) fn down(&self) -> impl Iterator<Item = &Known> {
        self.down.iter().filter_map(|id| self.known.get(id))
    }

    /// Those without a link.
    pub(super) fn apart(&self) -> impl Iterator<Item = &Known> {
        self.apart.iter().filter_map(|id| self.known.get(id))
    }

    pub(super) fn lives(&self) -> &BTreeMap<NodeId, Life> {
        &self.lives
    }

    /// A hash of who is there, and how: the sum of the members' own, in whatever order they came.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// Takes note of what is known of a member now.
    pub(super) fn insert(&mut self, known: Known) {
        let (id, addr, life) = (known.identity.id, known.identity.addr, known.identity.life);
        let is_down = known.state == MemberState::Down;
        self.digest = self.digest.wrapping_add(hash(&known.identity, known.state));
        let before = self.known.insert(id, known);
        if let Some(before) = &before {
            self.digest = self.digest.wrapping_sub(hash(&before.identity, before.state));
        }
        match before {
            Some(before) if before.identity.addr != addr => {
                self.by_addr.remove(&(before.identity.addr, id));
                self.by_addr.insert((addr, id));
            }
            Some(_) => {}
            None => {
                self.by_addr.insert((addr, id));
                if !self.links.contains_key(&id) {
                    self.apart.insert(id);
                }
            }
        }
        self.lives.insert(id, life);
        let (to, from) = match is_down {
            true => (&mut self.down, &mut self.present),
            false => (&mut self.present, &mut self.down),
        };
        to.insert(id);
        from.remove(&id);
    }

    /// Forgets a member.
    pub(super) fn remove(&mut self, id: NodeId) {
        if let Some(before) = self.known.remove(&id) {
            self.by_addr.remove(&(before.identity.addr, id));
            self.digest = self.digest.wrapping_sub(hash(&before.identity, before.state));
        }
        self.lives.remove(&id);
        for set in [&mut self.present, &mut self.down, &mut self.apart] {
            set.remove(&id);
        }
    }

    /// A member was told something.
    pub(super) fn tell(&mut self, id: NodeId, now: Mono) {
        if let Some(known) = self.known.get_mut(&id) {
            known.told = now;
        }
    }

    /// A peer has a link, be it a member or not.
    pub(super) fn link(&mut self, id: NodeId, now: Mono) {
        self.links.insert(id, now);
        self.apart.remove(&id);
    }

    /// It has none.
    pub(super) fn unlink(&mut self, id: NodeId) {
        self.links.remove(&id);
        if self.known.contains_key(&id) {
            self.apart.insert(id);
        }
    }

    pub(super) fn is_linked(&self, id: NodeId) -> bool {
        self.links.contains_key(&id)
    }

    /// Peers with a link, and since when.
    pub(super) fn links(&self) -> &BTreeMap<NodeId, Mono> {
        &self.links
    }
}

/// A hash of what is known of a member. Each field has a fixed length but the last.
pub(super) fn hash(identity: &Identity, state: MemberState) -> u64 {
    let Identity { id, addr, generation, life, weight, zone } = identity;
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut hash = Xxh3::new();
    hash.update(&id.0);
    hash.update(&ip.octets());
    hash.update(&addr.port().to_le_bytes());
    hash.update(&generation.0.to_le_bytes());
    hash.update(&life.0.to_le_bytes());
    hash.update(&weight.to_le_bytes());
    hash.update(&[state as u8]);
    hash.update(zone.0.as_bytes());
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::{Generation, Zone};

    fn known(id: u8, at: u8, state: MemberState) -> Known {
        let addr = SocketAddr::from(([10, 0, 0, at], 7379));
        let (generation, life) = (Generation(1), Life(1));
        let id = NodeId([id; 16]);
        let identity = Identity { id, addr, generation, life, weight: 64, zone: Zone::default() };
        Known { identity, state, since: Mono(0), told: Mono(0) }
    }

    #[test]
    fn what_is_known_is_known_whatever_was_before() {
        use MemberState::{Alive, Down};
        let mut members = Members::default();
        members.link(NodeId([1; 16]), Mono(0));
        for known in [known(2, 9, Down), known(1, 1, Alive), known(3, 3, Alive)] {
            members.insert(known);
        }
        members.insert(known(2, 2, Alive));
        members.insert(known(1, 1, Down));
        members.remove(NodeId([3; 16]));
        members.unlink(NodeId([3; 16]));
        let mut same = Members::default();
        same.insert(known(1, 1, Down));
        assert_ne!(members.digest(), same.digest());
        same.insert(known(2, 2, Alive));
        assert_eq!(members.digest(), same.digest());
        let ids = |known: &mut dyn Iterator<Item = &Known>| -> Vec<u8> {
            known.map(|known| known.identity.id.0[0]).collect()
        };
        assert_eq!(ids(&mut members.iter()), [1, 2]);
        assert_eq!(ids(&mut members.down()), [1]);
        assert_eq!(ids(&mut members.apart()), [2]);
        let addr = |at| SocketAddr::from(([10, 0, 0, at], 7379));
        assert_eq!(ids(&mut members.at(addr(2))), [2]);
        assert_eq!(ids(&mut members.at(addr(9))), []);
        members.unlink(NodeId([1; 16]));
        assert_eq!(ids(&mut members.apart()), [1, 2]);
    }
}
