//! Names: which node, which life of it.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Who a node is: the first 16 bytes of the SHA-256 of its public key (DER SubjectPublicKeyInfo).
///
/// It survives restarts and changes of address, so a node keeps its place on the ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 16]);

impl Ord for NodeId {
    /// That of the bytes, as one number: compared with every look into a set of peers.
    fn cmp(&self, other: &NodeId) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &NodeId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for NodeId {
    /// The first eight bytes in hexadecimal: enough for a human and a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// How late a word about a node is: grows with every start, so that of two processes with one
/// [`NodeId`] the newer wins, and whenever a node was declared down meanwhile. A process starts with
/// its wall clock in milliseconds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

/// Which process of a node: the generation it started with. Its memory begins and ends with it,
/// whereas a node that was declared down meanwhile takes a later generation and keeps what it holds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Life(pub u64);

/// A failure domain (rack, data centre): copies of a partition go to different zones where there
/// are several. At most 16 bytes of text; empty means none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Zone(pub String);
