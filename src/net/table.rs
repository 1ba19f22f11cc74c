//! Which link to a peer is used: the rule for duplicate connections.
//!
//! Two nodes that dial each other at the same time get two connections, and a restarted peer gets
//! a new one while the old still looks alive. Projects before this one broke both ways: both sides
//! closed the other's choice, or a kept old connection locked the restarted peer out. So:
//!
//! 1. Both links are read. Neither is refused because of the other.
//! 2. Each side sends on the link whose peer has the highest generation; among equals on the one
//!    dialed by the smaller node id, and of several such on the youngest.
//! 3. A newer generation replaces everything older at once.
//! 4. What rule 2 leaves over is closed by its dialer alone, after it was silent for a while.
//!
//! Links come in after both Hellos; what waits for the caller's answer is not in here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::lane::{LENGTH_BYTES, Queue};
use super::link::Link;
use super::{LANES, LinkId, SendError};
use crate::placement::peer::{Generation, NodeId};

pub(super) struct Table {
    own: NodeId,
    peers: BTreeMap<NodeId, Peer>,
}

struct Peer {
    generation: Generation,
    /// Never empty, and all of one generation.
    links: BTreeMap<LinkId, Arc<Link>>,
    sending: Arc<Link>,
    outbox: Arc<Outbox>,
}

/// What became of a link that the caller accepted.
pub(super) enum Admission {
    /// A newer life of the peer is connected, of this generation and there: this link is to a dead
    /// one.
    Stale(Generation, SocketAddr),
    Admitted {
        outbox: Arc<Outbox>,
        /// The peer, or this life of it, was not connected before.
        announce: bool,
        /// Links to older lives, already out of the table.
        replaced: Vec<Arc<Link>>,
        /// Links of our dialing that are not sent on.
        surplus: Vec<Arc<Link>>,
    },
}

impl Table {
    pub(super) fn new(own: NodeId) -> Table {
        Table { own, peers: BTreeMap::new() }
    }

    pub(super) fn admit(&mut self, link: Arc<Link>, generation: Generation) -> Admission {
        let known = self.peers.get(&link.peer);
        if let Some(newer) = known.filter(|known| generation < known.generation) {
            return Admission::Stale(newer.generation, newer.sending.addr);
        }
        let known = known.map(|peer| peer.generation);
        let mut replaced = Vec::new();
        if known.is_some_and(|known| known < generation) {
            // The queue goes too: a reply to an operation of the former life could be taken for
            // the reply to one of the new life.
            let old = self.peers.remove(&link.peer);
            replaced.extend(old.into_iter().flat_map(|peer| peer.links.into_values()));
        }
        let announce = known != Some(generation);
        let peer = self.peers.entry(link.peer).or_insert_with(|| Peer {
            generation,
            links: BTreeMap::new(),
            sending: link.clone(),
            outbox: Arc::new(Outbox::new(link.id)),
        });
        peer.links.insert(link.id, link);
        peer.choose(self.own);
        let surplus = peer.links.values().filter(|link| link.dialed && link.id != peer.sending.id);
        let surplus = surplus.cloned().collect();
        Admission::Admitted { outbox: peer.outbox.clone(), announce, replaced, surplus }
    }

    /// Takes a dead link out. Answers whether it was the peer's last.
    pub(super) fn leave(&mut self, link: &Link) -> bool {
        let Some(peer) = self.peers.get_mut(&link.peer) else {
            return false;
        };
        if peer.links.remove(&link.id).is_none() {
            return false;
        }
        if peer.links.is_empty() {
            self.peers.remove(&link.peer);
            return true;
        }
        peer.choose(self.own);
        false
    }

    /// Takes a peer out: all its links, the one that is sent on first.
    pub(super) fn remove(&mut self, peer: NodeId) -> Vec<Arc<Link>> {
        let Some(mut peer) = self.peers.remove(&peer) else {
            return Vec::new();
        };
        peer.links.remove(&peer.sending.id);
        std::iter::once(peer.sending).chain(peer.links.into_values()).collect()
    }

    pub(super) fn sending(&self, peer: NodeId) -> Option<(&Arc<Link>, &Arc<Outbox>)> {
        self.peers.get(&peer).map(|peer| (&peer.sending, &peer.outbox))
    }

    pub(super) fn peers(&self) -> Vec<NodeId> {
        self.peers.keys().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn links(&self, peer: NodeId) -> usize {
        self.peers.get(&peer).map_or(0, |peer| peer.links.len())
    }
}

impl Peer {
    fn choose(&mut self, own: NodeId) {
        let links = self.links.values().map(|link| (link.id, link.dialed));
        let chosen = preferred(own, self.sending.peer, links).expect("a peer has a link");
        self.sending = self.links[&chosen].clone();
        self.outbox.hand_to(&self.sending);
    }
}

/// Rule 2, among links of one generation, each with whether we dialed it.
fn preferred(
    own: NodeId,
    peer: NodeId,
    links: impl Iterator<Item = (LinkId, bool)>,
) -> Option<LinkId> {
    links.max_by_key(|&(id, dialed)| (dialed == (own < peer), id)).map(|(id, _)| id)
}

// ---------------------------------------------------------------------------------------------
// What waits for a peer
// ---------------------------------------------------------------------------------------------

/// The frames that wait for a peer. They belong to the peer, not to a link: when another link
/// takes over, they go out on that.
pub(super) struct Outbox {
    state: Mutex<Waiting>,
}

struct Waiting {
    /// The one link whose writers may take.
    sender: LinkId,
    lanes: [Queue; LANES],
    /// The lane's writer found nothing and sleeps.
    asleep: [bool; LANES],
    /// Waiting or taken, but not yet passed to QUIC.
    bytes: usize,
}

impl Outbox {
    fn new(sender: LinkId) -> Outbox {
        let state = Waiting { sender, lanes: Default::default(), asleep: [true; LANES], bytes: 0 };
        Outbox { state: Mutex::new(state) }
    }

    /// `link` is the one that the table sends on.
    pub(super) fn push(
        &self,
        link: &Link,
        lane: u8,
        frame: Bytes,
        bytes_max: usize,
    ) -> Result<(), SendError> {
        let lane = usize::from(lane);
        let mut state = self.state.lock();
        let bytes = LENGTH_BYTES + frame.len();
        // A frame above the limit may pass alone: otherwise it never could.
        if state.bytes > 0 && state.bytes + bytes > bytes_max {
            return Err(SendError::Full);
        }
        state.bytes += bytes;
        state.lanes[lane].push(frame);
        if std::mem::take(&mut state.asleep[lane]) {
            link.wake_writer(lane);
        }
        Ok(())
    }

    fn hand_to(&self, link: &Link) {
        let mut state = self.state.lock();
        if state.sender == link.id {
            return;
        }
        state.sender = link.id;
        for lane in 0..LANES {
            state.asleep[lane] = state.lanes[lane].is_empty();
            if !state.asleep[lane] {
                link.wake_writer(lane);
            }
        }
    }

    /// Whether this link has something to write on a lane.
    pub(super) fn has(&self, link: LinkId, lane: usize) -> bool {
        let state = self.state.lock();
        state.sender == link && !state.lanes[lane].is_empty()
    }

    /// All that waits on a lane; `None` if there is nothing, or another link has the turn.
    pub(super) fn take(self: &Arc<Self>, link: LinkId, lane: usize) -> Option<Batch> {
        let mut state = self.state.lock();
        if state.sender != link {
            return None;
        }
        if state.lanes[lane].is_empty() {
            state.asleep[lane] = true;
            return None;
        }
        let (chunks, bytes) = state.lanes[lane].take();
        Some(Batch { chunks, bytes, outbox: self.clone() })
    }

    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

/// Whole frames on their way to a stream; counted as waiting until written or dropped.
pub(super) struct Batch {
    pub(super) chunks: Vec<Bytes>,
    bytes: usize,
    outbox: Arc<Outbox>,
}

impl Batch {
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.outbox.state.lock().bytes -= bytes;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.outbox.state.lock().bytes -= self.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides of every constellation of links choose the same one, whoever numbers them.
    #[test]
    fn both_sides_choose_the_same_link() {
        let (small, large) = (NodeId([1; 16]), NodeId([2; 16]));
        // Who dialed each link, in the order of their making.
        for dialers in [&[small][..], &[large], &[small, large], &[large, small, large, small]] {
            let seen_by = |own: NodeId, peer: NodeId| {
                let links =
                    dialers.iter().enumerate().map(|(i, &by)| (LinkId(i as u64), by == own));
                preferred(own, peer, links)
            };
            let chosen = seen_by(small, large);
            assert_eq!(chosen, seen_by(large, small), "{dialers:?}");
            if dialers.contains(&small) {
                assert_eq!(dialers[chosen.unwrap().0 as usize], small);
            }
        }
    }
}
