//! The versions of this node's own writes that not all owners have acknowledged.
//!
//! A read of such a key carries the version, and an owner that does not cover it says NotYet, so one
//! node reads its own writes wherever the read goes. Bounded: beyond [`OWN_WRITES_MAX`] keys the
//! oldest is dropped and counted, and the promise with it.

use std::collections::{BTreeMap, VecDeque};

use crate::store::{Key, Version};

/// Most keys remembered.
pub const OWN_WRITES_MAX: usize = 65_536;

/// Writes not acknowledged by all.
#[derive(Debug, Default)]
pub struct OwnWrites {
    versions: BTreeMap<Key, (Version, u64)>,
    order: VecDeque<(Key, u64)>,
    /// Keys dropped because there were too many.
    pub dropped: u64,
}

impl OwnWrites {
    /// Number of keys.
    #[cfg(feature = "simulation")]
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// The version that a read of this key must know; zero if all owners have it.
    pub fn version(&self, key: &Key) -> Version {
        self.versions.get(key).map_or(Version::ZERO, |(version, _)| *version)
    }

    /// A write, by that operation, was acknowledged, but not by all.
    pub fn remember(&mut self, key: &Key, version: Version, operation: u64) {
        let held = self.version(key);
        if version <= held {
            return;
        }
        self.versions.insert(key.clone(), (version, operation));
        self.order.push_back((key.clone(), operation));
        while self.versions.len() > OWN_WRITES_MAX {
            let Some((key, operation)) = self.order.pop_front() else {
                break;
            };
            if self.forget(&key, operation) {
                self.dropped += 1;
            }
        }
        // What was forgotten in time leaves its place in the order behind.
        while self.order.len() > 2 * OWN_WRITES_MAX {
            self.order.pop_front();
        }
        while let Some((key, operation)) = self.order.front() {
            if self.versions.get(key).is_some_and(|(_, op)| op == operation) {
                break;
            }
            self.order.pop_front();
        }
    }

    /// All owners have what that operation wrote. Returns whether it was remembered.
    pub fn forget(&mut self, key: &Key, operation: u64) -> bool {
        let same = self.versions.get(key).is_some_and(|(_, op)| *op == operation);
        if same {
            self.versions.remove(key);
        }
        same
    }

    /// Nobody has it any more.
    pub fn lost(&mut self, key: &Key) {
        self.versions.remove(key);
    }
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
        let mut own = OwnWrites::default();
        own.remember(&key(1), version(1), 10);
        own.remember(&key(1), version(2), 11);
        assert!(!own.forget(&key(1), 10));
        assert_eq!(own.version(&key(1)), version(2));
        assert!(own.forget(&key(1), 11));
        assert_eq!(own.version(&key(1)), Version::ZERO);
    }

    #[test]
    fn the_oldest_is_dropped_and_counted() {
        let mut own = OwnWrites::default();
        for n in 0..OWN_WRITES_MAX + 3 {
            own.remember(&key(n), version(n as u64 + 1), n as u64);
        }
        assert_eq!(own.dropped, 3);
        assert_eq!(own.version(&key(2)), Version::ZERO);
        assert_ne!(own.version(&key(3)), Version::ZERO);
    }
}
