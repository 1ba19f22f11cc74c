//! The steps by which entries come and go. Whatever changes what is held goes through here, so that
//! counters, floors, list of news and tree are right after each of them.

use hashbrown::hash_table::Entry as Slot;

use super::tree::Tree;
use super::{Partition, bucket};
use crate::store::clock::{Mono, Stamp};
use crate::store::entry::Version;
use crate::store::record::{KeyRef, Parts, Record};
use crate::store::shard::key_hash;

impl Partition {
    /// Something may change now. It is counted for whoever looks at everything again and again.
    pub(in crate::store) fn note_step(&mut self) {
        #[cfg(feature = "simulation")]
        {
            self.steps += 1;
        }
    }

    /// How often something may have changed.
    #[cfg(feature = "simulation")]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How often what is held was dropped as a whole.
    #[cfg(feature = "simulation")]
    pub fn drops(&self) -> u64 {
        self.drops
    }

    /// Something goes for want of memory.
    pub(super) fn note_evicted(&mut self, key: &[u8]) {
        #[cfg(feature = "simulation")]
        self.evicted.push(key.to_vec());
        let _ = key;
    }

    pub(super) fn raise(&mut self, hash: u64, stamp: Stamp) {
        if self.rules.floors() {
            let floor = &mut self.floors[bucket(hash)];
            *floor = (*floor).max(stamp);
        }
        self.forgotten += 1;
    }

    /// Removes an entry and raises the floor to it.
    pub(super) fn forget(&mut self, key: KeyRef<'_>, hash: u64) {
        if let Some(version) = self.remove(key, hash) {
            self.raise(hash, version.value);
        }
    }

    /// Drops the content and keeps the mark, which is offered to whoever may lack it: a peer that
    /// wants the value would otherwise never hear that what it holds is dead.
    pub(super) fn demote(&mut self, key: KeyRef<'_>, hash: u64) {
        let Some(record) = self.table.find_mut(hash, |r| r.is(key)) else {
            return;
        };
        if record.is_mark() {
            return;
        }
        let bits = record.bits();
        let version = record.version();
        let before = record.footprint();
        *record = Record::new(key, Parts { version, value: None, deadline_ms: None });
        record.set_bits(bits);
        let after = record.footprint();
        self.record_bytes = self.record_bytes - before + after;
        self.mark_bytes += after;
        self.marks += 1;
        self.count_out(key.namespace, version);
        if !self.sessions.are_all(bits) {
            self.note_recent(hash, Mono(0));
        }
    }

    /// Remembers of a mark that a peer may have outlived what it is the mark of.
    pub(super) fn condemn(&mut self, key: KeyRef<'_>, hash: u64) {
        let Some(record) = self.table.find_mut(hash, |r| r.is(key)) else {
            return;
        };
        if !record.is_condemned() && self.rules.condemned_stay() {
            record.condemn();
            let version = record.version();
            self.tree.replace(hash, (version, false), (version, true));
        }
    }

    pub(super) fn remove(&mut self, key: KeyRef<'_>, hash: u64) -> Option<Version> {
        let slot = self.table.find_entry(hash, |r| r.is(key)).ok()?;
        let (record, _) = slot.remove();
        if self.rules.sums() {
            self.tree.leave(hash, record.version(), record.is_condemned());
        }
        self.record_bytes -= record.footprint();
        if record.is_mark() {
            self.mark_bytes -= record.footprint();
            self.marks -= 1;
        } else {
            self.count_out(key.namespace, record.version());
        }
        Some(record.version())
    }

    /// Puts these parts in place of whatever is held.
    pub(super) fn install(&mut self, key: KeyRef<'_>, hash: u64, parts: Parts<'_>, now: Mono) {
        self.note_recent(hash, now);
        self.note_changed(hash);
        let full = self.table.len() == self.table.capacity();
        let seed = self.seed;
        let rehash = |r: &Record| key_hash(r.key(), seed);
        if full {
            // It grows, also where what is held is only replaced.
            self.layout = self.layout.wrapping_add(1);
        }
        match self.table.entry(hash, |r| r.is(key), rehash) {
            Slot::Occupied(mut slot) => {
                let record = slot.get_mut();
                let version = record.version();
                let before = (version, record.is_condemned());
                self.tree.replace(hash, before, (parts.version, false));
                if record.overwrite(parts) {
                    if !self.flushed.is_empty() {
                        self.uncount_flushed(key.namespace, version);
                    }
                    return;
                }
                let (before, was_mark) = (record.footprint(), record.is_mark());
                let mut new = Record::new(key, parts);
                new.take_heat(record);
                *record = new;
                let after = record.footprint();
                self.record_bytes = self.record_bytes - before + after;
                if was_mark {
                    self.mark_bytes -= before;
                    self.marks -= 1;
                } else {
                    self.count_out(key.namespace, version);
                }
                self.count_in(key.namespace, parts, after);
            }
            Slot::Vacant(slot) => {
                let record = Record::new(key, parts);
                let footprint = record.footprint();
                slot.insert(record);
                self.record_bytes += footprint;
                self.count_in(key.namespace, parts, footprint);
                self.tree.enter(hash, parts.version, false);
                if self.tree.is_crowded() {
                    self.tree = self.tree_of(self.tree.level() + 1);
                }
            }
        }
    }

    /// Whether the tree is the sum of what is held, if there is anybody to compare it with.
    #[cfg(any(test, feature = "simulation"))]
    pub fn tree_is_right(&self) -> bool {
        let compared = self.sessions.mask() != 0;
        match self.tree.is_kept() {
            true => self.tree == self.tree_of(self.tree.level()),
            false => !compared && self.tree == Tree::idle(self.seed),
        }
    }

    /// Adds up what is held as long as there is anybody to compare it with.
    pub(super) fn keep_tree(&mut self) {
        match self.sessions.mask() {
            0 => self.tree = Tree::idle(self.seed),
            _ if !self.tree.is_kept() => {
                self.tree = self.tree_of(Tree::level_for(self.table.len()));
            }
            _ => {}
        }
    }

    /// The tree of what is held, with 2 to the power of `level` leaves.
    pub(super) fn tree_of(&self, level: u8) -> Tree {
        let mut tree = Tree::new(self.seed, level);
        for record in &self.table {
            let hash = key_hash(record.key(), self.seed);
            tree.enter(hash, record.version(), record.is_condemned());
        }
        tree
    }

    /// An entry as it counts in the tree.
    pub(super) fn element(&self, hash: u64, record: &Record) -> u128 {
        self.tree.element(hash, record.version(), record.is_condemned())
    }
}
