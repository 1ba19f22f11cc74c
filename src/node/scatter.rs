//! What concerns every member: a flush, a count. All who can be reached are asked at once, and the
//! answer is given when all have answered, or at the deadline.

use bytes::Bytes;

use super::coordinator::{Coordinator, DEADLINE_MS, Origin, Pending, Phase};
use super::event::{OpId, Reply};
use super::message::Request;
use super::turn::Turn;
use crate::placement::Partition;
use crate::store::{Key, Namespace, Stamp};

#[derive(Debug)]
pub(super) struct Scatter {
    pub(super) total: u64,
    pub(super) flush: bool,
}

impl Coordinator {
    /// Flushes a namespace, or all: everything up to a stamp drawn now is dead.
    pub fn begin_flush(&mut self, id: OpId, namespace: Option<Namespace>, turn: &mut Turn<'_>) {
        let stamp = turn.clock.stamp(turn.now.mono, Stamp::ZERO);
        turn.store.flush_up_to(namespace, stamp);
        let request = Request::Flush(turn.store.flushes());
        self.scatter(id, request, Scatter { total: 0, flush: true }, turn);
    }

    /// Counts the keys of a namespace.
    pub fn begin_count(&mut self, id: OpId, namespace: Namespace, turn: &mut Turn<'_>) {
        let total = super::replica::count(turn, namespace);
        self.scatter(id, Request::Count { namespace }, Scatter { total, flush: false }, turn);
    }

    fn scatter(&mut self, id: OpId, request: Request, phase: Scatter, turn: &mut Turn<'_>) {
        let number = self.next;
        self.next += 1;
        let mut op = Box::new(Pending {
            origin: Origin::Client(id),
            key: Key { namespace: Namespace(0), bytes: Bytes::new() },
            partition: Partition(0),
            deadline: turn.now.mono.plus_ms(DEADLINE_MS),
            wake: turn.now.mono,
            waiting: Vec::new(),
            late: Vec::new(),
            phase: Phase::Scatter(phase),
        });
        for peer in turn.reachable {
            turn.outbox.request(*peer, 0, number, &request);
            op.waiting.push((*peer, turn.now.mono));
        }
        let live = !op.waiting.is_empty();
        if !live {
            finish_scatter(&op, turn);
        }
        self.keep(number, op, live, turn);
    }
}

/// Tells the client.
pub(super) fn finish_scatter(op: &Pending, turn: &mut Turn<'_>) {
    let (Origin::Client(id), Phase::Scatter(scatter)) = (op.origin, &op.phase) else {
        return;
    };
    let reply = if scatter.flush { Reply::Flushed } else { Reply::Count(scatter.total) };
    turn.outbox.reply(id, reply);
}
