//! Never goes back, for a replica: the version it holds of a key never decreases while its memory
//! lives. It may forget; it never takes up again what is older than what it once held, nor a value
//! that it had to drop because others may have outlived it.
//!
//! A partition that was handed over and dropped is memory that no longer lives: if the node owns it
//! again later, it gets it anew from the others.

use std::collections::BTreeMap;

use chickadee::placement::Partition;
use chickadee::store::{Stamp, Version};

use super::Violation;
use crate::time::Time;

type Held = BTreeMap<Partition, BTreeMap<Vec<u8>, Kept>>;

/// What was seen of a key.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Its newest version.
    version: Version,
    /// The value of that stamp had to be dropped.
    condemned: Option<Stamp>,
}

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
        Look { node, held: &mut entry.1, backwards: None, back: None }
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
        (*seen == life).then(|| Some(held.get(&partition)?.get(key)?.version)).flatten()
    }
}

/// A look at one node.
#[derive(Debug)]
pub struct Look<'a> {
    node: usize,
    held: &'a mut Held,
    backwards: Option<(Vec<u8>, Version, Version)>,
    /// What lives again.
    back: Option<(Vec<u8>, Stamp)>,
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
            Some(before) if before.version == version => false,
            Some(before) => {
                if version < before.version {
                    self.backwards = Some((key.to_vec(), before.version, version));
                }
                before.version = version;
                true
            }
            None => {
                keys.insert(key.to_vec(), Kept { version, condemned: None });
                true
            }
        }
    }

    /// The value of a key is there.
    pub fn lives(&mut self, partition: Partition, key: &[u8], stamp: Stamp) {
        let kept = self.held.get(&partition).and_then(|keys| keys.get(key));
        if kept.is_some_and(|kept| kept.condemned == Some(stamp)) {
            self.back = Some((key.to_vec(), stamp));
        }
    }

    /// The value of a key had to be dropped.
    pub fn condemned(&mut self, partition: Partition, key: &[u8], stamp: Stamp) {
        if let Some(kept) = self.held.get_mut(&partition).and_then(|keys| keys.get_mut(key)) {
            kept.condemned = Some(stamp);
        }
    }

    /// What is to be said about it.
    pub fn verdict(self, at: Time) -> Option<Violation> {
        let (key, text) = match (self.backwards, self.back) {
            (Some((key, before, after)), _) => {
                let (held, version) = (before.value, after.value);
                let (ends, end) = (before.deadline, after.deadline);
                (key, format!("holds {version} {end}, and held {held} {ends} before"))
            }
            (None, Some((key, stamp))) => {
                (key, format!("has the value of {stamp} again, which it had to drop"))
            }
            (None, None) => return None,
        };
        Some(Violation {
            invariant: "replica-never-goes-back",
            at,
            key: Some(String::from_utf8_lossy(&key).into_owned()),
            node: Some(self.node),
            text,
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

    #[test]
    fn a_value_that_had_to_be_dropped_and_lives_again_is_noticed() {
        let mut replicas = Replicas::default();
        let mut look = replicas.look(0, 1);
        look.holds(Partition(1), b"k", version(5));
        look.lives(Partition(1), b"k", version(5).value);
        look.condemned(Partition(1), b"k", version(5).value);
        assert_eq!(look.verdict(Time(0)), None);
        let mut look = replicas.look(0, 1);
        look.lives(Partition(1), b"k", version(6).value);
        assert_eq!(look.verdict(Time(0)), None, "another value");
        let mut look = replicas.look(0, 1);
        look.lives(Partition(1), b"k", version(5).value);
        assert!(look.verdict(Time(0)).is_some());
    }
}
