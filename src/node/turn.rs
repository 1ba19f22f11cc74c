//! What a role gets lent for one turn.

use std::collections::{BTreeMap, BTreeSet};

use super::outbox::Outbox;
use crate::placement::{Life, NodeId, Partition, Ring};
use crate::store::{Clock, Context, KeyRef, Now, Partition as Kept, Role, Rules, Store};

/// The surroundings of a role, for the length of a call.
pub struct Turn<'a> {
    /// What time it is.
    pub now: Now,
    /// Who this node is.
    pub own: NodeId,
    /// The entries.
    pub store: &'a Store,
    /// The hybrid clock.
    pub clock: &'a Clock,
    /// Who owns what.
    pub ring: &'a Ring,
    /// Members that are alive or suspect, without this node.
    pub members: &'a BTreeSet<NodeId>,
    /// Which process of each is present.
    pub lives: &'a BTreeMap<NodeId, Life>,
    /// Whether nobody else can hold what this node owns: no other node is known, not even one that is
    /// down and may come back. With one copy of everything, another may have been its owner.
    pub unshared: bool,
    /// Somebody who was a member lately cannot be reached: whatever nobody else holds may be there.
    pub out_of_sight: bool,
    /// Members with a link that answer; without this node.
    pub reachable: &'a BTreeSet<NodeId>,
    /// What to do.
    pub outbox: &'a mut Outbox,
}

impl Turn<'_> {
    /// The rules that are kept.
    pub fn rules(&self) -> &Rules {
        self.store.rules()
    }

    /// Runs one step on a partition, under its lock.
    pub fn with<R>(&self, id: Partition, step: impl FnOnce(&mut Kept, &Context<'_>) -> R) -> R {
        self.store.with(id, self.clock, self.now.mono, step)
    }

    /// Looks at a partition, under its lock.
    pub fn see<R>(&self, id: Partition, look: impl FnOnce(&Kept, &Context<'_>) -> R) -> R {
        self.store.see(id, self.clock, self.now.mono, look)
    }

    /// What this node is to a partition, if it may answer for it now.
    pub fn role(&self, id: Partition) -> Role {
        self.see(id, |partition, _| partition.role())
    }

    /// Whether this node owns a partition and has all of it.
    pub fn serves(&self, id: Partition) -> bool {
        self.see(id, |partition, _| partition.serves())
    }

    /// The owners of a partition besides this node.
    pub fn other_owners(&self, id: Partition) -> impl Iterator<Item = NodeId> {
        let own = self.own;
        self.ring.owners(id).iter().copied().filter(move |owner| *owner != own)
    }

    /// Whether this node is the only one that can hold a partition: what it forgets is forgotten for
    /// good. Where another owner is merely down, it may come back with its memory.
    pub fn is_sole(&self, id: Partition) -> bool {
        self.unshared && self.ring.owners(id) == [self.own]
    }

    /// Which life of a peer is current, as far as known.
    pub fn life(&self, peer: NodeId) -> Life {
        self.lives.get(&peer).copied().unwrap_or_default()
    }

    /// The partition of a key.
    pub fn partition_of(&self, key: KeyRef<'_>) -> Partition {
        self.store.partition_of(key.bytes)
    }
}
