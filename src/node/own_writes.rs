//! The versions of this node's own writes that not all owners have acknowledged.
//!
//! A read of such a key carries the version, and an owner that does not cover it says NotYet, so one
//! node reads its own writes wherever the read goes. Bounded: beyond [`OWN_WRITES_MAX`] keys the
//! oldest is dropped and counted, and the promise with it.

use std::collections::VecDeque;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::store::{Key, Version};

/// Most keys remembered.
pub const OWN_WRITES_MAX: usize = 65_536;

/// Writes not acknowledged by all.
///
/// Every write passes through here twice, so this is a hash table; nothing ever iterates over it.
#[derive(Debug)]
pub struct OwnWrites {
    versions: HashTable<OwnWrite>,
    /// By hash of the key and operation, oldest first. An operation writes one key.
    order: VecDeque<(u64, u64)>,
    seed: u64,
    /// Keys dropped because there were too many.
    pub dropped: u64,
}

#[derive(Debug)]
struct OwnWrite {
    key: Key,
    version: Version,
    operation: u64,
}

impl OwnWrites {
    /// `seed` keys the hashes: unknown outside, because chosen keys could otherwise collide.
    pub fn new(seed: u64) -> OwnWrites {
        OwnWrites { versions: HashTable::new(), order: VecDeque::new(), seed, dropped: 0 }
    }

    /// Number of keys.
    #[cfg(feature = "simulation")]
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// The version that a read of this key must know; zero if all owners have it.
    pub fn version(&self, key: &Key) -> Version {
        if self.versions.is_empty() {
            return Version::ZERO;
        }
        let found = self.versions.find(hash(key, self.seed), |own| own.key == *key);
        found.map_or(Version::ZERO, |own| own.version)
    }

    /// A write, by that operation, was acknowledged, but not by all.
    pub fn remember(&mut self, key: &Key, version: Version, operation: u64) {
        let (hash_of_key, seed) = (hash(key, self.seed), self.seed);
        match self.versions.find_mut(hash_of_key, |own| own.key == *key) {
            Some(own) if version <= own.version => return,
            Some(own) => (own.version, own.operation) = (version, operation),
            None => {
                let own = OwnWrite { key: key.clone(), version, operation };
                self.versions.insert_unique(hash_of_key, own, |own| hash(&own.key, seed));
            }
        }
        self.order.push_back((hash_of_key, operation));
        while self.versions.len() > OWN_WRITES_MAX {
            let Some((hash, operation)) = self.order.pop_front() else {
                break;
            };
            if self.remove(hash, operation) {
                self.dropped += 1;
            }
        }
        // What was forgotten in time leaves its place in the order behind.
        while self.order.len() > 2 * OWN_WRITES_MAX {
            self.order.pop_front();
        }
        while let Some((hash, operation)) = self.order.front() {
            if self.versions.find(*hash, |own| own.operation == *operation).is_some() {
                break;
            }
            self.order.pop_front();
        }
    }

    /// All owners have what that operation wrote. Returns whether it was remembered.
    pub fn forget(&mut self, key: &Key, operation: u64) -> bool {
        !self.versions.is_empty() && self.remove(hash(key, self.seed), operation)
    }

    /// Nobody has it any more.
    pub fn lost(&mut self, key: &Key) {
        if let Ok(own) = self.versions.find_entry(hash(key, self.seed), |own| own.key == *key) {
            own.remove();
        }
    }

    fn remove(&mut self, hash: u64, operation: u64) -> bool {
        let own = self.versions.find_entry(hash, |own| own.operation == operation);
        own.map(|own| own.remove()).is_ok()
    }
}

fn hash(key: &Key, seed: u64) -> u64 {
    xxh3_64_with_seed(&key.bytes, seed ^ u64::from(key.namespace.0))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{Hlc, Namespace, Stamp, Writer};

    fn key(n: usize) -> Key {
        Key { namespace: Namespace(0), bytes: Bytes::from(n.to_string()) }
    }

    fn version(n: u64) -> Version {
        Version::of(Stamp { hlc: Hlc(n), writer: Writer(1) })
    }

    #[test]
    fn an_older_operation_that_ends_late_does_not_forget_a_newer_write() {
        let mut own = OwnWrites::new(7);
        own.remember(&key(1), version(1), 10);
        own.remember(&key(1), version(2), 11);
        assert!(!own.forget(&key(1), 10));
        assert_eq!(own.version(&key(1)), version(2));
        assert!(own.forget(&key(1), 11));
        assert_eq!(own.version(&key(1)), Version::ZERO);
    }

    #[test]
    fn the_oldest_is_dropped_and_counted() {
        let mut own = OwnWrites::new(7);
        for n in 0..OWN_WRITES_MAX + 3 {
            own.remember(&key(n), version(n as u64 + 1), n as u64);
        }
        assert_eq!(own.dropped, 3);
        assert_eq!(own.version(&key(2)), Version::ZERO);
        assert_ne!(own.version(&key(3)), Version::ZERO);
    }
}
