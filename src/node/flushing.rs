//! What flushes this node knows of, and that others know which.

use super::Node;
use super::codec::{self, Kind};
use crate::store::Flushes;

impl Node {
    /// A peer told what it knows of.
    pub(super) fn learn_flushes(&mut self, flushes: &Flushes) {
        if self.store.rules().flush_table() && self.store.flush(flushes) {
            self.rehash_flushes();
        }
    }

    /// This node may know of more than before: every frame tells so.
    pub(super) fn rehash_flushes(&mut self) {
        if !self.store.rules().flush_table() {
            return;
        }
        let mut bytes = codec::begin(Kind::State);
        codec::put(&mut bytes, &self.store.flushes());
        self.flush_hash = xxhash_rust::xxh3::xxh3_64(&bytes);
    }
}
