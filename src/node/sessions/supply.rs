//! Who brings a partition up to date that boots, or was out of touch. Every holder has nearly the
//! same of what it lacks, so one of them, and for each partition another, sends it with the values
//! and without asking; the rest wait, and are compared with after that. If all offered at once,
//! each entry would cross the network as a header from everybody, and as a value after one more
//! round trip.

use super::Sessions;
use super::talk::Talk;
use crate::node::message::Supply;
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store;
use crate::store::Role;
use crate::store::sessions::Session;

/// A supplier that brings nothing for so long, in milliseconds, is waited for no more.
const BRINGS_MS: u64 = 2_000;

/// Values below this, in bytes, go to whoever is brought up to date without being asked for.
const INLINE_BYTES_MAX: usize = 4 << 10;

impl Supply {
    /// Values below so many bytes go with their headers.
    pub(super) fn inline(self) -> usize {
        match self {
            Supply::Headers | Supply::Later => 0,
            Supply::Values => INLINE_BYTES_MAX,
            Supply::Everything => usize::MAX,
        }
    }
}

impl Sessions {
    /// How this node wants what it lacks of a partition from a peer.
    pub(super) fn supply(
        &self,
        from: NodeId,
        partition: Partition,
        kept: &store::Partition,
        turn: &Turn<'_>,
    ) -> Supply {
        let Some(boot) = self.boots.get(&partition) else {
            return self.supply_again(from, partition, kept, turn);
        };
        // Of an owner that has said nothing yet the best is expected, for as long as it may take.
        let may_say = |peer: NodeId| {
            let talk = self.talks.get(&(peer, partition));
            talk.is_none_or(|talk| !talk.is_stuck_at(turn.now.mono))
        };
        let holds = |session: &Session| match session.theirs {
            0 => may_say(session.peer),
            _ => matches!(session.role, Role::Ready | Role::Old),
        };
        let sessions = || kept.sessions().iter().map(|(_, session)| session);
        let holder = |peer: &NodeId| {
            turn.reachable.contains(peer)
                && self.brings(*peer, turn)
                && kept.sessions().with(*peer).is_some_and(holds)
        };
        if sessions().any(|session| session.done && holds(session)) {
            return Supply::Headers;
        }
        // The owners come in another order for each partition.
        let others = sessions().map(|session| session.peer);
        let source = turn.other_owners(partition).chain(others).find(holder);
        match source {
            None => Supply::Headers,
            Some(source) if source != from => Supply::Later,
            Some(_) if boot.blank => Supply::Everything,
            Some(_) => Supply::Values,
        }
    }

    /// Whether a peer has brought something lately, of whatever partition, or was asked only then.
    fn brings(&self, peer: NodeId, turn: &Turn<'_>) -> bool {
        let since = self.brought.get(&peer).copied().unwrap_or_default();
        turn.now.mono.since(since) < BRINGS_MS * 1_000_000
    }

    /// The same for a partition that is ready. Of peers that are back in touch, each may have what it
    /// lacks, and mostly the same.
    fn supply_again(
        &self,
        from: NodeId,
        partition: Partition,
        kept: &store::Partition,
        turn: &Turn<'_>,
    ) -> Supply {
        let lacks = |session: &Session| {
            !session.done
                && session.theirs != 0
                && matches!(session.role, Role::Ready | Role::Old)
                && turn.reachable.contains(&session.peer)
        };
        // Who has been heard out has brought, or had all along, nearly all there is.
        let heard =
            |(_, session): (u8, &Session)| session.done && turn.reachable.contains(&session.peer);
        if kept.sessions().iter().any(heard) {
            return Supply::Headers;
        }
        let holder = |peer: &NodeId| {
            self.brings(*peer, turn) && kept.sessions().with(*peer).is_some_and(lacks)
        };
        if kept.role() != Role::Ready || !holder(&from) {
            return Supply::Headers;
        }
        let others = || kept.sessions().iter().map(|(_, session)| session.peer);
        let holders = || turn.other_owners(partition).chain(others()).filter(holder);
        // Who has begun goes on.
        let begun = |peer: &NodeId| {
            let talk = self.talks.get(&(*peer, partition));
            talk.is_some_and(|talk| talk.told.as_ref().is_some_and(|t| t.supply == Supply::Values))
        };
        match holders().find(begun).or_else(|| holders().next()) {
            Some(source) if source != from => Supply::Later,
            _ => Supply::Values,
        }
    }

    /// A peer has brought a partition up to date: the others go on.
    pub(super) fn supplied(&mut self, by: NodeId, partition: Partition, turn: &Turn<'_>) {
        let peers: Vec<NodeId> = turn.with(partition, |kept, _| {
            kept.sessions().iter().map(|(_, session)| session.peer).collect()
        });
        for peer in peers.into_iter().filter(|peer| *peer != by) {
            let waited = self.talks.get(&(peer, partition)).is_some_and(Talk::has_waited);
            if waited {
                turn.with(partition, |kept, context| kept.compare_again(peer, context.now));
            }
            self.due.insert((peer, partition));
        }
    }
}
