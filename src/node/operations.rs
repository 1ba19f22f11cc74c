//! What nodes ask of one another for their clients, and the answers: handed to the role concerned.

use super::answers::Waiting;
use super::coordinator::Timing;
use super::event::BULK_LANE;
use super::message::{Asker, Request, Response};
use super::outbox::LARGE_BYTES;
use super::{Node, outbox, replica};
use crate::placement::NodeId;
use crate::store::{Held, Key, Now, key_ref};

impl Node {
    pub(super) fn on_request(&mut self, from: NodeId, (number, request): (u64, Request), now: Now) {
        let lane = match &request {
            Request::Write { key, .. }
            | Request::Read { key, .. }
            | Request::Decide { key, .. } => outbox::lane(self.store.partition_of(&key.bytes)),
            Request::Flush(_) | Request::Count { .. } | Request::Explain { .. } => 0,
        };
        debug_assert!(lane < BULK_LANE);
        if let Request::Read { key, min } = &request
            && self.outbox.answers.is_full(from)
            && let Some(bytes) = self.large_value(key, now)
        {
            let request = Waiting { lane, number, key: key.clone(), min: *min, bytes };
            return match self.outbox.answers.wait(from, request) {
                true => self.outbox.coming(from, lane, number, bytes),
                false => self.outbox.response(from, lane, number, &Response::Busy),
            };
        }
        self.answer(Asker { peer: from, lane, number }, request, now);
    }

    fn answer(&mut self, asker: Asker, request: Request, now: Now) {
        let Asker { peer: from, lane, number } = asker;
        let flush = matches!(request, Request::Flush(_));
        self.roles(now, |node, turn| {
            match replica::answer(from, &request, turn, node.replica_stats) {
                Some(response) => turn.outbox.response(from, lane, number, &response),
                None => node.coordinator.begin_decision(asker, request, turn),
            }
        });
        if flush {
            self.rehash_flushes();
        }
    }

    /// The bytes of what is held of a key, if that is large.
    fn large_value(&mut self, key: &Key, now: Now) -> Option<usize> {
        let mut bytes = 0;
        self.roles(now, |_, turn| {
            let partition = turn.partition_of(key_ref(key));
            bytes = turn.see(partition, |kept, context| match kept.look(key_ref(key), context) {
                Held::Value(parts) => parts.value.map_or(0, <[u8]>::len),
                _ => 0,
            });
        });
        (bytes > LARGE_BYTES).then_some(bytes)
    }

    /// A large answer has arrived: the next one may leave.
    pub(super) fn on_took(&mut self, from: NodeId, number: u64, now: Now) {
        self.outbox.answers.took(from, number);
        self.answer_waiting(now);
    }

    /// Answers those whose turn it is, and tells the others that their answers are coming.
    pub(super) fn answer_waiting(&mut self, now: Now) {
        while let Some((from, next)) =
            self.outbox.answers.next(|peer| self.reachable.contains(peer))
        {
            let Waiting { lane, number, key, min, .. } = next;
            let request = Request::Read { key, min };
            self.answer(Asker { peer: from, lane, number }, request, now);
        }
        for (peer, lane, number, bytes) in self.outbox.answers.look(now.mono) {
            self.outbox.coming(peer, lane, number, bytes);
        }
    }

    pub(super) fn on_response(
        &mut self,
        from: NodeId,
        same_ring: bool,
        (number, response): (u64, Response),
        now: Now,
    ) {
        self.roles(now, |node, turn| {
            let coordinator = &mut node.coordinator;
            match coordinator.on_response(from, same_ring, number, response, turn) {
                Some(Timing::Awaited(rtt_ns)) => node.responsiveness.answered(from, rtt_ns),
                Some(Timing::Late(rtt_ns)) => node.responsiveness.timed(from, rtt_ns),
                None => {}
            }
        });
    }

    /// A large answer is under way.
    pub(super) fn on_coming(&mut self, from: NodeId, (number, bytes): (u64, u64), now: Now) {
        self.roles(now, |node, turn| node.coordinator.on_coming(from, number, bytes, turn));
    }
}
