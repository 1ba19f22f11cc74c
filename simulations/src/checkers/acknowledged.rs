//! Acknowledged writes are readable: after everything has healed, every node reads the newest write
//! of a key that was acknowledged, or something newer. What was deleted stays deleted.
//!
//! It may be missing only if at some moment every process that held it had died, or if the key may
//! have been deleted, flushed, evicted, or have ended. Nor is an owner outside of the core asked for
//! what was written by those of the core that it is cut off from for good: what one replica knew says
//! nothing of another.

use std::collections::BTreeMap;

use chickadee::store::Stamp;

use super::Violation;
use crate::history::{History, Outcome, Record, Removals};
use crate::plan::Act;

/// Complains about the first reader at the end that lacks an acknowledged write.
pub fn judge(history: &History) -> Option<Violation> {
    let removals = history.removals();
    let mut newest: BTreeMap<&str, &Record> = BTreeMap::new();
    for record in &history.records {
        let Some(version) = record.acknowledged() else {
            continue;
        };
        let known = newest.get(&record.key[..]);
        if known.is_none_or(|known| known.acknowledged() < Some(version)) {
            newest.insert(&record.key, record);
        }
    }
    for read in history.records.iter().filter(|r| r.is_final()) {
        let Some(write) = newest.get(&read.key[..]) else {
            continue;
        };
        let stamp = write.acknowledged().expect("only those are listed").value;
        let outside = history.outside.contains(&(read.host, read.key.clone()));
        if outside || history.lost(&read.key, stamp, read.end) {
            continue;
        }
        let text = match &read.outcome {
            Outcome::Found(value) => match history.seen(&read.key, value) {
                Some(seen) if seen.newest < stamp => format!("reads {value:?} of {}", seen.newest),
                _ => continue,
            },
            Outcome::Missing
                if !removed(&removals, write, stamp) && !history.may_be_gone(write, read.end) =>
            {
                "reads nothing".to_owned()
            }
            _ => continue,
        };
        return Some(Violation {
            invariant: "acknowledged",
            at: read.end,
            key: Some(read.key.clone()),
            node: Some(read.host),
            text: format!(
                "{text}, but {:?} of {stamp} was acknowledged at {} by node {}",
                write.value, write.end, write.host
            ),
        });
    }
    None
}

/// Whether the key may have been deleted, flushed, or have ended, after that write.
fn removed(removals: &Removals<'_>, write: &Record, stamp: Stamp) -> bool {
    matches!(write.act, Act::Delete | Act::SetFor { .. } | Act::Expire { .. })
        || removals.of(&write.key).any(|record| record.may_remove(stamp, write.start))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, miss, read, write};
    use super::*;
    use crate::history::READER;
    use crate::time::Time;

    #[test]
    fn a_reader_at_the_end_that_lacks_a_write_is_noticed() {
        let a = write(0, "a", 1, (0, 1));
        let b = write(1, "b", 2, (2, 3));
        let mut end = read(2, "b", (10, 11));
        end.client = READER;
        assert_eq!(judge(&history(vec![a.clone(), b.clone(), end.clone()])), None);
        end.outcome = Outcome::Found("a".to_owned());
        assert!(judge(&history(vec![a.clone(), b.clone(), end])).is_some());
        let mut deletion = write(1, "", 3, (4, 5));
        deletion.act = Act::Delete;
        let mut back = read(2, "b", (10, 11));
        back.client = READER;
        assert!(judge(&history(vec![b.clone(), deletion, back])).is_some(), "resurrected");
        let mut end = miss(2, (10, 11));
        end.client = READER;
        let mut gone = history(vec![a, b, end]);
        assert!(judge(&gone).is_some());
        gone.outside.insert((1, "k1".to_owned()));
        assert!(judge(&gone).is_some(), "another node's answer");
        gone.outside.insert((2, "k1".to_owned()));
        assert_eq!(judge(&gone), None, "who answers is cut off");
        gone.outside.clear();
        gone.evicted("k1", Time::ms(9));
        assert_eq!(judge(&gone), None, "evicted");
    }
}
