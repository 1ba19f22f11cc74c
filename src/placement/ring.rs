//! The ring.

use super::{NodeId, Partition, Zone};

/// One member's seat at the ring.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Seat {
    /// Which node.
    pub id: NodeId,
    /// Its share: number of tokens; 0 owns nothing.
    pub weight: u16,
    /// Its failure domain.
    pub zone: Zone,
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Ring {}

impl Ring {
    /// Builds.
    pub fn build(_roster: Vec<Seat>, _partitions: u16, _replicas: u8) -> Self {
        todo!()
    }
    /// Owners in order of preference.
    pub fn owners(&self, _partition: Partition) -> &[NodeId] {
        todo!()
    }
    /// Hash of the roster.
    pub fn id(&self) -> u64 {
        todo!()
    }
}
