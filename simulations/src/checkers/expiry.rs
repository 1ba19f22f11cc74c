//! Expiry needs no message: no value is served after its deadline by more than clocks may be off.
//!
//! Not judged where a change of the deadline was under way shortly before. What was written to live
//! for some time lives for so long at least: a node that is alone with a wrong clock goes by that.

use std::collections::BTreeMap;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::{Act, Fault, Plan};
use crate::time::{EPOCH_MS, Time};

/// A change of the deadline may take so long to be seen, in milliseconds.
const CHANGE_MS: u64 = 10_000;
/// What was acknowledged reaches the one who decides within so long, in milliseconds, if he was not
/// among those who did.
const TOLD_MS: u64 = 400;
/// That a value is not to end is known everywhere within so long, in milliseconds.
const PERSISTS_MS: u64 = 2_000;
/// What a client has asked for takes so long at most to count, in milliseconds.
const ASKED_MS: u64 = 1_100;

/// Complains about the first read of a value that had ended more than `off_ms_max` before it was
/// asked for.
pub fn judge(plan: &Plan, history: &History) -> Option<Violation> {
    let off_ms_max = plan.deadlines_off_ms_max();
    // Who starts alone with a wrong clock goes by that, however wrong.
    let set = plan.faults.iter().any(|fault| matches!(fault.what, Fault::Clock { .. }));
    let asked_for = (!set).then(|| asked_for(history, off_ms_max)).flatten();
    held(history, off_ms_max).or(asked_for)
}

/// Complains about the first read of a value that had ended, as nodes hold it.
fn held(history: &History, off_ms_max: u64) -> Option<Violation> {
    let changes: Vec<_> = history
        .records
        .iter()
        .filter(|record| matches!(record.act, Act::Expire { .. } | Act::Persist))
        .collect();
    let changed = |key: &str, from: Time, to: Time| {
        let mut late = changes.iter().filter(|r| r.start <= to && r.end.plus_ms(CHANGE_MS) >= from);
        late.any(|record| record.key == key)
    };
    for read in &history.records {
        let Some(end_ms) = history.end_of(read) else {
            continue;
        };
        let asked_ms = EPOCH_MS + read.start.0 / 1_000_000;
        let late = |end_ms: u64| asked_ms > end_ms.saturating_add(off_ms_max);
        let lives = || {
            history.written(read).is_some_and(|write| match write.act {
                Act::SetFor { ttl_ms } => {
                    !late((EPOCH_MS + write.end.0 / 1_000_000).saturating_add(ttl_ms))
                }
                _ => false,
            })
        };
        if late(end_ms) && !lives() && !changed(&read.key, read.start, read.end) {
            return Some(Violation {
                invariant: "expiry",
                at: read.end,
                key: Some(read.key.clone()),
                node: Some(read.host),
                text: format!("read {:?} {} ms after its end", read.outcome, asked_ms - end_ms),
            });
        }
    }
    None
}

/// The same by what clients asked for, not by what nodes hold: complains about the first read of a
/// value that should have ended for long, or has ended though its end was taken away.
fn asked_for(history: &History, off_ms_max: u64) -> Option<Violation> {
    let mut by_key: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &history.records {
        by_key.entry(&record.key).or_default().push(record);
    }
    let ending = |record: &Record| {
        matches!(record.act, Act::SetFor { .. } | Act::Expire { .. } | Act::Persist)
    };
    let mut complaints = Vec::new();
    for (key, records) in by_key {
        if !records.iter().any(|record| ending(record)) {
            continue;
        }
        let writes: Vec<&Record> = records.iter().filter(|r| !r.reads()).copied().collect();
        for read in records.iter().filter(|record| record.reads()) {
            // The one change that everything else came before, or after the read.
            let begun = writes.partition_point(|write| write.start <= read.end);
            let Some((last, before)) = writes[..begun].split_last() else { continue };
            let done = matches!(last.outcome, Outcome::Done { .. }) && last.yes != Some(false);
            let told = |write: &Record| write.end.plus_ms(TOLD_MS) < last.start;
            let alone = |write: &&Record| told(write) && write.outcome != Outcome::Lost;
            if !done || last.end >= read.start || !before.iter().all(alone) {
                continue;
            }
            let text = match (last.act, &read.outcome) {
                (Act::SetFor { ttl_ms } | Act::Expire { ttl_ms }, Outcome::Found(_)) => {
                    let end_ms = (last.end.0 / 1_000_000).saturating_add(ttl_ms);
                    let late_ms = end_ms.saturating_add(2 * off_ms_max + ASKED_MS);
                    if read.start.0 / 1_000_000 <= late_ms
                        || !history.together(last.start, read.end)
                    {
                        continue;
                    }
                    format!(
                        "is read {} ms after it was to end",
                        read.start.ms_since(Time::ms(end_ms))
                    )
                }
                (Act::Persist, Outcome::Missing) => {
                    let lost = history.has_lost(key);
                    let told = last.end.plus_ms(PERSISTS_MS) <= read.start;
                    let gone = history.may_be_gone(last, read.end) || !history.stalls.is_empty();
                    if lost || !told || gone || !history.together(last.start, read.end) {
                        continue;
                    }
                    format!("is gone, and was told at {} not to end", last.end)
                }
                _ => continue,
            };
            let (at, key, node) = (read.end, Some(key.to_owned()), Some(read.host));
            complaints.push(Violation { invariant: "expiry", at, key, node, text });
        }
    }
    complaints.into_iter().min_by_key(|violation| violation.at)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, miss, read, record, write};
    use super::*;

    #[test]
    fn a_value_after_its_end_is_noticed() {
        let run = |more: Option<Act>| {
            let asked = read(0, "a", (1_701, 1_702));
            let done = Outcome::Done { version: None, acks: 1 };
            let change = more.map(|act| record(0, act, (900, 901), done));
            let mut history = history(change.into_iter().chain([asked]).collect());
            history.ends("k1", "a", Some(EPOCH_MS + 1_000));
            history
        };
        assert!(held(&run(None), 700).is_some());
        assert_eq!(held(&run(None), 701), None);
        assert_eq!(held(&run(Some(Act::Persist)), 700), None, "its deadline may have changed");
        let mut later = run(None);
        later.ends("k1", "a", Some(EPOCH_MS + 1_001));
        assert_eq!(held(&later, 700), None);
        later.ends("k1", "a", None);
        assert_eq!(held(&later, 0), None, "it never ends");
    }

    #[test]
    fn an_end_that_is_not_what_was_asked_for_is_noticed() {
        let set = Record { act: Act::SetFor { ttl_ms: 1_000 }, ..write(0, "a", 1, (0, 1)) };
        let late = read(0, "a", (3_000, 3_001));
        assert!(asked_for(&history(vec![set.clone(), late.clone()]), 0).is_some());
        let again = write(0, "a", 2, (500, 501));
        assert_eq!(asked_for(&history(vec![set.clone(), again, late]), 0), None);
        let yes = Some(true);
        let persist = Record { act: Act::Persist, yes, ..write(0, "", 2, (500, 501)) };
        let gone = miss(0, (13_000, 13_001));
        assert!(asked_for(&history(vec![set, persist, gone]), 0).is_some());
    }
}
