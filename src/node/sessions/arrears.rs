//! What a peer that was stopped may lack. Whoever wrote it tells it so, if he lives; of what he has
//! written and died over, only those know who took it. They offer it at once, and do not call the
//! peer level before it has that.

use std::collections::{BTreeMap, BTreeSet};

use super::Sessions;
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::{Mono, Role};

/// Nobody is stopped again within so long, in nanoseconds: a question that comes sooner is the same,
/// whatever its number.
const AGAIN_NS: u64 = 100_000_000;

/// What is owed to each peer that asked.
#[derive(Debug, Default)]
pub(super) struct Arrears(BTreeMap<NodeId, Owed>);

#[derive(Debug)]
struct Owed {
    /// The number of its question.
    nonce: u64,
    /// When it asked: what was installed later comes to it in the usual way.
    since: Mono,
    partitions: BTreeSet<Partition>,
}

impl Arrears {
    /// What was installed up to then is owed to a peer; `Mono(0)` if nothing is.
    pub(super) fn since(&self, peer: NodeId) -> Mono {
        self.0.get(&peer).map_or(Mono(0), |owed| owed.since)
    }

    /// Whether a question is the one that is being answered.
    fn is_same(&self, peer: NodeId, nonce: u64, now: Mono) -> bool {
        let same = |owed: &Owed| owed.nonce == nonce || now.since(owed.since) < AGAIN_NS;
        self.0.get(&peer).is_some_and(same)
    }

    /// A peer is gone, or in another life, which boots.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.0.remove(&peer);
    }
}

impl Sessions {
    /// A peer was stopped, and asks whether it missed anything. It repeats its question; another
    /// one comes only when it was stopped again.
    pub fn offer_arrears(&mut self, peer: NodeId, nonce: u64, turn: &mut Turn<'_>) {
        if self.arrears.is_same(peer, nonce, turn.now.mono) || !turn.rules().arrears() {
            return;
        }
        let since = turn.now.mono;
        let talks = self.talks.range((peer, Partition(0))..=(peer, Partition(u16::MAX)));
        let recent = |partition: &Partition| {
            turn.see(*partition, |kept, _| {
                kept.sessions().bit(peer).is_some_and(|bit| kept.owes(bit, since))
            })
        };
        let partitions: BTreeSet<_> = talks.map(|((_, p), _)| *p).filter(recent).collect();
        self.due.extend(partitions.iter().map(|partition| (peer, *partition)));
        self.next_step = since;
        self.arrears.0.insert(peer, Owed { nonce, since, partitions });
    }

    /// Whether a peer that asked may still lack anything that this node had then.
    pub fn is_in_arrears(&mut self, peer: NodeId, turn: &Turn<'_>) -> bool {
        let Some(owed) = self.arrears.0.get_mut(&peer) else { return false };
        while let Some(partition) = owed.partitions.first().copied() {
            // To one that boots it comes in its time; nobody is served it before. One that is brought
            // up to date by another one may lack what that one does not have.
            let lacks = turn.with(partition, |kept, _| {
                let session = kept.sessions().iter().find(|(_, s)| s.peer == peer);
                let ready = session.filter(|(_, s)| s.role == Role::Ready).map(|(bit, _)| bit);
                ready.is_some_and(|bit| kept.has_news_for(bit, owed.since))
            });
            if lacks {
                return true;
            }
            owed.partitions.pop_first();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_partitions_are_looked_through_for_one_question_in_a_while() {
        let (peer, since) = (NodeId([1; 16]), Mono(5_000_000_000));
        let mut arrears = Arrears::default();
        assert!(!arrears.is_same(peer, 7, since));
        arrears.0.insert(peer, Owed { nonce: 7, since, partitions: BTreeSet::new() });
        let (soon, later) = (Mono(since.0 + AGAIN_NS - 1), Mono(since.0 + AGAIN_NS));
        assert!(arrears.is_same(peer, 8, soon), "nobody is stopped so often");
        assert!(arrears.is_same(peer, 7, later), "it is repeated until it is answered");
        assert!(!arrears.is_same(peer, 8, later));
        assert!(!arrears.is_same(NodeId([2; 16]), 7, soon));
    }
}
