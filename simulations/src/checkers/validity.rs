//! Validity: what a read finds was written, to that key, before the read ended.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::history::{History, Outcome};
use crate::plan::Act;
use crate::time::Time;

/// Complains about the first read of something that nobody wrote.
pub fn judge(history: &History) -> Option<Violation> {
    let mut written: BTreeMap<(&str, &str), Time> = BTreeMap::new();
    for record in &history.records {
        if !record.reads() {
            written.insert((&record.key, &record.value), record.start);
        }
    }
    let appends = history.records.iter().filter(|record| record.act == Act::Append);
    let appended: BTreeSet<&str> = appends.map(|record| &record.key[..]).collect();
    for record in &history.records {
        let Outcome::Found(value) = &record.outcome else {
            continue;
        };
        let known = |part: &str| {
            written.get(&(&record.key[..], part)).is_some_and(|start| *start <= record.end)
        };
        let valid = known(value)
            || value.ends_with(';') && appended.contains(&record.key[..]) && {
                value.trim_end_matches(';').split(';').all(known)
            };
        if !valid {
            return Some(Violation {
                invariant: "validity",
                at: record.end,
                key: Some(record.key.clone()),
                node: Some(record.host),
                text: format!("read {value:?}, which nobody wrote"),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, write};
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
}
