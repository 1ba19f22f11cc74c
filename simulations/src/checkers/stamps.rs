//! Stamps name contents: one version of a key has one value and one deadline, wherever it is held and
//! whenever it was seen; stamps that one node gives out grow; and no stamp is further ahead of time
//! than clocks may be.
//!
//! A version without a value (a mark) contradicts nothing: eviction leaves it.

use std::collections::BTreeMap;

use chickadee::store::clock::AHEAD_MS_MAX;
use chickadee::store::{Parts, Stamp, Version};

use super::Violation;
use crate::history::{History, Record};
use crate::time::{EPOCH_MS, Time};

/// The contents of all versions that were seen anywhere.
#[derive(Debug, Default)]
pub struct Contents {
    seen: BTreeMap<Vec<u8>, BTreeMap<Version, Content>>,
    /// By how much a stamp may be ahead of the true time, in milliseconds.
    ahead_ms_max: u64,
}

#[derive(PartialEq, Eq, Debug)]
struct Content {
    value: Vec<u8>,
    deadline_ms: Option<u64>,
}

impl Contents {
    /// Nothing seen. `ahead_ms_max` is how far stamps may be ahead of the true time.
    pub fn new(ahead_ms_max: u64) -> Contents {
        Contents { seen: BTreeMap::new(), ahead_ms_max }
    }

    /// A node holds, or sends, this.
    pub fn see(
        &mut self,
        at: Time,
        node: usize,
        key: &[u8],
        parts: Parts<'_>,
    ) -> Option<Violation> {
        let complain = |invariant, text| {
            let key = Some(String::from_utf8_lossy(key).into_owned());
            Some(Violation { invariant, at, key, node: Some(node), text })
        };
        let Parts { version, deadline_ms, .. } = parts;
        let latest = EPOCH_MS + at.0 / 1_000_000 + self.ahead_ms_max;
        let shown = version.value.hlc.ms().max(version.deadline.hlc.ms());
        if shown > latest {
            let ahead = shown - (latest - self.ahead_ms_max);
            return complain("stamp-ahead", format!("{} is {ahead} ms ahead", version.value));
        }
        let value = parts.value?;
        if !self.seen.contains_key(key) {
            self.seen.insert(key.to_vec(), BTreeMap::new());
        }
        let versions = self.seen.get_mut(key).expect("just put there");
        match versions.get(&version) {
            Some(known) if known.value == value && known.deadline_ms == deadline_ms => None,
            Some(known) => complain(
                "one-content-per-version",
                format!(
                    "{} {} is {:?} until {deadline_ms:?}, and was {:?} until {:?}",
                    version.value,
                    version.deadline,
                    String::from_utf8_lossy(value),
                    String::from_utf8_lossy(&known.value),
                    known.deadline_ms
                ),
            ),
            None => {
                versions.insert(version, Content { value: value.to_vec(), deadline_ms });
                None
            }
        }
    }
}

/// Complains about the first write that was stamped below one which was acknowledged, or read, at the
/// same node, for the same key, before it began.
pub fn judge(history: &History) -> Option<Violation> {
    let newest = |record: &Record| {
        let version = record.acknowledged()?;
        Some(version.latest())
    };
    let mut groups: BTreeMap<_, Vec<(Stamp, &Record)>> = BTreeMap::new();
    for record in &history.records {
        // Who was cut off may be behind by more than a stamp may be ahead, and adopts none then.
        let near = history.cuts.is_empty();
        let read = || history.found(record).filter(|_| near).map(|seen| seen.oldest);
        if let Some(stamp) = newest(record).or_else(read) {
            let group = (record.host, record.life, &record.key);
            groups.entry(group).or_default().push((stamp, record));
        }
    }
    let mut complaints = Vec::new();
    for writes in groups.into_values() {
        let mut ended = writes.clone();
        ended.sort_by_key(|(_, record)| record.end);
        let mut ended = ended.into_iter().peekable();
        let mut above: Option<(Stamp, &Record)> = None;
        for (stamp, record) in writes {
            while let Some(next) = ended.next_if(|(_, earlier)| earlier.end < record.start) {
                if above.is_none_or(|(highest, _)| highest < next.0) {
                    above = Some(next);
                }
            }
            if let Some((highest, earlier)) = above
                && stamp <= highest
                && !record.reads()
                && (earlier.acknowledged().is_some()
                    || highest.hlc.ms() <= stamp.hlc.ms() + AHEAD_MS_MAX)
            {
                complaints.push(Violation {
                    invariant: "stamp-order",
                    at: record.end,
                    key: Some(record.key.clone()),
                    node: Some(record.host),
                    text: format!(
                        "{:?} was stamped {stamp}, after {highest} was told here at {}",
                        record.act, earlier.end
                    ),
                });
            }
        }
    }
    complaints.into_iter().min_by_key(|violation| violation.at)
}

#[cfg(test)]
mod tests {
    use chickadee::store::{Hlc, Writer};

    use super::super::tests::{history, version, write};
    use super::*;

    fn parts(version: Version, value: &str) -> Parts<'_> {
        Parts { version, value: Some(value.as_bytes()), deadline_ms: None }
    }

    #[test]
    fn two_contents_of_one_version_are_noticed() {
        let mut contents = Contents::new(0);
        let mut see = |parts| contents.see(Time(0), 0, b"k", parts);
        assert_eq!(see(parts(version(1), "a")), None);
        assert_eq!(see(parts(version(1), "a")), None);
        assert_eq!(see(parts(version(2), "b")), None);
        assert_eq!(see(Parts { value: None, ..parts(version(1), "") }), None, "a mark");
        assert!(see(parts(version(1), "b")).is_some());
        assert!(see(Parts { deadline_ms: Some(9), ..parts(version(2), "b") }).is_some());
    }

    #[test]
    fn a_stamp_from_the_future_is_noticed() {
        let mut contents = Contents::new(700);
        let stamp = |ms| Stamp { hlc: Hlc::at_ms(EPOCH_MS + ms), writer: Writer(1) };
        let mut see = |ms| {
            let parts = parts(Version::of(stamp(ms)), "a");
            contents.see(Time::ms(1_000), 0, b"k", parts)
        };
        assert_eq!(see(1_700), None);
        assert!(see(1_701).is_some());
    }

    #[test]
    fn a_stamp_below_an_earlier_one_of_the_same_node_is_noticed() {
        let a = write(0, "a", 5, (0, 1));
        let later = |host, n| history(vec![a.clone(), write(host, "b", n, (2, 3))]);
        assert_eq!(judge(&later(0, 6)), None);
        assert_eq!(judge(&later(1, 4)), None, "another node");
        assert!(judge(&later(0, 4)).is_some());
        assert!(judge(&later(0, 5)).is_some());
    }
}
