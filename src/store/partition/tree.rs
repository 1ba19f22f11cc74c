//! The Merkle tree of a partition: sums over the entries of ranges of the hash, so that two holders
//! find what differs without naming what does not.
//!
//! An element is a keyed 128-bit hash of (hash of the key, version), which is as good as the key
//! itself. A leaf is the *sum* of its elements, not their XOR: sums of different sets of elements
//! whose hash nobody outside can compute are equal by chance only. The value is not hashed, nor
//! whether there still is one: a version has one value, and who holds its mark covers it, too. Only a
//! mark whose value was condemned is another element: who still holds that value is to be told.
//!
//! A tree is kept while there is somebody to compare with: a node that is alone, or the only owner,
//! writes without it, and whoever opens a session adds it up from what is held, in the step that
//! clears that session's bit on all of it anyway.
//!
//! Only the leaves are kept. A leaf is chosen by the bits of the key's hash below those that choose
//! the floor, the topmost first, so that a node of an upper level is the sum of neighbours, and trees
//! of different height are compared at the lower one. Their number is a power of two and follows the
//! number of entries.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::FLOORS;
use crate::store::entry::Version;

/// Highest level of leaves: 2 to the power of it are the most.
pub const LEVEL_MAX: u8 = 20;

/// Entries per leaf on average above which the leaves are doubled.
const CROWDED: usize = 32;
/// Entries per leaf on average below which they are halved.
const SPARSE: usize = 8;

/// The sum of some elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    sum: u128,
    count: u32,
}

impl Sum {
    fn add(&mut self, element: u128) {
        self.sum = self.sum.wrapping_add(element);
        self.count = self.count.wrapping_add(1);
    }

    fn subtract(&mut self, element: u128) {
        self.sum = self.sum.wrapping_sub(element);
        self.count = self.count.wrapping_sub(1);
    }

    fn join(self, other: Sum) -> Sum {
        Sum { sum: self.sum.wrapping_add(other.sum), count: self.count.wrapping_add(other.count) }
    }

    /// The form that travels: half of the sum, and the count. Of all ways to shorten a sum only
    /// cutting it off is such that the short ones add up as the long ones do.
    pub fn folded(self) -> u64 {
        fold(self.sum).wrapping_add(u64::from(self.count).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }
}

/// An element as it travels.
pub fn fold(element: u128) -> u64 {
    element as u64
}

/// The node of a level that a key of that hash lies under.
pub fn node(hash: u64, level: u8) -> u32 {
    let below_floors = hash << FLOORS.trailing_zeros();
    below_floors.checked_shr(64 - u32::from(level)).unwrap_or(0) as u32
}

/// The leaves of one partition.
#[derive(Clone, Debug)]
pub struct Tree {
    seed: u64,
    /// Whether entries are added up at all.
    kept: bool,
    level: u8,
    entries: usize,
    leaves: Vec<Sum>,
}

/// A single leaf that holds nothing may not be there yet.
impl PartialEq for Tree {
    fn eq(&self, other: &Tree) -> bool {
        let root = |tree: &Tree| (tree.level, tree.entries, tree.sum(0, 0));
        let either_none = self.leaves.is_empty() || other.leaves.is_empty();
        root(self) == root(other) && (either_none || self.leaves == other.leaves)
    }
}

impl Tree {
    /// A tree in which nothing is added up, for a partition with that seed.
    pub fn idle(seed: u64) -> Tree {
        Tree { kept: false, ..Tree::new(seed, 0) }
    }

    /// The level at which so many entries fill leaves well.
    pub fn level_for(entries: usize) -> u8 {
        let leaves = entries.div_ceil(CROWDED).max(1).next_power_of_two();
        (leaves.trailing_zeros() as u8).min(LEVEL_MAX)
    }

    /// Whether entries are added up.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// An empty tree with 2 to the power of `level` leaves, for a partition with that seed.
    pub fn new(seed: u64, level: u8) -> Tree {
        let seed = xxh3_64_with_seed(b"elements of the tree", seed);
        // Most partitions of a small node are empty, and cost nothing.
        let leaves = if level == 0 { Vec::new() } else { vec![Sum::default(); 1 << level] };
        Tree { seed, kept: true, level, entries: 0, leaves }
    }

    /// Level of the leaves.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Entries in all.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes of memory.
    pub fn footprint(&self) -> usize {
        self.leaves.capacity() * size_of::<Sum>()
    }

    /// Whether it needs more leaves.
    pub fn is_crowded(&self) -> bool {
        self.entries > CROWDED << self.level && self.level < LEVEL_MAX
    }

    /// An entry is there that was not.
    pub fn enter(&mut self, hash: u64, version: Version, condemned: bool) {
        if !self.kept {
            return;
        }
        let element = self.element(hash, version, condemned);
        self.leaf(hash).add(element);
        self.entries += 1;
    }

    /// An entry is gone.
    pub fn leave(&mut self, hash: u64, version: Version, condemned: bool) {
        if !self.kept {
            return;
        }
        let element = self.element(hash, version, condemned);
        self.leaf(hash).subtract(element);
        self.entries -= 1;
        if self.entries < SPARSE << self.level && self.level > 0 {
            self.level -= 1;
            self.leaves = self.leaves.chunks(2).map(|pair| pair[0].join(pair[1])).collect();
        }
    }

    /// An entry has another version, or was condemned.
    pub fn replace(&mut self, hash: u64, before: (Version, bool), after: (Version, bool)) {
        if !self.kept {
            return;
        }
        let element = |(version, condemned)| self.element(hash, version, condemned);
        let elements = (element(before), element(after));
        let leaf = self.leaf(hash);
        leaf.sum = leaf.sum.wrapping_sub(elements.0).wrapping_add(elements.1);
    }

    /// The sum of a node of the level of the leaves or one above. `None`: there is no such node.
    pub fn sum(&self, level: u8, node: u32) -> Option<Sum> {
        let below = self.level.checked_sub(level)?;
        if u64::from(node) >= 1 << level {
            return None;
        }
        let first = (node as usize) << below;
        let leaves = self.leaves.get(first..first + (1 << below)).unwrap_or_default();
        Some(leaves.iter().copied().fold(Sum::default(), Sum::join))
    }

    /// The element of an entry whose key has that hash. Of two keys with one hash the versions
    /// differ, because no stamp is given out twice.
    pub fn element(&self, hash: u64, version: Version, condemned: bool) -> u128 {
        let Version { value, deadline } = version;
        let words = [hash, value.hlc.0, value.writer.0, deadline.hlc.0, deadline.writer.0];
        // The same on all machines.
        let bytes = words.map(u64::to_le_bytes);
        let element = xxh3_128_with_seed(bytes.as_flattened(), self.seed);
        if condemned { !element } else { element }
    }

    fn leaf(&mut self, hash: u64) -> &mut Sum {
        if self.leaves.is_empty() {
            self.leaves = vec![Sum::default(); 1 << self.level];
        }
        &mut self.leaves[node(hash, self.level) as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::clock::{Hlc, Stamp, Writer};
    use crate::store::entry::Namespace;
    use crate::store::record::KeyRef;
    use crate::store::shard::key_hash;

    fn version(n: u64) -> Version {
        Version::of(Stamp { hlc: Hlc(n), writer: Writer(1) })
    }

    fn enter(tree: &mut Tree, n: u32, at: u64) {
        let bytes = n.to_le_bytes();
        let key = KeyRef { namespace: Namespace(0), bytes: &bytes };
        tree.enter(key_hash(key, 1), version(at), false);
    }

    fn tree(level: u8, entries: impl IntoIterator<Item = (u32, u64)>) -> Tree {
        let mut tree = Tree::new(1, level);
        entries.into_iter().for_each(|(n, at)| enter(&mut tree, n, at));
        tree
    }

    fn sums(tree: &Tree, level: u8) -> Vec<Sum> {
        (0..1 << level).map(|node| tree.sum(level, node).expect("not below the leaves")).collect()
    }

    proptest! {
        #[test]
        fn the_order_in_which_entries_come_does_not_matter(
            entries in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..100),
            level in 0u8..6,
        ) {
            let there = tree(level, entries.clone());
            let back = tree(level, entries.into_iter().rev());
            prop_assert_eq!(there, back);
        }

        #[test]
        fn a_tree_folds_into_a_lower_one(
            entries in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..100),
            high in 0u8..8,
            low in 0u8..8,
        ) {
            let (high, low) = (high.max(low), high.min(low));
            let folded = sums(&tree(high, entries.clone()), low);
            let kept = sums(&tree(low, entries), low);
            let added: Vec<u64> = folded.iter().map(|sum| sum.folded()).collect();
            prop_assert_eq!(&folded, &kept);
            let root = tree(0, []).sum(0, 0).map(|s| s.folded()).unwrap_or_default();
            prop_assert_eq!(root, 0);
            let total = added.into_iter().fold(0, u64::wrapping_add);
            let kept = kept.into_iter().fold(Sum::default(), Sum::join).folded();
            prop_assert_eq!(total, kept);
        }
    }

    #[test]
    fn another_version_is_another_sum_and_a_swap_is_noticed() {
        let sum = |entries: &[(u32, u64)]| tree(0, entries.iter().copied()).sum(0, 0);
        assert_ne!(sum(&[(1, 1), (2, 2)]), sum(&[(1, 2), (2, 1)]));
        assert_ne!(sum(&[(1, 1)]), sum(&[(1, 2)]));
        assert_ne!(sum(&[(1, 1)]), sum(&[(1, 1), (1, 1)]));
    }

    #[test]
    fn the_bytes_of_an_element_have_not_changed() {
        let value = Stamp { hlc: Hlc(5), writer: Writer(6) };
        let deadline = Stamp { hlc: Hlc(7), writer: Writer(8) };
        let tree = Tree::new(9, 0);
        let element = fold(tree.element(4, Version { value, deadline }, false));
        assert_eq!(element, 8_937_771_285_871_419_701);
    }

    #[test]
    fn nodes_that_do_not_exist_have_no_sum() {
        let tree = tree(3, (0..50).map(|n| (n, 1)));
        assert!(tree.sum(4, 0).is_none());
        assert!(tree.sum(3, 8).is_none());
        assert!(tree.sum(3, 7).is_some());
    }
}
