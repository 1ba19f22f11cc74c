//! Partitions whose other holders are out of sight. They are served, but nothing of them is
//! forgotten for a while: the floor that this leaves would, once the others are back, condemn what
//! they have held all along.

use std::collections::{BTreeMap, BTreeSet};

use super::{SILENCE_MS, Sessions};
use crate::node::ascending::ascending;
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition, Ring};
use crate::store::{Mono, Role};

/// Those whose other holders are out of sight forget nothing for so long, in milliseconds. For as
/// long, others keep what is changed meanwhile for whoever is gone.
const LONELY_MS: u64 = SILENCE_MS;

/// Which partitions those are.
#[derive(Debug, Default)]
pub(super) struct Solitude {
    /// Ready without having met another holder, or none is left; and since when.
    alone: BTreeMap<Partition, Mono>,
    /// An owner is gone that this node has no session with; and since when.
    bereft: BTreeMap<Partition, Mono>,
    /// The ring of all who were members lately, if not all of them have a place on the present one.
    pub(super) all: Option<Ring>,
    /// Of all these, those for which that is recent.
    lonely: BTreeSet<Partition>,
}

impl Solitude {
    pub(super) fn is_alone(&self, partition: Partition) -> bool {
        self.alone.contains_key(&partition)
    }

    fn is_lonely(&self, partition: Partition, now: Mono) -> bool {
        let since = |map: &BTreeMap<Partition, Mono>| map.get(&partition).copied();
        let recent = |since: Mono| now.since(since) < LONELY_MS * 1_000_000;
        since(&self.alone).is_some_and(recent) || since(&self.bereft).is_some_and(recent)
    }

    fn refresh(&mut self, partition: Partition, turn: &Turn<'_>) {
        let lonely = self.is_lonely(partition, turn.now.mono);
        let changed = match lonely {
            true => self.lonely.insert(partition),
            false => self.lonely.remove(&partition),
        };
        if changed {
            turn.store.set_lonely(partition, lonely);
        }
    }
}

impl Sessions {
    /// A partition is ready, and no other holder was met, or none is left.
    pub(super) fn find_alone(&mut self, partition: Partition, turn: &Turn<'_>) {
        self.solitude.alone.entry(partition).or_insert(turn.now.mono);
        self.solitude.refresh(partition, turn);
    }

    /// It is not true any more.
    pub(super) fn find_company(&mut self, partition: Partition, turn: &Turn<'_>) {
        if self.solitude.alone.remove(&partition).is_some() {
            self.solitude.refresh(partition, turn);
        }
    }

    /// Looks for partitions of which an owner that is gone may hold something that this node never
    /// heard of.
    pub(super) fn consider_bereft(&mut self, turn: &Turn<'_>) {
        let all = self.solitude.all.as_ref().unwrap_or(turn.ring);
        // Nearly always nobody, and then no partition has to be looked at.
        let mut is_member = ascending(turn.members);
        let seats = all.seats().iter().map(|seat| seat.id);
        let mut gone: Vec<NodeId> = seats.filter(|id| *id != turn.own && !is_member(id)).collect();
        gone.sort_unstable();
        // Those who are back, too, until this node has a session with them. A partition that boots
        // forgets nothing anyway, and is not ready before.
        let mut back: Vec<NodeId> = self.opening.iter().map(|(_, peer)| *peer).collect();
        back.sort_unstable();
        back.dedup();
        let among = |peers: &[NodeId], owner: &NodeId| peers.binary_search(owner).is_ok();
        let away = |owner: &NodeId, role: Role| {
            among(&gone, owner) || role != Role::Boot && among(&back, owner)
        };
        let before = std::mem::take(&mut self.solitude.bereft);
        let partitions = turn.store.options().partitions.iter();
        let mut bereft = Vec::new();
        for partition in partitions.filter(|_| !gone.is_empty() || !back.is_empty()) {
            let owners = all.owners(partition);
            let is_bereft = owners.iter().any(|owner| away(owner, Role::Ready))
                && turn.see(partition, |kept, _| {
                    let role = kept.role();
                    let unknown = |owner: &NodeId| kept.sessions().bit(*owner).is_none();
                    role != Role::None && owners.iter().any(|o| away(o, role) && unknown(o))
                });
            if is_bereft {
                let since = before.get(&partition).copied().unwrap_or(turn.now.mono);
                bereft.push((partition, since));
            }
        }
        self.solitude.bereft = bereft.into_iter().collect();
        let is_bereft = &self.solitude.bereft;
        let begun = is_bereft.keys().filter(|partition| !before.contains_key(partition));
        let over = before.keys().filter(|partition| !is_bereft.contains_key(partition));
        let changed: Vec<Partition> = begun.chain(over).copied().collect();
        for partition in changed {
            self.solitude.refresh(partition, turn);
        }
    }

    /// Those who have been lonely for long forget like anybody else.
    pub(super) fn get_used_to_it(&mut self, turn: &Turn<'_>) {
        let now = turn.now.mono;
        let used = |partition: &&Partition| !self.solitude.is_lonely(**partition, now);
        let used: Vec<Partition> = self.solitude.lonely.iter().filter(used).copied().collect();
        for partition in used {
            self.solitude.refresh(partition, turn);
        }
    }
}
