//! Never goes back, for a replica: the version it holds of a key never decreases while its memory
//! lives. It may forget; it never takes up again what is older than what it once held.
//!
//! A partition that was handed over and dropped is memory that no longer lives: if the node owns it
//! again later, it gets it anew from the others.

use std::collections::BTreeMap;

use chickadee::placement::Partition;
use chickadee::store::Version;

use super::Violation;
use crate::time::Time;

type Held = BTreeMap<Partition, BTreeMap<Vec<u8>, Version>>;

/// What every replica was seen to hold.
#[derive(Debug, Default)]
pub struct Replicas {
    lives: BTreeMap<usize, (u32, Held)>,
}

impl Replicas {
    /// Begins a look at a node.
    pub fn look(&mut self, node: usize, life: u32) -> Look<'_> {
        let entry = self.lives.entry(node).or_default();
        if entry.0 != life {
            *entry = (life, Held::new());
        }
        Look { node, held: &mut entry.1, backwards: None }
    }

    /// The newest version of a key that a node was seen to hold in that life, whether or not it
    /// still does.
    pub fn known(
        &self,
        node: usize,
        life: u32,
        partition: Partition,
        key: &[u8],
    ) -> Option<Version> {
        let (seen, held) = self.lives.get(&node)?;
        (*seen == life).then(|| held.get(&partition)?.get(key).copied()).flatten()
    }
}

/// A look at one node.
#[derive(Debug)]
pub struct Look<'a> {
    node: usize,
    held: &'a mut Held,
    backwards: Option<(Vec<u8>, Version, Version)>,
}

impl Look<'_> {
    /// The node has nothing to do with that partition.
    pub fn dropped(&mut self, partition: Partition) {
        self.held.remove(&partition);
    }

    /// The node holds a key at a version. Returns whether that is news.
    pub fn holds(&mut self, partition: Partition, key: &[u8], version: Version) -> bool {
        let keys = self.held.entry(partition).or_default();
        match keys.get_mut(key) {
            Some(before) if *before == version => false,
            Some(before) => {
                if version < *before {
                    self.backwards = Some((key.to_vec(), *before, version));
                }
                *before = version;
                true
            }
            None => {
                keys.insert(key.to_vec(), version);
                true
            }
        }
    }

    /// What is to be said about it.
    pub fn verdict(self, at: Time) -> Option<Violation> {
        let (key, before, after) = self.backwards?;
        Some(Violation {
            invariant: "replica-never-goes-back",
            at,
            key: Some(String::from_utf8_lossy(&key).into_owned()),
            node: Some(self.node),
            text: format!(
                "holds {} {}, and held {} {} before",
                after.value, after.deadline, before.value, before.deadline
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::version;
    use super::*;

    #[test]
    fn an_older_version_in_one_life_is_noticed() {
        let mut replicas = Replicas::default();
        let mut hold = |life, n| {
            let mut look = replicas.look(0, life);
            look.holds(Partition(1), b"k", version(n));
            look.verdict(Time(0))
        };
        assert_eq!(hold(1, 5), None);
        assert_eq!(hold(1, 6), None);
        assert!(hold(1, 4).is_some());
        assert_eq!(hold(2, 1), None, "another life, another memory");
    }
}
