//! Audit: no node finds by its own audits that a peer wants what it was taken to cover. Nodes look
//! that up in each other once in a while, as they do outside of simulations;
//! [`covered`](super::covered) looks at all of it, from outside.

use super::Violation;
use crate::time::Time;

/// Complains if a node had to repair something that was taken for known.
pub fn judge(at: Time, node: usize, repaired: u64) -> Option<Violation> {
    (repaired > 0).then(|| Violation {
        invariant: "audit",
        at,
        key: None,
        node: Some(node),
        text: format!("a peer wanted {repaired} entries that it was taken to cover"),
    })
}
