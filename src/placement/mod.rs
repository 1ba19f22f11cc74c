//! Who owns what: pure functions of the member list.
//!
//! Keeps true: two nodes that agree on the members agree on the owner of every key without a
//! message, whatever their build. Does not: know who is alive, hold data, or read a clock.

pub mod peer;
pub mod ring;
pub mod slot;

pub use peer::{Generation, Life, NodeId, Zone};
pub use ring::{Circles, Ring, Seat};
pub use slot::{Partition, PartitionCount, SLOTS, slot};
