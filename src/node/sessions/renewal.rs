//! Passing on what was learnt by becoming valid at a peer (rule R7).
//!
//! A floor stands for what several processes have forgotten, each by itself. Whoever is valid at
//! one of them covers what that one has forgotten; whoever adopts a floor that has adopted others'
//! learns of them, too, and his own peers may not know: they would serve what is dead once those
//! who knew are gone. Such a peer lacks something, and is not trusted meanwhile. At the next
//! interval the process that forgot is asked who is valid there; who is not, or if that process is
//! gone, gets a new session number, so that it becomes valid here anew.
//!
//! It ends, because only what a process forgets by itself is news, and once. Renewing at once,
//! without asking and whatever was learnt, did not: where seven or more holders opened sessions at
//! a time each renewal was overtaken by the next one (swarm seeds 42 and 238).

use super::Sessions;
use crate::node::message::Exchange;
use crate::node::turn::Turn;
use crate::placement::{Life, NodeId, Partition};

impl Sessions {
    /// Looks after the peers that lack something, once in an interval.
    pub(super) fn see_to_lacking(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        let mut sources: Vec<(NodeId, Life)> = turn.see(partition, |kept, _| {
            let sessions = kept.sessions().iter();
            sessions.flat_map(|(_, session)| session.lacks.iter().copied()).collect()
        });
        sources.sort_unstable();
        sources.dedup();
        for (peer, life) in sources {
            if turn.reachable.contains(&peer) && turn.life(peer) == life {
                turn.outbox.exchange(peer, partition, &Exchange::WhoIsValid { partition });
            } else {
                self.renew_lacking((peer, life), partition, turn);
            }
        }
    }

    /// A peer asks who is valid here.
    pub(super) fn on_who_is_valid(&self, from: NodeId, partition: Partition, turn: &mut Turn<'_>) {
        let peers = turn.see(partition, |kept, _| kept.sessions().valid());
        let life = self.life;
        turn.outbox.exchange(from, partition, &Exchange::Valid { partition, life, peers });
    }

    /// A process says who is valid there.
    pub(super) fn on_valid(
        &mut self,
        by: (NodeId, Life),
        partition: Partition,
        peers: &[(NodeId, Life)],
        turn: &mut Turn<'_>,
    ) {
        turn.with(partition, |kept, _| kept.note_valid(by, peers));
        self.renew_lacking(by, partition, turn);
    }

    /// Gives a new number to the peers that lack what that process has forgotten.
    fn renew_lacking(&mut self, by: (NodeId, Life), partition: Partition, turn: &mut Turn<'_>) {
        for bit in turn.see(partition, |kept, _| kept.lacking(by)) {
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
