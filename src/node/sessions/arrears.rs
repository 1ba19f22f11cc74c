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

    /// A peer is gone, or in another life, which boots.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.0.remove(&peer);
    }
}

impl Sessions {
    /// A peer was stopped, and asks whether it missed anything. It repeats its question; another
    /// one comes only when it was stopped again.
    pub fn offer_arrears(&mut self, peer: NodeId, nonce: u64, turn: &mut Turn<'_>) {
        let again = |owed: &Owed| owed.nonce == nonce || turn.now.mono.since(owed.since) < AGAIN_NS;
        if self.arrears.0.get(&peer).is_some_and(again) || !turn.rules().arrears() {
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
