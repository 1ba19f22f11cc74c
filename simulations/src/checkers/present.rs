//! Present: what was acknowledged, and is never removed, is found at every node, while everybody is
//! in touch and an owner has it: a miss is no answer then, whoever has died, started or joined.
//!
//! Not judged: misses within some seconds of the write, of a cut or of a stop, unless nobody at all
//! holds it any more; and what died with its last holder, or had to be evicted.

use std::collections::BTreeMap;

use super::Violation;
use crate::history::{History, Outcome, Record, SPREAD_MS};
use crate::hosts::HostSet;
use crate::time::Time;

/// Complains about the first miss of what should be there.
pub fn judge(history: &History) -> Option<Violation> {
    let removals = history.removals();
    let stopped = |from: Time, to: Time| {
        let near = |stall: &crate::history::Stall| {
            stall.from <= to && from <= stall.to.plus_ms(2 * SPREAD_MS)
        };
        history.stalls.iter().any(near)
    };
    let mut written: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for write in history.records.iter().filter(|record| record.acknowledged().is_some()) {
        written.entry(&write.key).or_default().push(write);
    }
    for read in history.records.iter().filter(|record| record.outcome == Outcome::Missing) {
        let writes = written.get(&read.key[..]).into_iter().flatten();
        let before = writes.filter(|write| write.end.plus_ms(SPREAD_MS) <= read.start);
        let Some(write) = before.max_by_key(|write| write.acknowledged()) else { continue };
        if removals.of(&read.key).next().is_some()
            || history.has_lost(&read.key)
            || history.may_be_gone(write, read.end)
        {
            continue;
        }
        let there = read.holders != HostSet::default()
            && read.reach.as_ref().is_none_or(|reach| reach.meets(&read.holders));
        let calm =
            history.together(read.start, read.end) && !stopped(read.start, read.end) && there;
        if !calm && !read.vanished {
            continue;
        }
        return Some(Violation {
            invariant: "present",
            at: read.end,
            key: Some(read.key.clone()),
            node: Some(read.host),
            text: format!("reads nothing, and {:?} was acknowledged at {}", write.value, write.end),
        });
    }
    None
}
