//! Large answers to one peer: few of them at a time, the others in their turn.
//!
//! Whoever asks does not know how much it asks for. What is read here is copied for the way, so a
//! few small requests could fill the memory, and more than the queue to the peer takes would be
//! dropped when the peer has been told that it comes. So a request for something large waits while
//! there is enough on its way to the peer, which says what it got ([`super::codec::Kind::Took`]).
//! The peer is told that its answer is coming, again and again as long as it waits: so it asks
//! nobody else, and has the time.

use std::collections::{BTreeMap, VecDeque};

use super::patience::expected_ms;
use crate::placement::NodeId;
use crate::store::{Key, Mono, Version};

/// Bytes on their way to one peer, beyond which another large answer waits.
const UNDER_WAY_MAX: usize = 4 << 20;
/// Most requests of one peer that wait; beyond it they are answered with Busy.
const WAITING_MAX: usize = 1_024;
/// Time between two words that an answer is coming, in milliseconds.
const SAID_MS: u64 = 100;

/// A request for something large that waits.
#[derive(Debug)]
pub struct Waiting {
    /// The lane of its answer.
    pub lane: u8,
    /// Its number.
    pub number: u64,
    /// What is wanted.
    pub key: Key,
    /// And how new it must be.
    pub min: Version,
    /// How large it was, in bytes.
    pub bytes: usize,
}

#[derive(Debug, Default)]
struct Way {
    /// By number: bytes, and until when they count if the peer does not say that it got them; set by
    /// the first look.
    under_way: BTreeMap<u64, (usize, Option<Mono>)>,
    waiting: VecDeque<Waiting>,
    say_at: Option<Mono>,
}

impl Way {
    fn is_full(&self) -> bool {
        self.under_way.values().map(|(bytes, _)| bytes).sum::<usize>() >= UNDER_WAY_MAX
    }
}

/// The large answers of one node, by peer.
#[derive(Debug, Default)]
pub struct Answers(BTreeMap<NodeId, Way>);

impl Answers {
    /// One leaves.
    pub fn sent(&mut self, to: NodeId, number: u64, bytes: usize) {
        self.0.entry(to).or_default().under_way.insert(number, (bytes, None));
    }

    /// Whether another one has to wait: also behind those that wait already.
    pub fn is_full(&self, to: NodeId) -> bool {
        self.0.get(&to).is_some_and(|way| way.is_full() || !way.waiting.is_empty())
    }

    /// Lets a request wait. Answers whether it may.
    pub fn wait(&mut self, from: NodeId, request: Waiting) -> bool {
        let way = self.0.entry(from).or_default();
        let may = way.waiting.len() < WAITING_MAX;
        if may {
            way.waiting.push_back(request);
        }
        may
    }

    /// The peer got one, or does not want it any more.
    pub fn took(&mut self, from: NodeId, number: u64) {
        if let Some(way) = self.0.get_mut(&from) {
            way.under_way.remove(&number);
            way.waiting.retain(|request| request.number != number);
        }
    }

    /// A request whose turn it is, and who asked. Whoever does not answer gets nothing more, and
    /// loses its turn.
    pub fn next(&mut self, answers: impl Fn(&NodeId) -> bool) -> Option<(NodeId, Waiting)> {
        for (peer, way) in &mut self.0 {
            if !answers(peer) {
                way.waiting.clear();
            } else if !way.is_full()
                && let Some(next) = way.waiting.pop_front()
            {
                return Some((*peer, next));
            }
        }
        None
    }

    /// Counts no more what was not acknowledged in time. Returns whom to tell that something is
    /// coming.
    pub fn look(&mut self, now: Mono) -> Vec<(NodeId, u8, u64, usize)> {
        let mut told = Vec::new();
        self.0.retain(|peer, way| {
            way.under_way.retain(|_, (bytes, until)| {
                now < *until.get_or_insert(now.plus_ms(expected_ms(*bytes)))
            });
            let due = way.say_at.is_none_or(|at| at <= now);
            if due && !way.waiting.is_empty() {
                way.say_at = Some(now.plus_ms(SAID_MS));
                let words = way.waiting.iter().map(|w| (*peer, w.lane, w.number, w.bytes));
                told.extend(words);
            }
            !way.under_way.is_empty() || !way.waiting.is_empty()
        });
        told
    }

    /// The peer is gone, or has a new life.
    pub fn forget(&mut self, peer: NodeId) {
        self.0.remove(&peer);
    }

    /// When [`Answers::look`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        let until = |way: &Way| way.under_way.values().filter_map(|(_, until)| *until).min();
        let say_at = |way: &Way| way.say_at.filter(|_| !way.waiting.is_empty());
        self.0.values().flat_map(|way| [until(way), say_at(way)]).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::Namespace;

    const PEER: NodeId = NodeId([1; 16]);

    fn request(number: u64) -> Waiting {
        let key = Key { namespace: Namespace(0), bytes: Bytes::from_static(b"k") };
        Waiting { lane: 0, number, key, min: Version::ZERO, bytes: 1 << 20 }
    }

    #[test]
    fn the_next_goes_when_the_peer_has_one_and_those_that_wait_are_told() {
        let mut answers = Answers::default();
        let now = Mono(0).plus_ms(5);
        for number in 0..4 {
            assert!(!answers.is_full(PEER), "{number}");
            answers.sent(PEER, number, UNDER_WAY_MAX / 4);
        }
        assert!(answers.is_full(PEER) && !answers.is_full(NodeId([2; 16])));
        assert!(answers.wait(PEER, request(7)) && answers.wait(PEER, request(8)));
        assert!(answers.next(|_| true).is_none());
        assert_eq!(answers.look(now).len(), 2);
        assert_eq!(answers.look(now.plus_ms(SAID_MS - 1)).len(), 0);
        assert_eq!(answers.next_deadline(), Some(now.plus_ms(SAID_MS)));
        assert_eq!(answers.look(now.plus_ms(SAID_MS)).len(), 2);
        answers.took(PEER, 2);
        assert!(answers.is_full(PEER), "others wait");
        assert_eq!(answers.next(|_| true).expect("its turn").1.number, 7);
        answers.sent(PEER, 7, UNDER_WAY_MAX);
        assert!(answers.next(|_| true).is_none());
        answers.took(PEER, 8);
        answers.took(PEER, 7);
        assert!(answers.next(|_| true).is_none(), "nobody wants it any more");
    }

    #[test]
    fn what_is_not_acknowledged_and_who_does_not_answer_hold_nothing_up() {
        let mut answers = Answers::default();
        answers.sent(PEER, 1, UNDER_WAY_MAX);
        answers.wait(PEER, request(2));
        answers.look(Mono(0));
        answers.look(Mono(0).plus_ms(expected_ms(UNDER_WAY_MAX)));
        assert!(answers.next(|_| true).is_some());
        answers.wait(PEER, request(3));
        assert!(answers.next(|_| false).is_none() && answers.next(|_| true).is_none());
        for number in 0..WAITING_MAX as u64 {
            assert!(answers.wait(PEER, request(number)));
        }
        assert!(!answers.wait(PEER, request(9)));
        answers.forget(PEER);
        assert!(answers.next_deadline().is_none());
    }
}
