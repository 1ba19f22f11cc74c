//! What is read. Eviction spares it, and each node sees only what is read there: the other owners of
//! a key, to whom nothing but writes come, would drop what is read most, and have it no more on the
//! day when they are asked. So each key that is read, and was not since eviction last looked, is told
//! to them; and whoever takes over a partition is told, too. Where nothing is evicted that is once.

use super::{Context, Held, Partition, judge};
use crate::store::record::KeyRef;

/// Most keys that are told at a time.
pub const HEATED_MAX: usize = 128;

impl Partition {
    /// What is held about a key, for a client: eviction spares what is read.
    pub fn read(&mut self, key: KeyRef<'_>, context: &Context<'_>) -> Held<'_> {
        let hash = self.hash(key);
        match self.table.find_mut(hash, |r| r.is(key)) {
            Some(record) => {
                if !record.is_hot() {
                    record.heat();
                    if self.heated.len() < HEATED_MAX && self.sessions.mask() != 0 {
                        self.heated.push(hash);
                    }
                }
                judge(record, context)
            }
            None => Held::Nothing,
        }
    }

    /// Whether [`Partition::take_heated`] would find any.
    pub fn has_heated(&self) -> bool {
        !self.heated.is_empty()
    }

    /// The hashes of some keys that were read since this was asked last, and had not been lately.
    pub fn take_heated(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.heated)
    }

    /// These are read elsewhere.
    pub fn warm(&mut self, hashes: &[u64]) {
        for hash in hashes {
            let same = |r: &super::Record| super::key_hash(r.key(), self.seed) == *hash;
            if let Some(record) = self.table.find_mut(*hash, same) {
                record.warm();
            }
        }
    }

    /// Whether a key was read lately.
    pub fn is_hot(&self, key: KeyRef<'_>) -> bool {
        self.table.find(self.hash(key), |r| r.is(key)).is_some_and(super::Record::is_hot)
    }
}
