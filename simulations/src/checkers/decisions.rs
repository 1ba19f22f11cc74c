//! Decisions: what one owner decides on what is there (APPEND, INCR) is exact while nobody is cut off
//! or hangs, and nobody has to evict, whoever dies: no part that was acknowledged is missing in the
//! end, and none stands there twice.
//!
//! Allowed: what died with its last holder; that a decider which died, or said goodbye, while it was
//! at it had decided already when the next one did; and that two decide at once while one that has
//! just started takes over from the other.

use std::collections::BTreeMap;

use chickadee::store::Version;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::{Act, Fault, Plan, Timed};
use crate::time::Time;

/// A process that says goodbye goes on for so long at most, in milliseconds.
const LEAVING_MS: u64 = 1_500;

/// Who starts has taken over what it is to decide within so long, in milliseconds.
const TAKEN_OVER_MS: u64 = 6_000;

/// Complains about the first reader at the end that lacks a part, or has one twice.
pub fn judge(plan: &Plan, history: &History) -> Option<Violation> {
    let calm = |record: &Record| {
        let leaving_ms = |fault: &Fault| match fault {
            Fault::Crash { .. } => Some(0),
            Fault::Stop { .. } => Some(LEAVING_MS),
            _ => None,
        };
        plan.faults.iter().all(|fault| {
            let Some(ms) = leaving_ms(&fault.what) else { return true };
            fault.time() > record.end || fault.time().plus_ms(ms) < record.start
        })
    };
    let settled = |record: &Record| {
        let starts = plan.faults.iter().filter(|fault| matches!(fault.what, Fault::Start { .. }));
        let mut times = starts.map(Timed::time).filter(|at| *at > Time::default());
        times.all(|at| record.end < at || at.plus_ms(TAKEN_OVER_MS) < record.start)
    };
    // What was evicted and appended to since is there again, and lacks what was there before.
    if !history.evictions.is_empty()
        || !history.cuts.is_empty()
        || !history.stalls.is_empty()
        || !plan.is_calm()
    {
        return None;
    }
    let mut appends: BTreeMap<&str, Vec<(&Record, Version)>> = BTreeMap::new();
    for append in history.records.iter().filter(|record| record.act == Act::Append) {
        if let Some(version) = append.acknowledged().filter(|_| settled(append)) {
            appends.entry(&append.key).or_default().push((append, version));
        }
    }
    for read in history.records.iter().filter(|record| record.is_final()) {
        let Outcome::Found(found) = &read.outcome else { continue };
        let Some(appends) = appends.get(&read.key[..]) else { continue };
        let complain = |text| {
            let (key, node) = (Some(read.key.clone()), Some(read.host));
            Some(Violation { invariant: "decisions", at: read.end, key, node, text })
        };
        let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
        found.split(';').for_each(|part| *parts.entry(part).or_default() += 1);
        for (append, version) in appends {
            let times = parts.get(&append.value[..]).copied().unwrap_or_default();
            let lost = || history.losses.iter().any(|loss| loss.key == read.key);
            if times == 0 && !lost() {
                let text = format!("lacks {:?} of {}", append.value, version.value);
                return complain(text);
            }
            if times > 1 && calm(append) {
                return complain(format!("has {:?} {times} times", append.value));
            }
        }
    }
    None
}
