//! Whether what sessions claim is true. Once in a while each pair of holders compares one partition
//! in full. Replicas forget by themselves, so they differ, and that is no matter; but whatever this
//! node takes a peer to cover, the peer must not want when it is offered. If it does, a bit has
//! lied: the value is repaired, counted, and the operator should know that there is a bug. Riak
//! found such ones by the same means, and repaired them without a word.

use super::{Sessions, talk::Talk};
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::partition::exchange::Header;
use crate::store::{Mono, Role};

/// The audits with one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Audits {
    at: Mono,
    next: Partition,
}

impl Sessions {
    /// Begins the audits that are due.
    pub(super) fn audit(&mut self, turn: &mut Turn<'_>) {
        let (now, reachable) = (turn.now.mono, turn.reachable);
        self.audits.retain(|peer, _| reachable.contains(peer));
        for (place, peer) in reachable.iter().enumerate() {
            // Not with all of them at a time.
            let first = now.plus_ms(self.audit_ms / (1 + place as u64));
            let audits = self.audits.entry(*peer);
            let audits = audits.or_insert(Audits { at: first, next: Partition(0) });
            if now < audits.at {
                continue;
            }
            audits.at = now.plus_ms(self.audit_ms);
            let next = audits.next;
            if let Some(partition) = self.begin_audit(*peer, next, turn)
                && let Some(audits) = self.audits.get_mut(peer)
            {
                audits.next = Partition(partition.0 + 1);
            }
        }
    }

    /// Begins an audit of the next partition in which nothing is going on.
    fn begin_audit(
        &mut self,
        peer: NodeId,
        next: Partition,
        turn: &mut Turn<'_>,
    ) -> Option<Partition> {
        let (from, to) = ((peer, Partition(0)), (peer, Partition(u16::MAX)));
        let quiet = |(key, talk): (&(NodeId, Partition), &Talk)| talk.is_quiet().then_some(key.1);
        let before = self.talks.range(from..(peer, next)).filter_map(quiet);
        let candidates = self.talks.range((peer, next)..=to).filter_map(quiet).chain(before);
        let (number, now) = (self.numbers + 1, turn.now.mono);
        let begin = |partition: Partition| {
            let (bit, question) = turn.with(partition, |kept, _| {
                let bit = kept.sessions().bit(peer).filter(|_| kept.role() == Role::Ready)?;
                Some((bit, kept.audit(bit, number, now)?))
            })?;
            Some((partition, bit, question))
        };
        let (partition, bit, question) =
            candidates.collect::<Vec<_>>().into_iter().find_map(begin)?;
        self.numbers = number;
        let standing = self.standing(peer, bit, partition, turn);
        self.ask(peer, bit, standing, (number, question), turn);
        Some(partition)
    }

    /// An audit has come to its end. `lacked`: what the peer is taken to cover, and does not hold.
    pub(super) fn audited(&mut self, peer: NodeId, partition: Partition, lacked: Vec<Header>) {
        self.stats.audited += 1;
        if let Some(talk) = self.talks.get_mut(&(peer, partition)).filter(|_| !lacked.is_empty()) {
            talk.claims.extend(lacked);
            self.due.insert((peer, partition));
        }
    }
}
