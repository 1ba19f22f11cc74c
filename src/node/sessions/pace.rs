//! How much of the exchange may be under way to a peer.
//!
//! What brings a peer up to date is bulk: it is sent as fast as the peer takes it, and no faster than
//! the node is set to. How fast that is, the replies tell: while they come as soon as the first ones
//! did, more is sent at a time; where they begin to wait behind one another, less. So a slow path is
//! never filled with seconds of bulk, whose replies would come too late to count.

use std::collections::BTreeMap;

use crate::placement::NodeId;
use crate::store::Mono;

/// Bytes under way to a peer that are always allowed: four pushes.
const WINDOW_MIN: usize = 64 << 10;
/// Most bytes under way to a peer.
const WINDOW_MAX: usize = 2 << 20;
/// Replies may wait for one another for so long, in nanoseconds, before no more is sent at a time;
/// for twice as long, before less is.
const QUEUE_NS: u64 = 200_000_000;
/// What was saved up while nothing was sent may be sent at once, in nanoseconds at the full rate.
const BURST_NS: u64 = 50_000_000;
/// How long it is expected to take for each [`WINDOW_MIN`], in nanoseconds, before any reply.
const FIRST_NS: u64 = 500_000_000;
/// The longest that is expected, in nanoseconds, however often replies did not come.
const SLOWEST_NS: u64 = 8_000_000_000;

/// The pace of one node's bulk.
#[derive(Debug)]
pub(super) struct Paces {
    /// Bytes a second, to all peers.
    rate: u64,
    free_at: Mono,
    peers: BTreeMap<NodeId, Pace>,
}

#[derive(Debug)]
struct Pace {
    window: usize,
    free_at: Mono,
    /// The soonest that a reply came, in nanoseconds.
    soonest_ns: u64,
    /// How long each [`WINDOW_MIN`] under way took lately, in nanoseconds.
    each_ns: u64,
    /// When a reply was missed last.
    missed_at: Mono,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            window: WINDOW_MIN,
            free_at: Mono(0),
            soonest_ns: u64::MAX,
            each_ns: FIRST_NS,
            missed_at: Mono(0),
        }
    }
}

impl Paces {
    /// `rate`: bytes a second, to all peers; half of that to one.
    pub(super) fn new(rate: u64) -> Paces {
        Paces { rate: rate.max(1), free_at: Mono(0), peers: BTreeMap::new() }
    }

    /// Whether there is room for more, where so many bytes are under way to that peer.
    pub(super) fn has_room(&self, peer: NodeId, under_way: usize, now: Mono) -> bool {
        let pace = self.peers.get(&peer);
        let (window, free_at) = pace.map_or((WINDOW_MIN, Mono(0)), |p| (p.window, p.free_at));
        under_way < window && free_at <= now && self.free_at <= now
    }

    /// So many bytes are sent, with which `under_way` are. Returns for how long their reply is
    /// waited for, in nanoseconds, besides what any reply may take.
    pub(super) fn sent(&mut self, peer: NodeId, bytes: usize, under_way: usize, now: Mono) -> u64 {
        let pace = self.peers.entry(peer).or_default();
        spend(&mut pace.free_at, bytes, self.rate.div_ceil(2), now);
        spend(&mut self.free_at, bytes, self.rate, now);
        4 * pace.each_ns.saturating_mul(windows(under_way))
    }

    /// A reply came, so long after its push, with which `under_way` bytes had been.
    pub(super) fn answered(&mut self, peer: NodeId, bytes: usize, under_way: usize, took_ns: u64) {
        let pace = self.peers.entry(peer).or_default();
        pace.soonest_ns = pace.soonest_ns.min(took_ns);
        pace.each_ns = (7 * pace.each_ns + took_ns / windows(under_way)) / 8;
        let waited_ns = took_ns - pace.soonest_ns;
        if waited_ns <= QUEUE_NS {
            pace.window = (pace.window + bytes).min(WINDOW_MAX);
        } else if waited_ns > 2 * QUEUE_NS {
            // By half, once a whole window of these has come.
            pace.window = pace.window.saturating_sub(bytes / 2).max(WINDOW_MIN);
        }
    }

    /// No reply came in time to what was sent then: it was lost, or it takes longer than expected.
    pub(super) fn unanswered(&mut self, peer: NodeId, sent_at: Mono, now: Mono) {
        let pace = self.peers.entry(peer).or_default();
        pace.window = WINDOW_MIN;
        // All that was under way at the time counts once.
        if sent_at >= pace.missed_at {
            pace.missed_at = now;
            pace.each_ns = (2 * pace.each_ns).min(SLOWEST_NS);
        }
    }

    /// The path to a peer may be another one.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
    }
}

/// How often [`WINDOW_MIN`] goes into so many bytes, at least once.
fn windows(bytes: usize) -> u64 {
    bytes.div_ceil(WINDOW_MIN).max(1) as u64
}

/// Moves the time from which on more may be sent.
fn spend(free_at: &mut Mono, bytes: usize, rate: u64, now: Mono) {
    let takes = (bytes as u64).saturating_mul(1_000_000_000) / rate;
    let from = free_at.0.max(now.0.saturating_sub(BURST_NS));
    *free_at = Mono(from.saturating_add(takes));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId([1; 16]);
    const OTHER: NodeId = NodeId([2; 16]);
    const PUSH: usize = 64 << 10;

    /// Sends to peers over a path each, in steps of a millisecond, until `ms`. Returns the bytes that
    /// left for each, and how many of them were under way at most.
    fn run(
        paces: &mut Paces,
        peers: &[NodeId],
        path: u64,
        trip_ms: u64,
        ms: u64,
    ) -> Vec<(usize, usize)> {
        let mut sent = vec![(0, 0); peers.len()];
        let mut under_way: Vec<Vec<(u64, u64, usize)>> = vec![Vec::new(); peers.len()];
        let mut free_ns = vec![0_u64; peers.len()];
        for ms in 0..ms {
            let now = Mono(1_000_000 * (1_000 + ms));
            for (at, peer) in peers.iter().enumerate() {
                under_way[at].retain(|(back, began, together)| {
                    let over = *back <= now.0;
                    if over {
                        paces.answered(*peer, PUSH, *together, now.0 - began);
                    }
                    !over
                });
                while paces.has_room(*peer, PUSH * under_way[at].len(), now) {
                    let together = PUSH * (under_way[at].len() + 1);
                    paces.sent(*peer, PUSH, together, now);
                    free_ns[at] = free_ns[at].max(now.0) + PUSH as u64 * 1_000_000_000 / path;
                    under_way[at].push((free_ns[at] + trip_ms * 1_000_000, now.0, together));
                    sent[at] = (sent[at].0 + PUSH, sent[at].1.max(together));
                }
            }
        }
        sent
    }

    #[test]
    fn a_slow_path_is_used_and_not_filled() {
        let mut paces = Paces::new(64 << 20);
        let path = 200_000;
        let [(sent, most)] = run(&mut paces, &[PEER], path, 100, 60_000)[..] else { panic!() };
        assert!(sent as u64 >= path * 60 * 9 / 10, "{sent}");
        // No more than a second of it waits.
        assert!(most as u64 <= path, "{most}");
    }

    #[test]
    fn a_fast_path_is_used_up_to_the_rate_and_half_of_it_for_one_peer() {
        let rate = 20 << 20;
        let mut paces = Paces::new(rate);
        let sent = run(&mut paces, &[PEER], 1 << 30, 20, 10_000)[0].0 as u64;
        assert!((rate * 45 / 10..=rate * 51 / 10).contains(&sent), "{sent}");
        let mut paces = Paces::new(rate);
        let sent = run(&mut paces, &[PEER, OTHER, NodeId([3; 16])], 1 << 30, 20, 10_000);
        let sent = sent.iter().map(|(sent, _)| *sent as u64).sum::<u64>();
        assert!((rate * 9..=rate * 101 / 10).contains(&sent), "{sent}");
    }

    #[test]
    fn who_does_not_answer_is_sent_little_and_waited_for_longer() {
        let mut paces = Paces::new(64 << 20);
        run(&mut paces, &[PEER], 1 << 30, 10, 1_000);
        let now = Mono(10_000_000_000);
        assert!(paces.has_room(PEER, WINDOW_MAX - 1, now));
        let before = paces.sent(PEER, 1, 1, now);
        let later = now.plus_ms(1_000);
        paces.unanswered(PEER, now, later);
        paces.unanswered(PEER, now, later);
        assert!(!paces.has_room(PEER, WINDOW_MIN, now) && paces.has_room(PEER, 0, now));
        assert_eq!(paces.sent(PEER, 1, 1, now), 2 * before);
    }
}
