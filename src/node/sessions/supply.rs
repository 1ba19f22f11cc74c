//! Who brings a booting partition up to date. Every holder has nearly the same of what it lacks, so
//! one of them, and for each partition another, sends it with the values and without asking; the rest
//! wait, and are compared with after that. If all offered at once, each entry would cross the network
//! as a header from everybody, and as a value after one more round trip.

use super::Sessions;
use crate::node::message::Supply;
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store;
use crate::store::Role;
use crate::store::sessions::Session;

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
            return Supply::Headers;
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
            turn.reachable.contains(peer) && kept.sessions().with(*peer).is_some_and(holds)
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

    /// A peer has brought a booting partition up to date: the others go on.
    pub(super) fn supplied(&mut self, by: NodeId, partition: Partition, turn: &Turn<'_>) {
        let peers: Vec<NodeId> = turn.with(partition, |kept, _| {
            kept.sessions().iter().map(|(_, session)| session.peer).collect()
        });
        let others = peers.into_iter().filter(|peer| *peer != by);
        self.due.extend(others.map(|peer| (peer, partition)));
    }
}
