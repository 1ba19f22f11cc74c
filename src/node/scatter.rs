//! What concerns several members at once, whoever decides for it: a flush, a count, an explanation.
//! All who can be reached are asked at once, and the answer is given when all have answered, or at
//! the deadline.

use bytes::Bytes;

use super::coordinator::{Coordinator, Origin, Pending, Phase};
use super::event::{OpId, Reply};
use super::explanation::Explanation;
use super::message::{Request, Response};
use super::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::sessions::SESSIONS_MAX;
use crate::store::{Key, Namespace, Stamp};

/// What is gathered.
#[derive(Debug)]
pub(super) enum Scatter {
    Flush,
    Count(u64),
    Explain(Box<Explanation>),
}

impl Coordinator {
    /// Flushes a namespace, or all: everything up to a stamp drawn now is dead.
    pub fn begin_flush(&mut self, id: OpId, namespace: Option<Namespace>, turn: &mut Turn<'_>) {
        let stamp = turn.clock.stamp(turn.now.mono, Stamp::ZERO);
        turn.store.flush_up_to(namespace, stamp);
        let request = Request::Flush(turn.store.flushes());
        self.scatter(id, request, Scatter::Flush, turn);
    }

    /// Counts the keys of a namespace.
    pub fn begin_count(&mut self, id: OpId, namespace: Namespace, turn: &mut Turn<'_>) {
        let total = super::replica::count(turn, namespace);
        self.scatter(id, Request::Count { namespace }, Scatter::Count(total), turn);
    }

    /// Asks the holders of a key that have not said yet what they hold.
    pub fn begin_explain(&mut self, id: OpId, key: Key, known: Explanation, turn: &mut Turn<'_>) {
        self.scatter(id, Request::Explain { key }, Scatter::Explain(Box::new(known)), turn);
    }

    fn scatter(&mut self, id: OpId, request: Request, phase: Scatter, turn: &mut Turn<'_>) {
        let number = self.number();
        let concerned = |peer: &&NodeId| phase.concerns(**peer);
        let peers: Vec<NodeId> = turn.reachable.iter().filter(concerned).copied().collect();
        let key = Key { namespace: Namespace(0), bytes: Bytes::new() };
        let (origin, phase) = (Origin::Client(id), Phase::Scatter(phase));
        let mut op = Pending::new(origin, key, Partition(0), phase, turn.now.mono);
        for peer in peers {
            turn.outbox.request(peer, 0, number, &request);
            op.waiting.push((peer, turn.now.mono));
        }
        let live = !op.waiting.is_empty();
        if !live {
            finish_scatter(&op, turn);
        }
        self.keep(number, op, live, turn);
    }
}

impl Scatter {
    fn concerns(&self, peer: NodeId) -> bool {
        match self {
            Scatter::Flush | Scatter::Count(_) => true,
            Scatter::Explain(known) => known.holders.iter().any(|holder| holder.id == peer),
        }
    }

    /// Takes in an answer.
    pub(super) fn add(&mut self, from: NodeId, response: Response) {
        match (self, response) {
            (Scatter::Count(total), Response::Counted(count)) => {
                *total = total.saturating_add(count);
            }
            (Scatter::Explain(known), Response::Explained(mut holding)) => {
                // More than anybody can have is not passed on.
                holding.sessions.truncate(SESSIONS_MAX);
                if let Some(holder) = known.holders.iter_mut().find(|holder| holder.id == from) {
                    holder.holding = Some(*holding);
                }
            }
            _ => {}
        }
    }
}

/// Tells the client.
pub(super) fn finish_scatter(op: &Pending, turn: &mut Turn<'_>) {
    let (Origin::Client(id), Phase::Scatter(scatter)) = (op.origin, &op.phase) else {
        return;
    };
    let reply = match scatter {
        Scatter::Flush => Reply::Flushed,
        Scatter::Count(total) => Reply::Count(*total),
        Scatter::Explain(known) => Reply::Explain(known.clone()),
    };
    turn.outbox.reply(id, reply);
}
