//! What this node's clients wrote through it while others owned the partition: a local answer with
//! less than that would take their own writes from them.

use super::Partition;
use crate::store::entry::Version;
use crate::store::record::KeyRef;

/// Most keys guarded; beyond it the oldest are not, and the promise with them.
const GUARDS_MAX: usize = 256;

impl Partition {
    /// From now on a key of that hash is answered locally only if what is held is at least that
    /// version.
    pub fn guard(&mut self, hash: u64, version: Version) {
        self.guards.retain(|(guarded, _)| *guarded != hash);
        if self.guards.len() == GUARDS_MAX {
            self.guards.pop_front();
        }
        self.guards.push_back((hash, version));
    }

    /// That version is lost: whatever is held of the key counts again.
    pub fn release(&mut self, key: KeyRef<'_>) {
        let hash = self.hash(key);
        self.guards.retain(|(guarded, _)| *guarded != hash);
    }

    /// Whether what is held of a key is less than its guard asks for.
    pub(super) fn falls_short(&self, key: KeyRef<'_>) -> bool {
        if self.guards.is_empty() {
            return false;
        }
        let hash = self.hash(key);
        let Some((_, least)) = self.guards.iter().find(|(guarded, _)| *guarded == hash) else {
            return false;
        };
        self.table.find(hash, |r| r.is(key)).is_none_or(|held| held.version() < *least)
    }
}
