//! What nodes ask of one another for their clients, and the answers: handed to the role concerned.

use super::coordinator::Timing;
use super::event::BULK_LANE;
use super::message::{Asker, Request, Response};
use super::{Node, outbox, replica};
use crate::placement::NodeId;
use crate::store::Now;

impl Node {
    pub(super) fn on_request(&mut self, from: NodeId, (number, request): (u64, Request), now: Now) {
        let lane = match &request {
            Request::Write { key, .. }
            | Request::Read { key, .. }
            | Request::Decide { key, .. } => outbox::lane(self.store.partition_of(&key.bytes)),
            Request::Flush(_) | Request::Count { .. } | Request::Explain { .. } => 0,
        };
        debug_assert!(lane < BULK_LANE);
        let asker = Asker { peer: from, lane, number };
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
