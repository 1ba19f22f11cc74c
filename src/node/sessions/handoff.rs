//! When a holder that owns no more drops a partition: when every owner, heard since then, is ready,
//! valid here, and covers all it has, but for what an owner brought it meanwhile.

use super::talk::Talk;
use super::{INTERVAL_MS, Sessions};
use crate::node::message::Exchange;
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::sessions::Session;
use crate::store::{Mono, Role};

impl Sessions {
    pub(super) fn consider_handoffs(&mut self, turn: &mut Turn<'_>) {
        let old: Vec<(Partition, Mono)> = self.old.iter().map(|(p, since)| (*p, *since)).collect();
        for (partition, since) in old {
            // Owners differ from node to node for a moment; none of them must drop what another
            // counts on, so an interval passes, and what was heard before it does not count.
            let from = since.plus_ms(INTERVAL_MS);
            let owners = turn.ring.owners(partition);
            let heard = |owner: &NodeId| {
                turn.reachable.contains(owner) && !self.waits_for(*owner, partition)
            };
            let heard = owners.iter().all(heard);
            let taken = heard
                && turn.with(partition, |kept, _| {
                    let sound = |session: &Session| {
                        session.role == Role::Ready && session.is_trusted() && session.heard >= from
                    };
                    let bit = |owner: &NodeId| {
                        let bit = kept.sessions().bit(*owner)?;
                        kept.sessions().get(bit).is_some_and(sound).then_some(1 << bit)
                    };
                    let bits: Option<Vec<u8>> = owners.iter().map(bit).collect();
                    let bits = bits.filter(|bits| !bits.is_empty());
                    bits.is_some_and(|bits| kept.is_covered_by(bits.iter().sum()))
                });
            let blindly = turn.now.mono >= from && !turn.rules().handoff_checks();
            if taken || blindly {
                self.stats.dropped += 1;
                self.old.remove(&partition);
                turn.store.set_role(partition, Role::None, false, turn.now.mono);
                self.drop_partition(partition, turn);
            } else if turn.now.mono >= from {
                self.ask_afresh(partition, from, turn);
            }
        }
    }

    /// Whether something said to a peer is not answered yet.
    fn waits_for(&self, peer: NodeId, partition: Partition) -> bool {
        self.talks.get(&(peer, partition)).is_some_and(Talk::is_waiting)
    }

    /// Makes the owners speak that were not heard since then, or not for an interval.
    fn ask_afresh(&mut self, partition: Partition, from: Mono, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let silent = |heard: Mono| heard < from || now.since(heard) > INTERVAL_MS * 1_000_000;
        let unheard: Vec<NodeId> = turn.see(partition, |kept, _| {
            let sessions = kept.sessions().iter().map(|(_, session)| session);
            sessions.filter(|session| silent(session.heard)).map(|session| session.peer).collect()
        });
        for peer in unheard {
            if turn.reachable.contains(&peer) {
                turn.outbox.exchange(peer, partition, &Exchange::Who { partition });
            }
        }
    }

    /// Drops what is held of a partition, and tells whoever has a session.
    pub(super) fn drop_partition(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        self.boots.remove(&partition);
        self.find_company(partition, turn);
        let peers: Vec<(NodeId, u64)> = turn.see(partition, |kept, _| {
            let each = kept.sessions().iter();
            each.map(|(_, session)| (session.peer, session.theirs)).collect()
        });
        for (peer, echo) in peers {
            self.talks.remove(&(peer, partition));
            self.due.remove(&(peer, partition));
            self.held_back.remove(&(peer, partition));
            if turn.reachable.contains(&peer) {
                turn.outbox.exchange(peer, partition, &Exchange::Nothing { partition, echo });
            }
        }
        turn.with(partition, |kept, _| kept.clear());
    }
}
