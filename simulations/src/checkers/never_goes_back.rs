//! Never goes back, for the clients of one node: what one of them read is never older than what one
//! of them had read before.
//!
//! Allowed: that a newer value died with its last holder meanwhile.

use super::Violation;
use crate::history::{History, Outcome, Record};

/// Complains about the first read that is older than an earlier one at the same node.
pub fn judge(history: &History) -> Option<Violation> {
    for (at, read) in history.records.iter().enumerate() {
        let Some(seen) = found(history, read) else {
            continue;
        };
        let earlier = |other: &&Record| {
            (other.host, other.life) == (read.host, read.life)
                && other.key == read.key
                && other.end < read.start
        };
        let newest = history.records[..at]
            .iter()
            .filter(earlier)
            .filter_map(|other| Some((found(history, other)?.oldest, other)))
            .max_by_key(|(stamp, _)| *stamp);
        let Some((stamp, before)) = newest else {
            continue;
        };
        if seen.newest < stamp && !history.lost(&read.key, stamp, read.end) {
            return Some(Violation {
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
    None
}

fn found(history: &History, read: &Record) -> Option<crate::history::Seen> {
    match &read.outcome {
        Outcome::Found(value) => history.seen(&read.key, value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, write};
    use super::*;

    #[test]
    fn an_older_value_after_a_newer_one_is_noticed() {
        let writes = || vec![write(2, "a", 1, (0, 1)), write(2, "b", 2, (2, 3))];
        let mut good = writes();
        good.extend([read(0, "a", (4, 5)), read(0, "b", (6, 7))]);
        assert_eq!(judge(&history(good)), None);
        let mut bad = writes();
        bad.extend([read(0, "b", (4, 5)), read(0, "a", (6, 7))]);
        assert!(judge(&history(bad)).is_some());
        let mut elsewhere = writes();
        elsewhere.extend([read(0, "b", (4, 5)), read(1, "a", (6, 7))]);
        assert_eq!(judge(&history(elsewhere)), None);
    }
}
