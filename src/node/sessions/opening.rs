//! Opening and closing sessions. A session begins with nothing known to be covered, so every bit of
//! its peer is cleared first, and that is a walk over the partition. A member that comes with a new
//! memory needs one in each partition that it shares with this node; those are opened some at a
//! time, or all that is asked of this node would wait. Meanwhile it is as if this node had heard of
//! that member a little later, except that nothing is forgotten, and nobody becomes ready, without
//! having met it. With one that is silent for long they are closed in the same way: the marks that
//! waited for it go, and that is a walk, too.

use super::talk::Talk;
use super::{Sessions, UNSETTLED_MS};
use crate::node::turn::Turn;
use crate::placement::{Life, NodeId, Partition};
use crate::store::{Partition as Kept, Role};

/// Most entries that are gone over in one turn to open and close sessions, unless one has more.
const ENTRIES_MAX: usize = 4 << 10;
/// What opening or closing a session costs besides, in entries.
const EACH: usize = 64;

impl Sessions {
    /// Wants sessions with the owners of a partition that are members.
    pub(super) fn open_owners(&mut self, partition: Partition, turn: &Turn<'_>) {
        for peer in missing(turn.ring.owners(partition), partition, turn) {
            self.open_soon(peer, partition, turn);
        }
    }

    /// Wants a session with a peer, in place of one with a former life of it.
    pub(super) fn open_soon(&mut self, peer: NodeId, partition: Partition, turn: &Turn<'_>) {
        turn.store.unsettle(partition, turn.now.mono.plus_ms(UNSETTLED_MS));
        self.opening.insert((partition, peer));
    }

    /// Whether a session of a partition is still to be opened.
    pub(super) fn is_opening(&self, partition: Partition) -> bool {
        let first = (partition, NodeId([0; 16]));
        self.opening.range(first..).next().is_some_and(|(next, _)| *next == partition)
    }

    /// Closes and opens some of the sessions that are to be.
    pub(super) fn open_and_close(&mut self, turn: &mut Turn<'_>) {
        let mut left = ENTRIES_MAX;
        while left > 0
            && let Some((partition, peer)) = self.closing.pop_first()
        {
            let open = turn.see(partition, |kept, _| kept.sessions().bit(peer).is_some());
            // It may be back.
            if open && !turn.members.contains(&peer) {
                let entries = turn.see(partition, |kept, _| kept.entries());
                left = left.saturating_sub(EACH + entries);
                self.close(peer, partition, turn);
            }
        }
        if !self.opening.is_empty() {
            self.open_some(left, turn);
        }
    }

    fn open_some(&mut self, mut left: usize, turn: &mut Turn<'_>) {
        while left > 0
            && let Some((partition, peer)) = self.opening.pop_first()
        {
            if !turn.members.contains(&peer) {
                continue;
            }
            let life = turn.life(peer);
            let (role, known, entries) = turn.see(partition, |kept, _| {
                let known = kept.sessions().with(peer).map(|session| session.life);
                (kept.role(), known, kept.entries())
            });
            left = left.saturating_sub(EACH + entries);
            let former = known.is_some_and(|known| known != life) && turn.rules().new_life();
            if former {
                self.close(peer, partition, turn);
            }
            if role != Role::None && (former || known.is_none()) {
                self.open(peer, partition, life, turn);
            }
        }
        if self.opening.is_empty() {
            self.consider_bereft(turn);
        }
    }

    pub(super) fn open(
        &mut self,
        peer: NodeId,
        partition: Partition,
        life: Life,
        turn: &mut Turn<'_>,
    ) -> Option<u8> {
        let number = self.number();
        let until = turn.now.mono.plus_ms(UNSETTLED_MS);
        let open =
            |turn: &Turn<'_>| turn.with(partition, |kept, _| kept.open_session(peer, life, number));
        let bit = match open(turn) {
            Some(bit) => bit,
            None => {
                self.close_another(peer, partition, turn)?;
                open(turn)?
            }
        };
        turn.store.unsettle(partition, until);
        self.brought.insert(peer, turn.now.mono);
        self.stats.opened += 1;
        self.talks.insert((peer, partition), Talk::default());
        self.due.insert((peer, partition));
        Some(bit)
    }

    pub(super) fn close(&mut self, peer: NodeId, partition: Partition, turn: &mut Turn<'_>) {
        turn.with(partition, |kept, _| kept.close_session(peer));
        turn.store.unsettle(partition, turn.now.mono.plus_ms(UNSETTLED_MS));
        self.talks.remove(&(peer, partition));
        self.due.remove(&(peer, partition));
        self.held_back.remove(&(peer, partition));
    }

    /// Closes the session with a peer that only waits to hand over what it has, to make room for one
    /// that owns it, or does the same and has a smaller id.
    fn close_another(
        &mut self,
        peer: NodeId,
        partition: Partition,
        turn: &mut Turn<'_>,
    ) -> Option<()> {
        let owners = turn.ring.owners(partition);
        let others = |kept: &Kept| {
            let peers = kept.sessions().iter().map(|(_, session)| session.peer);
            peers.filter(|other| !owners.contains(other)).max()
        };
        let last = turn.see(partition, |kept, _| others(kept))?;
        if !owners.contains(&peer) && (last < peer || !turn.rules().makes_way()) {
            return None;
        }
        self.close(last, partition, turn);
        Some(())
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// Those of these peers that are members, and have no session of that partition.
pub(super) fn missing(peers: &[NodeId], partition: Partition, turn: &Turn<'_>) -> Vec<NodeId> {
    turn.see(partition, |kept, _| {
        let open = |peer: &NodeId| kept.sessions().bit(*peer).is_some();
        peers.iter().filter(|peer| turn.members.contains(peer) && !open(peer)).copied().collect()
    })
}
