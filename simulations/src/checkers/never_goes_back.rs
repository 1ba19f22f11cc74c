//! Never goes back, for the clients of one node: what one of them read is never older than what one
//! of them had read before.
//!
//! Allowed: that a newer value died with its last holder meanwhile; and that the owners that answered
//! had been apart, so that the second did not know what the first knew: by a cut, or because a packet
//! was lost on the way to one that did not acknowledge the newer value. A node that holds nothing of
//! the partition asks one owner or the other, and to the second the newer value may be on its way for
//! as long as its operation may take. What one replica knew it must not forget even then: that is
//! judged in `replica` and `resurrection`.

use chickadee::store::Stamp;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::Plan;
use crate::time::Time;

/// A write is on its way for its deadline and a way, in milliseconds.
const UNDER_WAY_MS: u64 = 1_500;

/// Complains about the first read that is older than an earlier one at the same node.
pub fn judge(plan: &Plan, history: &History) -> Option<Violation> {
    let owners = u8::try_from(plan.options.nodes).unwrap_or(u8::MAX).min(plan.options.replicas);
    let acknowledged = |key: &str, stamp: Stamp, how: &dyn Fn(&Record) -> bool| {
        history.records.iter().any(|write| {
            let same = write.acknowledged().is_some_and(|version| version.value == stamp);
            write.key == key && same && how(write)
        })
    };
    // Whether every owner had that when it was acknowledged.
    let complete = |key: &str, stamp: Stamp| {
        acknowledged(
            key,
            stamp,
            &|write| matches!(write.outcome, Outcome::Done { acks, .. } if acks >= owners),
        )
    };
    // Whether it had been acknowledged for longer than it may be on its way to anybody.
    let arrived = |key: &str, stamp: Stamp, by: Time| {
        acknowledged(key, stamp, &|write| write.end.plus_ms(UNDER_WAY_MS) < by)
    };
    let calm = plan.is_calm();
    let told = |read| Some(history.found(read)?.oldest);
    let mut complaints = Vec::new();
    for (read, stamp, before) in history.newest_before(told) {
        let Some(seen) = history.found(read) else {
            continue;
        };
        if seen.newest < stamp
            && history.together(before.start, read.end)
            && !history.lost(&read.key, stamp, read.end)
            && (calm && (read.holder || arrived(&read.key, stamp, read.start))
                || complete(&read.key, stamp))
        {
            complaints.push(Violation {
                invariant: "never-goes-back",
                at: read.end,
                key: Some(read.key.clone()),
                node: Some(read.host),
                text: format!(
                    "read {:?} of {}, after {:?} of {stamp} was read here at {}",
                    read.outcome, seen.newest, before.outcome, before.end
                ),
            });
        }
    }
    complaints.into_iter().min_by_key(|violation| violation.at)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, write};
    use super::*;
    use crate::scenarios;

    fn judge(history: &History) -> Option<Violation> {
        super::judge(&scenarios::find("kill").expect("there is one").plan(1, None), history)
    }

    #[test]
    fn an_older_value_after_a_newer_one_is_noticed() {
        let writes = || vec![write(2, "a", 1, (0, 1)), write(2, "b", 2, (2, 3))];
        let mut good = writes();
        good.extend([read(0, "a", (4, 5)), read(0, "b", (6, 7))]);
        assert_eq!(judge(&history(good)), None);
        let bad_history = || {
            let mut bad = writes();
            bad.extend([read(0, "b", (4, 5)), read(0, "a", (6, 7))]);
            history(bad)
        };
        assert!(judge(&bad_history()).is_some());
        let mut elsewhere = writes();
        elsewhere.extend([read(0, "b", (4, 5)), read(1, "a", (6, 7))]);
        assert_eq!(judge(&history(elsewhere)), None);
        let mut stranger = bad_history();
        stranger.records[3].holder = false;
        assert_eq!(judge(&stranger), None);
        stranger.records[3].start = Time::ms(1_504);
        stranger.records[3].end = Time::ms(1_505);
        assert!(judge(&stranger).is_some(), "it has arrived everywhere");
        let mut apart = bad_history();
        apart.cut(true, Time::ms(1));
        apart.cut(false, Time::ms(5));
        assert_eq!(judge(&apart), None);
        let mut earlier = bad_history();
        earlier.records.iter_mut().for_each(|record| {
            record.start = record.start.plus_ms(20_000);
            record.end = record.end.plus_ms(20_000);
        });
        earlier.cut(true, Time::ms(1));
        earlier.cut(false, Time::ms(5));
        assert!(judge(&earlier).is_some(), "they have had time to agree");
    }
}
