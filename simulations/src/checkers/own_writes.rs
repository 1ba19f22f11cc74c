//! Own writes: what a node's clients wrote through it, and were told is written, they read: that
//! write, or something newer.
//!
//! Allowed besides: the state before it, once every node that held it has died (an acknowledged
//! write is lost with its last holder); and a miss, if the key may have been deleted, flushed,
//! evicted, or have ended, or if no node that still holds a value could be reached all the while.
//! That nobody holds it, out of reach or not, is no excuse.

use chickadee::store::Stamp;

use super::Violation;
use crate::history::{History, Outcome, Record, Removals};
use crate::hosts::HostSet;

/// Complains about the first read that does not know a write of its own node.
pub fn judge(history: &History) -> Option<Violation> {
    let removals = history.removals();
    let told = |write: &Record| Some(write.acknowledged()?.value);
    let mut complaints = Vec::new();
    for (read, stamp, write) in history.newest_before(told) {
        let what = match (&read.outcome, history.found(read)) {
            (Outcome::Found(value), Some(seen)) if seen.newest < stamp => {
                format!("{value:?} of {}", seen.newest)
            }
            (Outcome::Missing, _)
                if !history.may_be_gone(write, read.end)
                    && missing(&removals, read, write, stamp) =>
            {
                "nothing".to_owned()
            }
            _ => continue,
        };
        if history.lost(&read.key, stamp, read.end) {
            continue;
        }
        let (value, end) = (&write.value, write.end);
        complaints.push(Violation {
            invariant: "own-writes",
            at: read.end,
            key: Some(read.key.clone()),
            node: Some(read.host),
            text: format!("read {what}, after {value:?} of {stamp} was acknowledged here at {end}"),
        });
    }
    complaints.into_iter().min_by_key(|violation| violation.at)
}

/// Whether that miss has no excuse.
fn missing(removals: &Removals<'_>, read: &Record, write: &Record, stamp: Stamp) -> bool {
    let mut ends = removals.of(&read.key).filter(|record| record.start <= read.end);
    let reachable = read.reach.as_ref().is_none_or(|reach| reach.meets(&read.holders));
    let unanswered = reachable && read.holders != HostSet::default();
    (unanswered || read.vanished) && !ends.any(|record| record.may_remove(stamp, write.start))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, miss, read, version, write};
    use super::*;
    use crate::history::Loss;
    use crate::plan::Act;
    use crate::time::Time;

    #[test]
    fn an_older_value_than_the_own_write_is_noticed() {
        let a = write(0, "a", 1, (0, 1));
        let b = write(0, "b", 2, (2, 3));
        let good = vec![a.clone(), b.clone(), read(0, "b", (4, 5))];
        assert_eq!(judge(&history(good)), None);
        let elsewhere = vec![a.clone(), b.clone(), read(1, "a", (4, 5))];
        assert_eq!(judge(&history(elsewhere)), None);
        let mut bad = history(vec![a, b, read(0, "a", (4, 5))]);
        assert!(judge(&bad).is_some());
        bad.losses.push(Loss {
            key: "k1".to_owned(),
            above: version(1).value,
            up_to: version(2).value,
            after: Time::ms(0),
            at: Time::ms(3),
        });
        assert_eq!(judge(&bad), None, "it died with its last holder");
    }

    #[test]
    fn a_miss_is_noticed_if_somebody_within_reach_holds_it() {
        let a = write(0, "a", 1, (0, 1));
        let gone = vec![a.clone(), miss(0, (4, 5))];
        assert_eq!(judge(&history(gone)), None);
        let vanished = Record { vanished: true, ..miss(0, (4, 5)) };
        assert!(judge(&history(vec![a.clone(), vanished])).is_some());
        let mut bad = miss(0, (4, 5));
        bad.holders.insert(1);
        assert!(judge(&history(vec![a.clone(), bad.clone()])).is_some());
        let mut deletion = write(1, "", 2, (2, 3));
        deletion.act = Act::Delete;
        assert_eq!(judge(&history(vec![a, deletion, bad])), None);
    }
}
