//! Passing on what was learnt by becoming valid at a peer (rule R7).
//!
//! Whoever adopts a peer's floors covers what that peer has forgotten; whom it trusts itself may not,
//! and would serve what is dead once the peer has left. Such a peer lacks something, and is not
//! trusted meanwhile. Most have heard of it from the same source by the next interval, so the source
//! is asked for those who are valid there, and only whoever is not gets a new session number, which
//! makes it become valid here anew.
//!
//! Renewing at once, without asking, did not end where many holders opened their sessions at a time:
//! with three owners and four former ones, each renewal was overtaken by the next one (swarm seed 42:
//! 2.7 million messages, until most of the holders had dropped the partition).

use super::Sessions;
use crate::node::message::Exchange;
use crate::node::turn::Turn;
use crate::placement::{Life, NodeId, Partition};

impl Sessions {
    /// Looks after the peers that lack something, once in an interval.
    pub(super) fn see_to_lacking(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        let mut sources: Vec<(NodeId, Option<u64>)> = turn.with(partition, |kept, _| {
            let sessions = kept.sessions();
            let lacks = sessions.iter().flat_map(|(_, session)| session.lacks.iter().copied());
            lacks.map(|source| (source, sessions.with(source).map(|s| s.theirs))).collect()
        });
        sources.sort_unstable();
        sources.dedup();
        for (source, number) in sources {
            match number.filter(|_| turn.reachable.contains(&source)) {
                Some(echo) => {
                    let question = Exchange::WhoIsValid { partition, echo };
                    turn.outbox.exchange(source, partition, &question);
                }
                // Nobody can say any more.
                None => self.renew_lacking(source, partition, turn),
            }
        }
    }

    /// A peer asks who is valid here.
    pub(super) fn on_who_is_valid(
        &self,
        from: NodeId,
        partition: Partition,
        echo: u64,
        turn: &mut Turn<'_>,
    ) {
        let peers = turn.with(partition, |kept, _| {
            let current = kept.sessions().with(from).is_some_and(|s| s.mine == echo);
            current.then(|| kept.sessions().synced())
        });
        // Under another number it becomes valid here anew, and asks again.
        if let Some(peers) = peers {
            turn.outbox.exchange(
                from,
                partition,
                &Exchange::Valid { partition, number: echo, peers },
            );
        }
    }

    /// A source says who is valid there.
    pub(super) fn on_valid(
        &mut self,
        from: NodeId,
        partition: Partition,
        (number, peers): (u64, &[(NodeId, Life)]),
        turn: &mut Turn<'_>,
    ) {
        let current = turn.with(partition, |kept, _| {
            let current = kept.sessions().with(from).is_some_and(|s| s.valid && s.theirs == number);
            if current {
                kept.note_synced(from, peers);
            }
            current
        });
        if current {
            self.renew_lacking(from, partition, turn);
        }
    }

    /// Gives a new number to the peers that lack what that source knew.
    fn renew_lacking(&mut self, source: NodeId, partition: Partition, turn: &mut Turn<'_>) {
        for bit in turn.with(partition, |kept, _| kept.lacking(source)) {
            self.stats.renewed += 1;
            let number = self.number();
            let peer = turn.with(partition, |kept, _| {
                kept.renew_session(bit, number);
                kept.sessions().get(bit).map(|session| session.peer)
            });
            if let Some(peer) = peer {
                self.due.insert((peer, partition));
            }
        }
    }
}
