//! The versions of this node's own latest writes.
//!
//! A read of such a key carries the version, and an owner that does not cover it says NotYet, so one
//! node reads its own writes wherever the read goes. A write is remembered also when all owners have
//! acknowledged it: after a split, or while a partition is handed over, its owners are others than
//! those who did. Bounded: beyond [`OWN_WRITES_MAX`] keys the oldest is dropped, and the promise with
//! it; that is counted if not all owners had it.
//!
//! A node that becomes an owner answers from its own store, past this list, so it is told then what
//! it must not overlook ([`OwnWrites::guard`]).

use std::collections::VecDeque;

use super::turn::Turn;
use crate::placement::Partition;
use crate::store::{Key, Role, Stamp, Version, key_hash, key_ref};
use hashbrown::HashTable;

/// Most keys remembered.
pub const OWN_WRITES_MAX: usize = 65_536;

/// Own writes, by a hash of the key. Of two keys with one hash, the reads of one are asked for too
/// much, and end as they do when all owners have lost a write: slowly, but well.
///
/// Every write passes through here twice, so this is a hash table.
#[derive(Debug)]
pub struct OwnWrites {
    writes: HashTable<OwnWrite>,
    /// Hash of the key and operation, oldest first. An operation writes one key.
    order: VecDeque<(u64, u64)>,
    seed: u64,
    /// Keys dropped because there were too many, before all owners had them.
    pub dropped: u64,
}

#[derive(Debug)]
struct OwnWrite {
    hash: u64,
    partition: Partition,
    version: Version,
    /// The newest value that was written; later than that of the version's may be only its deadline.
    value: Stamp,
    operation: u64,
    /// All owners have acknowledged it.
    settled: bool,
}

impl OwnWrites {
    /// `seed` keys the hashes: unknown outside, because chosen keys could otherwise collide.
    pub fn new(seed: u64) -> OwnWrites {
        OwnWrites { writes: HashTable::new(), order: VecDeque::new(), seed, dropped: 0 }
    }

    /// Number of keys.
    #[cfg(feature = "simulation")]
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// The version that a read of this key must know; zero if it was not written here lately.
    pub fn version(&self, key: &Key) -> Version {
        if self.writes.is_empty() {
            return Version::ZERO;
        }
        let hash = self.hash(key);
        self.writes.find(hash, |own| own.hash == hash).map_or(Version::ZERO, |own| own.version)
    }

    /// The newest value of that key that this node's clients have written lately, themselves or by a
    /// decider; zero if none. Where one has only changed the deadline, the value is another's.
    pub fn value(&self, key: &Key) -> Stamp {
        let hash = self.hash(key);
        self.writes.find(hash, |own| own.hash == hash).map_or(Stamp::ZERO, |own| own.value)
    }

    /// A write, by that operation, was acknowledged.
    pub fn remember(&mut self, key: &Key, partition: Partition, version: Version, operation: u64) {
        let hash = self.hash(key);
        let written = version.value == version.deadline;
        let value = if written { version.value } else { Stamp::ZERO };
        let write = OwnWrite { hash, partition, version, value, operation, settled: false };
        match self.writes.find_mut(hash, |own| own.hash == hash) {
            Some(own) if version <= own.version => return,
            Some(own) => *own = OwnWrite { value: value.max(own.value), ..write },
            None => drop(self.writes.insert_unique(hash, write, |own| own.hash)),
        }
        self.order.push_back((hash, operation));
        while self.writes.len() > OWN_WRITES_MAX {
            let Some((hash, operation)) = self.order.pop_front() else {
                break;
            };
            let own = self.writes.find_entry(hash, |own| own.operation == operation);
            // What was written again since stands further behind.
            if let Ok(own) = own {
                self.dropped += u64::from(!own.remove().0.settled);
            }
        }
        // What was written again leaves its former place in the order behind.
        if self.order.len() > 2 * OWN_WRITES_MAX {
            let writes = &self.writes;
            self.order.retain(|(hash, operation)| {
                writes.find(*hash, |own| own.operation == *operation).is_some()
            });
        }
    }

    /// The owners changed: where this node begins to boot, it must not answer alone with less than it
    /// wrote.
    pub fn guard(&self, turn: &Turn<'_>) {
        if self.writes.is_empty() {
            return;
        }
        let partitions = turn.store.options().partitions.iter();
        let boots: Vec<bool> = partitions.map(|p| turn.role(p) == Role::Boot).collect();
        for own in self.writes.iter().filter(|own| boots[usize::from(own.partition.0)]) {
            turn.with(own.partition, |kept, _| kept.guard(own.hash, own.version));
        }
    }

    /// All owners have what that operation wrote.
    pub fn settle(&mut self, key: &Key, operation: u64) {
        let hash = self.hash(key);
        if let Some(own) = self.writes.find_mut(hash, |own| own.operation == operation) {
            own.settled = true;
        }
    }

    /// Nobody has it any more.
    pub fn lost(&mut self, key: &Key) {
        let hash = self.hash(key);
        if let Ok(own) = self.writes.find_entry(hash, |own| own.hash == hash) {
            own.remove();
        }
    }

    fn hash(&self, key: &Key) -> u64 {
        key_hash(key_ref(key), self.seed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{Hlc, Namespace, Writer};

    fn key(n: usize) -> Key {
        Key { namespace: Namespace(0), bytes: Bytes::from(n.to_string()) }
    }

    fn version(n: u64) -> Version {
        Version::of(Stamp { hlc: Hlc(n), writer: Writer(1) })
    }

    #[test]
    fn an_older_operation_that_ends_late_says_nothing_of_a_newer_write() {
        let mut own = OwnWrites::new(7);
        own.remember(&key(1), Partition(0), version(1), 10);
        own.remember(&key(1), Partition(0), version(2), 11);
        own.settle(&key(1), 10);
        own.remember(&key(1), Partition(0), version(1), 10);
        assert_eq!(own.version(&key(1)), version(2));
        own.lost(&key(1));
        assert_eq!(own.version(&key(1)), Version::ZERO);
    }

    #[test]
    fn a_new_deadline_leaves_the_value_another_s() {
        let mut own = OwnWrites::new(7);
        let stamp = |n| version(n).value;
        own.remember(&key(1), Partition(0), version(1), 10);
        own.remember(&key(1), Partition(0), Version { value: stamp(2), deadline: stamp(3) }, 11);
        assert_eq!((own.value(&key(1)), own.version(&key(1)).value), (stamp(1), stamp(2)));
        own.remember(&key(1), Partition(0), version(4), 12);
        assert_eq!(own.value(&key(1)), stamp(4));
    }

    #[test]
    fn the_oldest_is_dropped_and_counted_unless_all_owners_had_it() {
        let mut own = OwnWrites::new(7);
        for n in 0..OWN_WRITES_MAX + 3 {
            own.remember(&key(n), Partition(0), version(n as u64 + 1), n as u64);
            if n == 1 {
                own.settle(&key(1), 1);
            }
        }
        assert_eq!(own.dropped, 2);
        assert_eq!(own.version(&key(2)), Version::ZERO);
        assert_ne!(own.version(&key(3)), Version::ZERO);
    }

    #[test]
    fn writing_one_key_again_and_again_costs_no_memory() {
        let mut own = OwnWrites::new(7);
        for n in 0..3 * OWN_WRITES_MAX as u64 {
            own.remember(&key(1), Partition(0), version(n + 1), n);
        }
        assert_eq!(own.writes.len(), 1);
        assert!(own.order.len() <= 2 * OWN_WRITES_MAX);
    }
}
