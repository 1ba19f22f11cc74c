//! Validity: what a read finds was written, to that key, before the read ended. A counter is no
//! higher than the additions begun by then, each carried out by every owner once.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::history::{History, Outcome};
use crate::plan::Act;
use crate::time::Time;

/// An addition may be carried out again by the next owner if the first one hangs: that is promised
/// to be counted, not to be prevented.
const OWNERS_MAX: usize = 3;

/// Complains about the first read of something that nobody wrote.
pub fn judge(history: &History) -> Option<Violation> {
    let mut written: BTreeMap<(&str, &str), Time> = BTreeMap::new();
    for record in &history.records {
        if !record.reads() {
            // The first of several writes of one value: it may be read from then on.
            written.entry((&record.key, &record.value)).or_insert(record.start);
        }
    }
    let appends = history.records.iter().filter(|record| record.act == Act::Append);
    let appended: BTreeSet<&str> = appends.map(|record| &record.key[..]).collect();
    let mut additions: BTreeMap<&str, Vec<Time>> = BTreeMap::new();
    for record in history.records.iter().filter(|record| record.act == Act::Add) {
        additions.entry(&record.key).or_default().push(record.start);
    }
    for record in &history.records {
        let sum = record.sum.map(|sum| sum.to_string());
        let value = match (&record.outcome, &sum) {
            (Outcome::Found(value), _) | (_, Some(value)) => value,
            _ => continue,
        };
        let known = |part: &str| {
            written.get(&(&record.key[..], part)).is_some_and(|start| *start <= record.end)
        };
        let counted = |count: usize| {
            let begun = additions
                .get(&record.key[..])
                .map_or(0, |starts| starts.partition_point(|start| *start <= record.end));
            (1..=begun * OWNERS_MAX).contains(&count)
        };
        let valid = known(value)
            || value.parse().is_ok_and(counted)
            || value.ends_with(';') && appended.contains(&record.key[..]) && {
                value.trim_end_matches(';').split(';').all(known)
            };
        if !valid {
            return Some(Violation {
                invariant: "validity",
                at: record.end,
                key: Some(record.key.clone()),
                node: Some(record.host),
                text: format!("is told {value:?}, which nobody wrote"),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, record, write};
    use super::*;

    #[test]
    fn a_value_that_nobody_wrote_is_noticed() {
        let good = [write(0, "a", 1, (0, 1)), read(1, "a", (2, 3))];
        assert_eq!(judge(&history(good.to_vec())), None);
        let bad = [write(0, "a", 1, (0, 1)), read(1, "b", (2, 3))];
        assert!(judge(&history(bad.to_vec())).is_some());
    }

    #[test]
    fn a_value_read_before_it_was_written_is_noticed() {
        let bad = [read(1, "a", (2, 3)), write(0, "a", 1, (4, 5))];
        assert!(judge(&history(bad.to_vec())).is_some());
    }

    #[test]
    fn a_counter_above_its_additions_is_noticed() {
        let done = Outcome::Done { version: None, acks: 1 };
        let add = record(0, Act::Add, (0, 1), done);
        assert_eq!(judge(&history(vec![add.clone(), read(1, "1", (2, 3))])), None);
        assert!(judge(&history(vec![add.clone(), read(1, "4", (2, 3))])).is_some());
        assert!(judge(&history(vec![add, read(1, "0", (2, 3))])).is_some());
    }
}
