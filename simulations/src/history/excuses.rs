//! What explains that a client was not told of a write that was acknowledged. Each excuse is as
//! narrow as the contract makes it: whatever is excused without need hides a fault.

use std::collections::BTreeMap;

use chickadee::store::Stamp;

use super::{History, Record};
use crate::plan::Plan;
use crate::time::Time;

/// After a cut was mended, those who were apart agree within so long, in milliseconds.
const AGREED_MS: u64 = 8_000;

/// Whoever is away is waited for so long at least, in milliseconds.
const WAITED_MS: u64 = 55_000;

/// Who was away for so long is dialed less often: this is added to [`AGREED_MS`], in milliseconds.
const DIALED_MS: u64 = 10_000;

/// A write reaches all owners within so long, in milliseconds, if nothing stands in between.
pub const SPREAD_MS: u64 = 5_000;

/// Versions of a key that nobody held any more when a process died.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The key.
    pub key: String,
    /// The newest that somebody else held.
    pub above: Stamp,
    /// The newest that died.
    pub up_to: Stamp,
    /// What was acknowledged before, somebody else knew who remains.
    pub after: Time,
    /// When.
    pub at: Time,
}

impl History {
    /// Whether nobody was cut off or hung, nobody had to evict, and no packet was lost or slow.
    pub fn is_undisturbed(&self, plan: &Plan) -> bool {
        let calm = self.evictions.is_empty() && self.cuts.is_empty() && self.stalls.is_empty();
        calm && plan.is_calm()
    }

    /// Whether anything of a key died with its last holder.
    pub fn has_lost(&self, key: &str) -> bool {
        self.losses.iter().any(|loss| loss.key == key)
    }

    /// Whether a version of a key had died with its last holder by then.
    pub fn lost(&self, key: &str, stamp: Stamp, by: Time) -> bool {
        let of_key = self.losses.iter().filter(|loss| loss.key == key && loss.at <= by);
        let mut losses = of_key.filter(|loss| loss.above < stamp && stamp <= loss.up_to).peekable();
        if losses.peek().is_none() {
            return false;
        }
        let written = self.acknowledgement(key, stamp);
        // What was written apart, whoever died may have learnt of later than that.
        let late = |loss: &Loss, write: &Record| write.end >= loss.after || self.apart(write);
        losses.any(|loss| written.is_none_or(|write| late(loss, write)))
    }

    /// The write of a key that was acknowledged under that stamp.
    fn acknowledgement(&self, key: &str, stamp: Stamp) -> Option<&Record> {
        let is = |record: &&Record| {
            record.key == key && record.acknowledged().is_some_and(|version| version.value == stamp)
        };
        self.records.iter().find(is)
    }

    /// Something does not pass any more between some hosts, or everything passes again.
    pub fn cut(&mut self, cut: bool, now: Time) {
        match self.cuts.last_mut() {
            Some((_, until @ None)) if !cut => *until = Some(now),
            Some((_, None)) => {}
            _ if cut => self.cuts.push((now, None)),
            _ => {}
        }
    }

    /// Whether all hosts have been in touch from then to then, and for long enough before to agree.
    pub fn together(&self, from: Time, to: Time) -> bool {
        self.cuts.iter().all(|(since, until)| {
            let agreed = |until: &Time| {
                let long = until.ms_since(*since) >= WAITED_MS;
                until.plus_ms(AGREED_MS + if long { DIALED_MS } else { 0 })
            };
            *since > to || until.is_some_and(|until| agreed(&until) < from)
        })
    }

    /// A node was short of memory since the last look, and does not hold that key now.
    pub fn evicted(&mut self, key: &str, now: Time) {
        self.evictions.insert(key.to_owned(), now);
    }

    /// An owner may have forgotten something later of that key than what others hold, and does not
    /// take or keep that.
    pub fn dropped(&mut self, key: &str, now: Time) {
        self.dropped.insert(key.to_owned(), now);
    }

    /// A process ended.
    pub fn died(&mut self, now: Time) {
        self.deaths.push(now);
    }

    /// Whether a process ended from then to then.
    pub fn has_died(&self, from: Time, to: Time) -> bool {
        self.deaths.iter().any(|death| from <= *death && *death <= to)
    }

    /// Whether a write that was acknowledged may be missing at that time: evicted; or, because it or
    /// what came after it was not written under the eyes of all, dropped by owners that had forgotten
    /// something later; or because whoever had it alone was away for too long. Two halves that only
    /// fall apart, not for long, and come together again have no such excuse: neither forgets
    /// anything later before it has heard the other. But an owner does not count on those who become
    /// owners only because they see nobody else (partition-heal-long seed 5000).
    pub fn may_be_gone(&self, write: &Record, by: Time) -> bool {
        let since = |seen: &BTreeMap<String, Time>| {
            seen.get(&write.key).is_some_and(|seen| write.start <= *seen)
        };
        let died = || self.has_died(write.start, by);
        since(&self.evictions)
            || (self.troubled || self.doubted || write.strayed)
                && since(&self.dropped)
                && self.any_apart(write, by)
            || self.outwaited(write, by) && (died() || self.any_apart(write, by))
    }

    /// Whether what is alive of a key under that stamp was not written under the eyes of all.
    pub fn written_apart(&self, key: &str, stamp: Stamp) -> bool {
        let told_nobody = |record: &&Record| {
            record.key == key && !record.reads() && record.acknowledged().is_none()
        };
        match self.acknowledgement(key, stamp) {
            Some(write) => self.apart(write),
            None => self.records.iter().filter(told_nobody).any(|write| self.apart(write)),
        }
    }

    /// Whether a write of the key, that one or one that began later, was not written under the eyes
    /// of all.
    fn any_apart(&self, write: &Record, by: Time) -> bool {
        let later = |other: &&Record| {
            other.key == write.key && other.start >= write.start && other.start <= by
        };
        self.records.iter().filter(later).any(|other| !other.reads() && self.apart(other))
    }

    /// Whether hosts were apart while it was written, or before they had agreed about it.
    fn apart(&self, write: &Record) -> bool {
        !self.together(write.start, write.end.plus_ms(SPREAD_MS))
    }

    /// Whether somebody was away between a write and then for longer than the others wait. What comes
    /// back then may be forgotten, because it may be older than what others have forgotten.
    fn outwaited(&self, write: &Record, by: Time) -> bool {
        let long = |from: Time, to: Option<Time>| {
            let to = to.filter(|to| *to < by).unwrap_or(by);
            write.start <= to && from <= to && to.ms_since(from) >= WAITED_MS
        };
        self.stalls.iter().any(|stall| long(stall.from, Some(stall.to)))
            || self.cuts.iter().any(|(from, until)| long(*from, *until))
    }
}
