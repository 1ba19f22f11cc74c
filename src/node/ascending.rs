//! Looking into a set for one id after the other, from the smallest on: together as long as the set,
//! where each look by itself takes its logarithm, and misses a cache or two.

use std::collections::BTreeSet;

use crate::placement::NodeId;

/// Whether the set has an id; to be asked in ascending order.
pub(super) fn ascending(set: &BTreeSet<NodeId>) -> impl FnMut(&NodeId) -> bool {
    let mut rest = set.iter().peekable();
    move |id| {
        while rest.next_if(|next| *next < id).is_some() {}
        rest.peek() == Some(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_set_is_found() {
        let id = |n: u8| NodeId([n; 16]);
        let set: BTreeSet<NodeId> = [1, 4, 5, 9].map(id).into();
        let mut has = ascending(&set);
        let found: Vec<bool> = [0, 1, 3, 4, 4, 6, 9, 10].map(|n| has(&id(n))).into();
        assert_eq!(found, [false, true, false, true, true, false, true, false]);
    }
}
