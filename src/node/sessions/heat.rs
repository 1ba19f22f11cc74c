//! Telling the other owners what is read here: nothing of it is read there, and they have as little
//! room. See `store/partition/heat`.

use super::Sessions;
use crate::node::message::Exchange;
use crate::node::turn::Turn;
use crate::placement::Partition;

impl Sessions {
    /// Tells the others who own a partition what of it was read here, once in an interval.
    pub(super) fn tell_heat(&self, partition: Partition, turn: &mut Turn<'_>) {
        // Mostly there is none, and then nothing changes.
        if !turn.see(partition, |kept, _| kept.has_heated()) {
            return;
        }
        let hashes = turn.with(partition, |kept, _| kept.take_heated());
        let message = Exchange::Hot { partition, hashes };
        let owners = turn.ring.owners(partition).iter();
        for owner in owners.filter(|owner| turn.reachable.contains(owner)) {
            turn.outbox.exchange(*owner, partition, &message);
        }
    }
}
