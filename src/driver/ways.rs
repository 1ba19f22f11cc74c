//! The ways to peers that large values take: which have room, and which are given up.

use std::collections::BTreeMap;

use crate::config::{LARGE_SILENCE_MS, LARGE_UNDER_WAY_MAX};
use crate::net::Endpoint;
use crate::node::Node;
use crate::node::event::Command;
use crate::placement::NodeId;
use crate::store::Mono;

/// Time between two looks, in nanoseconds.
const LOOK_NS: u64 = 20_000_000;

/// What is known of the ways.
pub(super) struct Ways {
    /// Bytes of large frames under way to one peer, beyond which no more are begun.
    most: usize,
    silent: Silent,
    looked: Mono,
}

impl Ways {
    /// `bulk_rate`: bytes a second. Where that is little, so is what may be under way: a quarter of
    /// a second of it, so that no deadline passes behind what was begun before.
    pub(super) fn new(bulk_rate: u64) -> Ways {
        let most = usize::try_from(bulk_rate / 4).unwrap_or(usize::MAX).min(LARGE_UNDER_WAY_MAX);
        Ways { most, silent: Silent::default(), looked: Mono(0) }
    }

    /// Whether there is room on the ways to all owners of its key that answer. Others are sent
    /// nothing: what they miss, they are told.
    pub(super) fn have_room(&self, command: &Command, node: &Node, endpoint: &Endpoint) -> bool {
        let Command::Key { key, .. } = command else { return true };
        let owners = node.owners(&key.bytes);
        let mut asked = node.reachable().filter(|peer| owners.contains(peer));
        asked.all(|peer| endpoint.queued_large(peer) <= self.most)
    }

    /// Drops what waits for those who have not answered for a while: it would hold memory until they
    /// are back or declared down, and come first when they are back. It is lost as with a link, and
    /// they are told what they miss. The connection goes with it: one that was not answered repeats
    /// itself ever more rarely, so it would be silent for as long again.
    pub(super) fn give_up(&mut self, node: &Node, endpoint: &Endpoint, now: Mono) {
        if now.since(self.looked) < LOOK_NS {
            return;
        }
        self.looked = now;
        let awaited: Vec<NodeId> = endpoint.awaited_large().collect();
        let answers = |peer: &NodeId| node.reachable().any(|reachable| reachable == *peer);
        for peer in self.silent.look(awaited.into_iter().filter(|peer| !answers(peer)), now) {
            endpoint.give_up_large(peer, "it does not answer");
        }
    }
}

/// Peers that do not answer, and since when, as far as something large waits for them.
#[derive(Default)]
struct Silent(BTreeMap<NodeId, Mono>);

impl Silent {
    /// Given all that are silent now, answers those that have been for too long.
    fn look(&mut self, silent: impl Iterator<Item = NodeId>, now: Mono) -> Vec<NodeId> {
        let before = std::mem::take(&mut self.0);
        let since = |peer: NodeId| (peer, before.get(&peer).copied().unwrap_or(now));
        let (long, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = silent
            .map(since)
            .partition(|(_, since)| now.since(*since) >= LARGE_SILENCE_MS * 1_000_000);
        self.0 = rest;
        long.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_counts_from_its_beginning_and_an_answer_ends_it() {
        let (mut silent, peer) = (Silent::default(), NodeId([1; 16]));
        let at = |ms: u64| Mono(0).plus_ms(ms);
        let mut look = |ms, is: bool| silent.look(is.then_some(peer).into_iter(), at(ms)).len();
        assert_eq!(look(0, true) + look(LARGE_SILENCE_MS - 1, true), 0);
        assert_eq!(look(LARGE_SILENCE_MS, true), 1);
        assert_eq!(look(LARGE_SILENCE_MS + 1, true), 0, "once");
        assert_eq!(look(LARGE_SILENCE_MS + 2, false) + look(LARGE_SILENCE_MS + 3, true), 0);
        assert_eq!(look(2 * LARGE_SILENCE_MS + 2, true), 0, "it had answered meanwhile");
        assert_eq!(look(2 * LARGE_SILENCE_MS + 3, true), 1);
    }
}
