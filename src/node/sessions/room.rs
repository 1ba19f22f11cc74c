//! Which talks have a turn: as many as there is room for. What is said in one is in
//! [`talk`](super::talk), how much of it may be under way in [`pace`](super::pace).

use std::ops::Bound;

use super::Sessions;
use super::talk::{Sent, give_up};
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};

/// Most partitions of one peer with a push under way.
const ACTIVE_MAX: usize = 32;
/// Bytes of pushes under way to one peer that go beside the operations; what comes on top of that is
/// bulk. A push of a few entries does not wait for a connection of its own.
const BESIDE_BYTES_MAX: usize = 16 << 10;

/// What is under way to a peer.
#[derive(Clone, Copy, Default)]
pub(super) struct UnderWay {
    talks: usize,
    /// Bytes of pushes beside the operations.
    beside: usize,
    /// Bytes of bulk.
    pub(super) bulk: usize,
}

impl UnderWay {
    /// A question is under way.
    pub(super) fn ask(&mut self) {
        self.talks += 1;
    }

    /// A push of so many bytes is under way. Returns whether it is bulk.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.talks += 1;
        let bulk = self.beside + bytes > BESIDE_BYTES_MAX;
        *(if bulk { &mut self.bulk } else { &mut self.beside }) += bytes;
        bulk
    }
}

impl Sessions {
    /// Says what is due, as far as there is room.
    pub(super) fn say_what_is_due(&mut self, turn: &mut Turn<'_>) {
        self.make_room_for_some(turn);
        let due: Vec<(NodeId, Partition)> = self.due.iter().copied().collect();
        let mut current = None;
        for (peer, partition) in due {
            if !turn.reachable.contains(&peer) {
                continue;
            }
            let mut under_way = match current {
                Some((same, under_way)) if same == peer => under_way,
                _ => self.under_way(peer),
            };
            self.give_up_stuck(peer, partition, &mut under_way, turn);
            let room = self.paces.has_room(peer, under_way.bulk, turn.now.mono);
            if !room && self.offers(peer, partition, turn) {
                self.due.remove(&(peer, partition));
                self.held_back.insert((peer, partition));
            } else if under_way.talks < ACTIVE_MAX {
                self.due.remove(&(peer, partition));
                self.say(peer, partition, &mut under_way, turn);
            }
            current = Some((peer, under_way));
        }
    }

    /// Puts some of the talks that were held back among those that are due, where there is room.
    fn make_room_for_some(&mut self, turn: &Turn<'_>) {
        let mut next = self.held_back.first().map(|(peer, _)| *peer);
        while let Some(peer) = next {
            let all = (peer, Partition(0))..=(peer, Partition(u16::MAX));
            let under_way = self.under_way(peer).bulk;
            if self.paces.has_room(peer, under_way, turn.now.mono) {
                let some: Vec<_> = self.held_back.range(all).take(ACTIVE_MAX).copied().collect();
                some.iter().for_each(|talk| {
                    self.held_back.remove(talk);
                });
                self.due.extend(some);
            }
            let behind = (peer, Partition(u16::MAX));
            let others = (Bound::Excluded(behind), Bound::Unbounded);
            next = self.held_back.range(others).next().map(|(peer, _)| *peer);
        }
    }

    fn under_way(&self, peer: NodeId) -> UnderWay {
        let mut all = UnderWay::default();
        let talks = self.talks.range((peer, Partition(0))..=(peer, Partition(u16::MAX)));
        for (_, talk) in talks.filter(|(_, talk)| talk.is_waiting()) {
            all.talks += 1;
            match &talk.sent {
                Some(Sent { bulk: Some(_), bytes, .. }) => all.bulk += bytes,
                Some(Sent { bytes, .. }) => all.beside += bytes,
                None => {}
            }
        }
        all
    }

    /// Gives up a push whose reply does not come. Otherwise what is lost would count as under way,
    /// and leave no room to say it again.
    fn give_up_stuck(
        &mut self,
        to: NodeId,
        partition: Partition,
        under_way: &mut UnderWay,
        turn: &Turn<'_>,
    ) {
        let now = turn.now.mono;
        let Some(talk) = self.talks.get_mut(&(to, partition)) else { return };
        let Some(sent) = talk.is_stuck_at(now).then(|| talk.sent.take()).flatten() else { return };
        under_way.talks = under_way.talks.saturating_sub(1);
        match sent.bulk {
            Some(_) => {
                under_way.bulk = under_way.bulk.saturating_sub(sent.bytes);
                self.paces.unanswered(to, sent.at, now);
            }
            None => under_way.beside = under_way.beside.saturating_sub(sent.bytes),
        }
        if let Some(bit) = turn.see(partition, |kept, _| kept.sessions().bit(to)) {
            give_up(bit, partition, &sent, turn);
        }
    }

    /// Whether the next turn in a talk may take more than a few bytes. One that has to wait for room
    /// is not stuck.
    fn offers(&mut self, to: NodeId, partition: Partition, turn: &Turn<'_>) -> bool {
        let Some(talk) = self.talks.get_mut(&(to, partition)) else { return false };
        if talk.is_waited_for(turn.now.mono) {
            return false;
        }
        let offers = !talk.wanted.is_empty()
            || turn.see(partition, |kept, _| {
                kept.sessions().bit(to).is_some_and(|bit| kept.owes(bit, turn.now.mono))
            });
        if offers {
            talk.behind = 0;
        }
        offers
    }
}
