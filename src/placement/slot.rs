//! Slots and partitions: where a key belongs.

/// Number of slots, as in Redis Cluster.
pub const SLOTS: u16 = 16384;

/// A partition: a contiguous range of slots, the unit of ownership.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Partition(pub u16);

/// The slot of a key.
pub fn slot(_key: &[u8]) -> u16 {
    todo!()
}
