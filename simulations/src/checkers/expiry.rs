//! Expiry needs no message: no value is served after its deadline by more than clocks may be off.
//!
//! Not judged where a change of the deadline was under way shortly before. What was written to live
//! for some time lives for so long at least: a node that is alone with a wrong clock goes by that.

use super::Violation;
use crate::history::History;
use crate::plan::Act;
use crate::time::{EPOCH_MS, Time};

/// A change of the deadline may take so long to be seen, in milliseconds.
const CHANGE_MS: u64 = 10_000;

/// Complains about the first read of a value that had ended more than `off_ms_max` before it was
/// asked for.
pub fn judge(history: &History, off_ms_max: u64) -> Option<Violation> {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, record};
    use super::*;
    use crate::history::Outcome;

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
        assert!(judge(&run(None), 700).is_some());
        assert_eq!(judge(&run(None), 701), None);
        assert_eq!(judge(&run(Some(Act::Persist)), 700), None, "its deadline may have changed");
        let mut later = run(None);
        later.ends("k1", "a", Some(EPOCH_MS + 1_001));
        assert_eq!(judge(&later, 700), None);
        later.ends("k1", "a", None);
        assert_eq!(judge(&later, 0), None, "it never ends");
    }
}
