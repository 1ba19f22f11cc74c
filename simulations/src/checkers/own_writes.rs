//! Own writes: what a node's clients wrote through it, and were told is written, they read: that
//! write, or something newer.
//!
//! Allowed besides: the state before it, once every node that held it has died (an acknowledged
//! write is lost with its last holder); and a miss, if the key may have been deleted or have ended,
//! or if no node that still holds a value could be reached all the while.

use chickadee::store::Stamp;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::Act;

/// Complains about the first read that does not know a write of its own node.
pub fn judge(history: &History) -> Option<Violation> {
    for (at, read) in history.records.iter().enumerate() {
        if !read.reads() {
            continue;
        }
        let earlier = |write: &&Record| {
            (write.host, write.life) == (read.host, read.life)
                && write.key == read.key
                && write.end < read.start
        };
        let newest = history.records[..at]
            .iter()
            .filter(earlier)
            .filter_map(|write| Some((write.acknowledged()?.value, write)))
            .max_by_key(|(stamp, _)| *stamp);
        let Some((stamp, write)) = newest else {
            continue;
        };
        if history.lost(&read.key, stamp, read.end) {
            continue;
        }
        let text = match &read.outcome {
            Outcome::Found(value) => match history.seen(&read.key, value) {
                Some(seen) if seen.newest < stamp => format!(
                    "read {value:?} of {}, after {:?} of {stamp} was acknowledged here at {}",
                    seen.newest, write.value, write.end
                ),
                _ => continue,
            },
            Outcome::Missing if missing(history, read, write, stamp) => format!(
                "read nothing, after {:?} of {stamp} was acknowledged here at {}",
                write.value, write.end
            ),
            _ => continue,
        };
        return Some(Violation {
            invariant: "own-writes",
            at: read.end,
            key: Some(read.key.clone()),
            node: Some(read.host),
            text,
        });
    }
    None
}

/// Whether that miss has no excuse.
fn missing(history: &History, read: &Record, write: &Record, stamp: Stamp) -> bool {
    let ends = |record: &&Record| {
        let removes = matches!(record.act, Act::Delete | Act::SetFor { .. } | Act::Expire { .. });
        let older = record
            .acknowledged()
            .is_some_and(|version| version.value < stamp && record.end < write.start);
        removes && record.key == read.key && record.start <= read.end && !older
    };
    read.reach & read.holders != 0 && !history.records.iter().any(|r| ends(&r))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, miss, read, version, write};
    use super::*;
    use crate::history::Loss;
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
            at: Time::ms(3),
        });
        assert_eq!(judge(&bad), None, "it died with its last holder");
    }

    #[test]
    fn a_miss_is_noticed_if_somebody_within_reach_holds_it() {
        let a = write(0, "a", 1, (0, 1));
        let gone = vec![a.clone(), miss(0, (4, 5))];
        assert_eq!(judge(&history(gone)), None);
        let mut bad = miss(0, (4, 5));
        bad.holders = 2;
        assert!(judge(&history(vec![a.clone(), bad.clone()])).is_some());
        let mut deletion = write(1, "", 2, (2, 3));
        deletion.act = Act::Delete;
        assert_eq!(judge(&history(vec![a, deletion, bad])), None);
    }
}
