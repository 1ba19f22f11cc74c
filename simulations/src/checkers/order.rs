//! Order: of two writes of a key, where one began after the other was acknowledged, the later one
//! wins, whichever nodes they went through and whatever their clocks say.
//!
//! Not judged: where hosts were apart, or fewer than most of the owners took one of them: then the
//! last writer is the one whose clock says so. Nor what died with its last holder; and while the
//! earlier one may still be on its way, not where a process ended meanwhile: who took it may be there
//! again, with an empty memory, and take the later one (short-lived 127).

use std::collections::BTreeMap;

use chickadee::node::coordinator::DEADLINE_MS;
use chickadee::store::Stamp;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::Act;

/// Complains about the first write that was acknowledged and lost to one that had been before it
/// began.
pub fn judge(replicas: u8, history: &History) -> Option<Violation> {
    let most = |acks: u8| 2 * acks > replicas;
    let mut by_key: BTreeMap<&str, Vec<(&Record, Stamp)>> = BTreeMap::new();
    let plain = |record: &&Record| {
        let acked = matches!(record.outcome, Outcome::Done { acks, .. } if most(acks));
        matches!(record.act, Act::Set | Act::SetFor { .. } | Act::Delete) && acked
    };
    for write in history.records.iter().filter(plain) {
        if let Some(version) = write.acknowledged() {
            by_key.entry(&write.key).or_default().push((write, version.value));
        }
    }
    let mut complaints = Vec::new();
    for (key, writes) in by_key {
        let mut ended = writes.clone();
        ended.sort_by_key(|(write, _)| write.end);
        let mut ended = ended.into_iter().peekable();
        let mut newest: Option<(&Record, Stamp)> = None;
        for (write, stamp) in writes {
            while let Some(next) = ended.next_if(|(other, _)| other.end < write.start) {
                if newest.is_none_or(|(_, stamp)| stamp < next.1) {
                    newest = Some(next);
                }
            }
            let Some((earlier, above)) = newest.filter(|(_, above)| stamp < *above) else {
                continue;
            };
            let lost = history.has_lost(key);
            // Of two removals either will do.
            let removals = write.act == Act::Delete && earlier.act == Act::Delete;
            let soon = write.start.ms_since(earlier.end) < DEADLINE_MS;
            let died = soon && history.has_died(earlier.start, write.end);
            if lost || removals || died || !history.together(earlier.start, write.end) {
                continue;
            }
            let text = format!(
                "{:?} {:?} at {stamp}, below {above} of {:?}, which was acknowledged at {}",
                write.act, write.value, earlier.act, earlier.end
            );
            let (at, key) = (write.end, Some(key.to_owned()));
            let node = Some(write.host);
            complaints.push(Violation { invariant: "order", at, key, node, text });
        }
    }
    complaints.into_iter().min_by_key(|violation| violation.at)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, write};
    use super::*;
    use crate::time::Time;

    #[test]
    fn a_write_below_one_that_was_acknowledged_before_is_noticed() {
        let one = write(0, "a", 5, (0, 1));
        let good = vec![one.clone(), write(1, "b", 6, (2, 3))];
        assert_eq!(judge(3, &history(good)), None);
        let at_once = vec![one.clone(), write(1, "b", 4, (1, 3))];
        assert_eq!(judge(3, &history(at_once)), None, "nobody can say which came first");
        let later = |ms| history(vec![one.clone(), write(1, "b", 4, (2 + ms, 3 + ms))]);
        assert!(judge(3, &later(0)).is_some());
        let dies = |mut history: History| {
            history.died(Time::ms(2));
            history
        };
        assert_eq!(judge(3, &dies(later(0))), None);
        assert!(judge(3, &dies(later(DEADLINE_MS))).is_some(), "all have it by then");
    }
}
