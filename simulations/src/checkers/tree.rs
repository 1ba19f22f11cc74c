//! The tree of a partition is what its entries add up to, whatever was written, merged, expired,
//! evicted, flushed and forgotten: two nodes would take each other for equal where they are not.

use chickadee::placement::Partition;
use chickadee::store;

use super::Violation;
use crate::time::Time;

/// Complains about a tree that is not the sum of what is held.
pub fn judge(
    at: Time,
    node: usize,
    partition: Partition,
    kept: &store::Partition,
) -> Option<Violation> {
    if kept.tree_is_right() {
        return None;
    }
    let text = format!("partition {}: the sums are not those of its entries", partition.0);
    Some(Violation { invariant: "tree", at, key: None, node: Some(node), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tree_is_right() {
        assert_eq!(judge(Time(0), 0, Partition(0), &store::Partition::new(1)), None);
    }
}
