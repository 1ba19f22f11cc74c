//! What this node's clients wrote through it while others owned the partition, or were told by
//! another owner: a local answer with less than that would take it from them.

use super::Partition;
use crate::store::entry::Version;
use crate::store::record::KeyRef;

/// Most keys guarded; beyond it the oldest are not, and the promise with them.
const GUARDS_MAX: usize = 256;

impl Partition {
    /// From now on a key of that hash is answered locally only if what is held is at least that
    /// version.
    pub fn guard(&mut self, hash: u64, version: Version) {
        let at = self.guards.iter().position(|(guarded, _)| *guarded == hash);
        let before = at.and_then(|at| self.guards.remove(at));
        let version = before.map_or(version, |(_, before)| version.max(before));
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

    /// What an answer about that key must not fall short of.
    pub fn guarded(&self, key: KeyRef<'_>) -> Version {
        if self.guards.is_empty() {
            return Version::ZERO;
        }
        let hash = self.hash(key);
        let guard = self.guards.iter().find(|(guarded, _)| *guarded == hash);
        guard.map_or(Version::ZERO, |(_, version)| *version)
    }

    /// Whether what is held of a key is less than its guard asks for.
    pub(super) fn falls_short(&self, key: KeyRef<'_>) -> bool {
        let least = self.guarded(key);
        let held = || self.table.find(self.hash(key), |r| r.is(key));
        least > Version::ZERO && held().is_none_or(|held| held.version() < least)
    }
}
