//! How many values a partition holds, by namespace: kept up with every change, so that counting
//! walks over nothing.

use super::{Partition, Parts};
use crate::store::entry::{Namespace, Version};
use crate::store::flushes::Flushes;
use crate::store::sessions::{Scan, Session};

impl Partition {
    /// Something was flushed: what is here of it counts as gone until sweeping has been over it.
    /// Values written above the flush stamp before this node heard of it are taken for dead
    /// until then; only the count is wrong, and only for as long as a sweep takes.
    pub(in crate::store) fn note_flush(&mut self, before: &Flushes, after: &Flushes) {
        for (own, count) in &self.values {
            if after.of(*own) > before.of(*own) {
                self.flushed.retain(|(n, _, _)| n != own);
                self.flushed.push((*own, after.of(*own), *count));
            }
        }
    }

    /// Sweeping has been over the whole table since the last flush.
    pub(in crate::store) fn note_swept(&mut self) {
        self.flushed.clear();
    }

    /// Entries with a value in a namespace, or in all.
    pub fn values(&self, namespace: Option<Namespace>) -> u64 {
        let asked = |own: Namespace| namespace.is_none_or(|wanted| wanted == own);
        let kept = self.values.iter().filter(|(n, _)| asked(*n)).map(|(_, count)| *count);
        let dead = self.flushed.iter().filter(|(n, _, _)| asked(*n)).map(|(_, _, count)| *count);
        let (kept, dead) = (kept.map(u64::from).sum::<u64>(), dead.map(u64::from).sum());
        kept.saturating_sub(dead)
    }

    /// How many entries somebody may not cover yet, at most: those that came lately, or all while a
    /// session has just begun.
    pub fn unstable_max(&self) -> u64 {
        let scans = |(_, session): (u8, &Session)| session.scan != Scan::Done;
        let all = self.sessions.iter().any(scans);
        (if all { self.table.len() } else { self.recent.len().min(self.table.len()) }) as u64
    }

    pub(super) fn count_in(&mut self, namespace: Namespace, parts: Parts<'_>, footprint: usize) {
        if parts.value.is_some() {
            self.count(namespace, 1);
        } else {
            self.marks += 1;
            self.mark_bytes += footprint;
        }
    }

    pub(super) fn count_out(&mut self, namespace: Namespace, version: Version) {
        self.count(namespace, -1);
        self.uncount_flushed(namespace, version);
    }

    /// A value of that version is no more: if a flush had killed it, it no longer counts as dead.
    pub(super) fn uncount_flushed(&mut self, namespace: Namespace, version: Version) {
        let entry = self
            .flushed
            .iter_mut()
            .find(|(n, stamp, _)| *n == namespace && version.value <= *stamp);
        if let Some((_, _, dead)) = entry {
            *dead = dead.saturating_sub(1);
        }
    }

    fn count(&mut self, namespace: Namespace, by: i32) {
        match self.values.iter_mut().find(|(n, _)| *n == namespace) {
            Some((_, count)) => {
                *count = count.checked_add_signed(by).expect("counted in before it is counted out")
            }
            None => self.values.push((namespace, by as u32)),
        }
    }
}
