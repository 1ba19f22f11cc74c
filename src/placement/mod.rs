//! Who owns what: pure functions of the member list.

pub mod peer;
pub mod ring;
pub mod slot;

pub use peer::{Generation, NodeId, Zone};
pub use ring::{Ring, Seat};
pub use slot::{Partition, SLOTS, slot};
