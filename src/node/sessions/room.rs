//! Which talks have a turn: as many as there is room for. What is said in one is in
//! [`talk`](super::talk), how much of it may be under way in [`pace`](super::pace).

use std::collections::BTreeSet;
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

/// Most bytes said in one turn, but for the last push; each talk that has one counts for some more.
/// Nothing else is done meanwhile.
const TURN_BYTES_MAX: usize = 12 << 10;
/// See [`TURN_BYTES_MAX`]: what a turn in a talk costs besides, in bytes.
const EACH_BYTES: usize = 4 << 10;

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
    fn bytes(self) -> usize {
        self.beside + self.bulk
    }

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
    /// Says what is due, as far as there is room, and as much as may be said in one turn.
    pub(super) fn say_what_is_due(&mut self, turn: &mut Turn<'_>) {
        self.make_room_for_some(turn);
        self.unfinished = false;
        let mut left = TURN_BYTES_MAX;
        let mut next = self.due.first().map(|(peer, _)| *peer);
        while let Some(peer) = next {
            if turn.reachable.contains(&peer) {
                self.say_to(peer, &mut left, turn);
            }
            next = next_peer(&self.due, peer);
        }
    }

    fn say_to(&mut self, peer: NodeId, left: &mut usize, turn: &mut Turn<'_>) {
        let mut under_way = self.under_way(peer);
        let mut from = Bound::Included((peer, Partition(0)));
        let end = Bound::Included((peer, Partition(u16::MAX)));
        while under_way.talks < ACTIVE_MAX
            && let Some((_, partition)) = self.due.range((from, end)).next().copied()
        {
            if *left == 0 {
                self.unfinished = true;
                return;
            }
            from = Bound::Excluded((peer, partition));
            let room = self.paces.has_room(peer, under_way.bulk, turn.now.mono);
            let before = under_way.bytes();
            self.due.remove(&(peer, partition));
            if !room && self.offers(peer, partition, turn) {
                self.held_back.insert((peer, partition));
            } else {
                self.say(peer, partition, &mut under_way, turn);
            }
            *left = left.saturating_sub(EACH_BYTES + under_way.bytes() - before);
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
            next = next_peer(&self.held_back, peer);
        }
    }

    fn under_way(&mut self, peer: NodeId) -> UnderWay {
        let (mut all, mut over) = (UnderWay::default(), Vec::new());
        for place in self.waiting.range((peer, Partition(0))..=(peer, Partition(u16::MAX))) {
            let Some(talk) = self.talks.get(place).filter(|talk| talk.is_waiting()) else {
                over.push(*place);
                continue;
            };
            all.talks += 1;
            match &talk.sent {
                Some(Sent { bulk: Some(_), bytes, .. }) => all.bulk += bytes,
                Some(Sent { bytes, .. }) => all.beside += bytes,
                None => {}
            }
        }
        for place in over {
            self.waiting.remove(&place);
        }
        all
    }

    /// Gives up the pushes whose replies do not come. Otherwise what is lost would count as under
    /// way, and leave no room to say it again.
    pub(super) fn give_up_what_is_stuck(&mut self, turn: &Turn<'_>) {
        let now = turn.now.mono;
        for (peer, partition) in &self.waiting {
            let Some(talk) = self.talks.get_mut(&(*peer, *partition)) else { continue };
            if !talk.is_stuck_at(now) || !turn.reachable.contains(peer) {
                continue;
            }
            let Some(sent) = talk.sent.take() else { continue };
            if sent.bulk.is_some() {
                self.paces.unanswered(*peer, sent.at, now);
            }
            if let Some(bit) = turn.see(*partition, |kept, _| kept.sessions().bit(*peer)) {
                give_up(bit, *partition, &sent, turn);
            }
            self.due.insert((*peer, *partition));
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

/// The next peer of whom there is any.
fn next_peer(talks: &BTreeSet<(NodeId, Partition)>, peer: NodeId) -> Option<NodeId> {
    let behind = (peer, Partition(u16::MAX));
    let others = (Bound::Excluded(behind), Bound::Unbounded);
    talks.range(others).next().map(|(peer, _)| *peer)
}
