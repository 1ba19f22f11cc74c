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
//! Connections for bulk are beside the links and have no part in the rule: one for what we send, one
//! for what we receive, each between the same two lives as the links.
//!
//! Links come in after both Hellos; what waits for the caller's answer is not in here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::lane::{LENGTH_BYTES, Queue};
use super::large::SHORT_BYTES;
use super::link::Link;
use super::{BULK, LANES, LARGE, LinkId, SendError};
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
    bulk_out: BulkOut,
    bulk_in: Option<Arc<Link>>,
}

/// What carries the lane of bulk to a peer.
enum BulkOut {
    /// Nothing: there is nothing to send.
    Nothing,
    /// A connection that is being made.
    Dialing,
    Own(Arc<Link>),
    /// The link, for a while.
    Shared,
}

/// How a frame of bulk gets to a peer.
pub(super) struct Carrier<'a> {
    /// What carries it; `None` as long as it is being made.
    pub(super) link: Option<&'a Arc<Link>>,
    pub(super) outbox: &'a Arc<Outbox>,
    /// It is to be made, to that life of the peer, there.
    pub(super) dial: Option<(Generation, SocketAddr)>,
}

/// What became of a link that the caller accepted.
pub(super) enum Admission {
    /// A newer life of the peer is connected, of this generation and there: this link is to a dead
    /// one.
    Stale(Generation, SocketAddr),
    /// It is for bulk, and there is no link to that life of the peer.
    Unwanted(Arc<Link>),
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
        if link.is_bulk() {
            return self.admit_bulk(link, generation);
        }
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
            replaced.extend(old.into_iter().flat_map(Peer::into_links));
        }
        let announce = known != Some(generation);
        let peer = self.peers.entry(link.peer).or_insert_with(|| Peer {
            generation,
            links: BTreeMap::new(),
            sending: link.clone(),
            outbox: Arc::new(Outbox::new(link.id)),
            bulk_out: BulkOut::Nothing,
            bulk_in: None,
        });
        peer.links.insert(link.id, link);
        peer.choose(self.own);
        let surplus = peer.links.values().filter(|link| link.dialed && link.id != peer.sending.id);
        let surplus = surplus.cloned().collect();
        Admission::Admitted { outbox: peer.outbox.clone(), announce, replaced, surplus }
    }

    fn admit_bulk(&mut self, link: Arc<Link>, generation: Generation) -> Admission {
        let peer = self.peers.get_mut(&link.peer);
        let Some(peer) = peer.filter(|peer| peer.generation == generation) else {
            return Admission::Unwanted(link);
        };
        let replaced = match (link.dialed, &peer.bulk_out) {
            (true, BulkOut::Dialing) => {
                peer.outbox.hand_bulk_to(Some(&link));
                peer.bulk_out = BulkOut::Own(link);
                None
            }
            // It was dialed for a life of the peer that was replaced meanwhile.
            (true, _) => return Admission::Unwanted(link),
            // Its dialer has given up the one before, or is to.
            (false, _) => peer.bulk_in.replace(link),
        };
        let (outbox, replaced) = (peer.outbox.clone(), replaced.into_iter().collect());
        Admission::Admitted { outbox, announce: false, replaced, surplus: Vec::new() }
    }

    /// What carries bulk to a peer, if it is connected.
    pub(super) fn carrier(&mut self, peer: NodeId) -> Option<Carrier<'_>> {
        let peer = self.peers.get_mut(&peer)?;
        let dial = matches!(peer.bulk_out, BulkOut::Nothing);
        if dial {
            peer.bulk_out = BulkOut::Dialing;
            peer.outbox.hand_bulk_to(None);
        }
        let link = match &peer.bulk_out {
            BulkOut::Nothing | BulkOut::Dialing => None,
            BulkOut::Own(link) => Some(link),
            BulkOut::Shared => Some(&peer.sending),
        };
        let dial = dial.then_some((peer.generation, peer.sending.addr));
        Some(Carrier { link, outbox: &peer.outbox, dial })
    }

    /// The connection for bulk to that life of a peer could not be had, or is gone: the link takes
    /// its place. Answers whether it does.
    pub(super) fn share(&mut self, peer: NodeId, generation: Generation) -> bool {
        let peer = self.peers.get_mut(&peer).filter(|peer| peer.generation == generation);
        let Some(peer) = peer.filter(|peer| !matches!(peer.bulk_out, BulkOut::Own(_))) else {
            return false;
        };
        peer.bulk_out = BulkOut::Shared;
        peer.outbox.hand_bulk_to(Some(&peer.sending));
        true
    }

    /// The next frame of bulk to that life of a peer dials again.
    pub(super) fn share_no_more(&mut self, peer: NodeId, generation: Generation) {
        let peer = self.peers.get_mut(&peer).filter(|peer| peer.generation == generation);
        if let Some(peer) = peer
            && matches!(peer.bulk_out, BulkOut::Shared)
        {
            peer.bulk_out = BulkOut::Nothing;
        }
    }

    /// Takes a connection for bulk out unless something waits for it: the next frame dials another
    /// one. Answers whether it is out.
    pub(super) fn retire_bulk(&mut self, link: &Link) -> bool {
        let Some(peer) = self.peers.get_mut(&link.peer) else { return true };
        let carries = matches!(&peer.bulk_out, BulkOut::Own(own) if own.id == link.id);
        if carries && (peer.outbox.has(link.id, usize::from(BULK)) || peer.outbox.has_large()) {
            return false;
        }
        if carries {
            peer.bulk_out = BulkOut::Nothing;
        }
        true
    }

    /// Takes a dead connection for bulk out.
    pub(super) fn leave_bulk(&mut self, link: &Link) {
        let Some(peer) = self.peers.get_mut(&link.peer) else { return };
        if matches!(&peer.bulk_out, BulkOut::Own(own) if own.id == link.id) {
            peer.bulk_out = BulkOut::Nothing;
        }
        peer.bulk_in.take_if(|known| known.id == link.id);
    }

    /// Drops what is large and waits for a peer. Answers the connection that carries more of it,
    /// which is out from here on.
    pub(super) fn give_up_large(&mut self, peer: NodeId) -> Option<Arc<Link>> {
        let peer = self.peers.get_mut(&peer)?;
        peer.outbox.drop_large();
        let BulkOut::Own(link) = &peer.bulk_out else { return None };
        let link = link.clone();
        peer.bulk_out = BulkOut::Nothing;
        peer.outbox.hand_bulk_to(None);
        Some(link)
    }

    /// Peers for whom something large waits, or is under way.
    pub(super) fn awaited_large(&self) -> Vec<NodeId> {
        let awaited = self.peers.iter().filter(|(_, peer)| peer.outbox.large_bytes() > 0);
        awaited.map(|(peer, _)| *peer).collect()
    }

    /// Takes a dead link out. If it was the peer's last, answers with the connections for bulk that
    /// were beside it.
    pub(super) fn leave(&mut self, link: &Link) -> Option<Vec<Arc<Link>>> {
        let peer = self.peers.get_mut(&link.peer)?;
        peer.links.remove(&link.id)?;
        if peer.links.is_empty() {
            return self.peers.remove(&link.peer).map(|peer| peer.into_links().collect());
        }
        peer.choose(self.own);
        None
    }

    /// Takes a peer out: all its links, the one that is sent on first.
    pub(super) fn remove(&mut self, peer: NodeId) -> Vec<Arc<Link>> {
        let Some(mut peer) = self.peers.remove(&peer) else {
            return Vec::new();
        };
        peer.links.remove(&peer.sending.id);
        std::iter::once(peer.sending.clone()).chain(peer.into_links()).collect()
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

    #[cfg(test)]
    pub(super) fn bulk_links(&self, peer: NodeId) -> (bool, bool) {
        self.peers.get(&peer).map_or((false, false), |peer| {
            (matches!(peer.bulk_out, BulkOut::Own(_)), peer.bulk_in.is_some())
        })
    }
}

impl Peer {
    fn choose(&mut self, own: NodeId) {
        let links = self.links.values().map(|link| (link.id, link.dialed));
        let chosen = preferred(own, self.sending.peer, links).expect("a peer has a link");
        self.sending = self.links[&chosen].clone();
        self.outbox.hand_to(&self.sending);
        if let BulkOut::Shared = self.bulk_out {
            self.outbox.hand_bulk_to(Some(&self.sending));
        }
    }

    /// Everything that connects to it.
    fn into_links(self) -> impl Iterator<Item = Arc<Link>> {
        let out = match self.bulk_out {
            BulkOut::Own(link) => Some(link),
            BulkOut::Nothing | BulkOut::Dialing | BulkOut::Shared => None,
        };
        self.links.into_values().chain(out).chain(self.bulk_in)
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
/// takes over, they go out on that. The lane of bulk is handed over by itself.
pub(super) struct Outbox {
    state: Mutex<Waiting>,
}

struct Waiting {
    /// The one link whose writer may take, for each lane.
    senders: [LinkId; LANES],
    lanes: [Queue; LANES],
    /// Frames that go on a stream each, if the lane of bulk has a connection of its own.
    large: VecDeque<[Bytes; 2]>,
    /// The lane of bulk goes over the link, and they with it.
    shared: bool,
    /// The lane's writer found nothing and sleeps.
    asleep: [bool; LANES],
    /// Waiting or taken, but not yet passed to QUIC.
    bytes: Amounts,
}

/// Bytes on the lane of bulk, of large frames, and on the other lanes.
#[derive(Default)]
struct Amounts {
    bulk: usize,
    large: usize,
    others: usize,
}

impl Amounts {
    fn of(&mut self, lane: usize) -> &mut usize {
        match u8::try_from(lane) {
            Ok(BULK) => &mut self.bulk,
            Ok(LARGE) => &mut self.large,
            _ => &mut self.others,
        }
    }
}

/// No link at all.
const NOBODY: LinkId = LinkId(u64::MAX);

impl Outbox {
    fn new(sender: LinkId) -> Outbox {
        let mut senders = [sender; LANES];
        senders[usize::from(BULK)] = NOBODY;
        let (lanes, large, bytes) = Default::default();
        let (shared, asleep) = (false, [true; LANES]);
        Outbox { state: Mutex::new(Waiting { senders, lanes, large, shared, asleep, bytes }) }
    }

    /// `link` is the one that the table sends on, if there is one.
    pub(super) fn push(
        &self,
        link: Option<&Arc<Link>>,
        lane: u8,
        frame: Bytes,
        bytes_max: usize,
    ) -> Result<(), SendError> {
        let lane = usize::from(lane);
        let mut state = self.state.lock();
        let bytes = LENGTH_BYTES + frame.len();
        // A frame above the limit may pass alone: otherwise it never could.
        let waiting = state.bytes.of(lane);
        if *waiting > 0 && *waiting + bytes > bytes_max {
            return Err(SendError::Full);
        }
        *waiting += bytes;
        state.lanes[lane].push(frame);
        if let Some(link) = link
            && std::mem::take(&mut state.asleep[lane])
        {
            link.wake_writer(lane);
        }
        Ok(())
    }

    /// The same for a large frame.
    pub(super) fn push_large(
        &self,
        link: Option<&Arc<Link>>,
        frame: [Bytes; 2],
        bytes_max: usize,
    ) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if state.shared {
            drop(state);
            return self.push(link, BULK, frame.concat().into(), bytes_max);
        }
        let bytes = large_bytes(&frame);
        if state.bytes.large > 0 && state.bytes.large + bytes > bytes_max {
            return Err(SendError::Full);
        }
        state.bytes.large += bytes;
        state.large.push_back(frame);
        if let Some(link) = link {
            link.large.notify_one();
        }
        Ok(())
    }

    /// The first large frame, if this link has the turn; only a short one unless `long`.
    pub(super) fn take_large(self: &Arc<Self>, link: LinkId, long: bool) -> Option<LargeFrame> {
        let mut state = self.state.lock();
        if state.senders[usize::from(BULK)] != link {
            return None;
        }
        let at = state.large.iter().position(|frame| long || large_bytes(frame) <= SHORT_BYTES)?;
        let parts = state.large.remove(at)?;
        Some(LargeFrame { parts, outbox: self.clone() })
    }

    fn drop_large(&self) {
        let state = &mut *self.state.lock();
        for frame in state.large.drain(..) {
            state.bytes.large -= large_bytes(&frame);
        }
    }

    fn has_large(&self) -> bool {
        !self.state.lock().large.is_empty()
    }

    /// Bytes of large frames that wait or are under way.
    pub(super) fn large_bytes(&self) -> usize {
        let state = self.state.lock();
        // Nobody tells them from the rest of bulk where they go on its lane.
        state.bytes.large + if state.shared { state.bytes.bulk } else { 0 }
    }

    /// All lanes but that of bulk are another link's from now on.
    fn hand_to(&self, link: &Link) {
        for lane in (0..LANES).filter(|lane| *lane != usize::from(BULK)) {
            self.hand_lane_to(lane, Some(link));
        }
    }

    /// The lane of bulk is another link's from now on, or nobody's.
    fn hand_bulk_to(&self, link: Option<&Link>) {
        {
            let state = &mut *self.state.lock();
            state.shared = link.is_some_and(|link| !link.is_bulk());
            if state.shared {
                for frame in state.large.drain(..) {
                    state.bytes.large -= large_bytes(&frame);
                    state.bytes.bulk += large_bytes(&frame);
                    state.lanes[usize::from(BULK)].push(frame.concat().into());
                }
            } else if let Some(link) = link {
                link.large.notify_one();
            }
        }
        self.hand_lane_to(usize::from(BULK), link);
    }

    fn hand_lane_to(&self, lane: usize, link: Option<&Link>) {
        let mut state = self.state.lock();
        let sender = link.map_or(NOBODY, |link| link.id);
        if state.senders[lane] == sender {
            return;
        }
        state.senders[lane] = sender;
        state.asleep[lane] = link.is_none() || state.lanes[lane].is_empty();
        if let Some(link) = link
            && !state.asleep[lane]
        {
            link.wake_writer(lane);
        }
    }

    /// Whether this link has something to write on a lane.
    pub(super) fn has(&self, link: LinkId, lane: usize) -> bool {
        let state = self.state.lock();
        state.senders[lane] == link && !state.lanes[lane].is_empty()
    }

    /// All that waits on a lane; `None` if there is nothing, or another link has the turn.
    pub(super) fn take(self: &Arc<Self>, link: LinkId, lane: usize) -> Option<Batch> {
        let mut state = self.state.lock();
        if state.senders[lane] != link {
            return None;
        }
        if state.lanes[lane].is_empty() {
            state.asleep[lane] = true;
            return None;
        }
        let (chunks, bytes) = state.lanes[lane].take();
        Some(Batch { chunks, bytes, lane, outbox: self.clone() })
    }

    /// Those that wait on all lanes but that of bulk.
    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes.others
    }
}

/// Whole frames on their way to a stream; counted as waiting until written or dropped.
pub(super) struct Batch {
    pub(super) chunks: Vec<Bytes>,
    bytes: usize,
    lane: usize,
    outbox: Arc<Outbox>,
}

impl Batch {
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.bytes -= bytes;
        *self.outbox.state.lock().bytes.of(self.lane) -= bytes;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *self.outbox.state.lock().bytes.of(self.lane) -= self.bytes;
        }
    }
}

/// A large frame on its way; counted as such until dropped.
pub(super) struct LargeFrame {
    pub(super) parts: [Bytes; 2],
    outbox: Arc<Outbox>,
}

impl LargeFrame {
    /// Whether it may hold up shorter ones for long.
    pub(super) fn is_long(&self) -> bool {
        large_bytes(&self.parts) > SHORT_BYTES
    }
}

impl Drop for LargeFrame {
    fn drop(&mut self) {
        self.outbox.state.lock().bytes.large -= large_bytes(&self.parts);
    }
}

/// What a large frame takes on its stream.
fn large_bytes(parts: &[Bytes; 2]) -> usize {
    LENGTH_BYTES + parts[0].len() + parts[1].len()
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
