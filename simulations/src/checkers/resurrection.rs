//! No resurrection: a node serves nothing older than what it held itself in this life, whoever it
//! asked, and nothing that it knew to be flushed; and after everything has healed nobody serves
//! what a flush removed that was acknowledged, if somebody has lived on who knew of it. (Whether what
//! was deleted or overwritten comes back at the end is judged by [`super::acknowledged`].)
//!
//! Where a node has handed a partition over and dropped it, it remembers nothing of it.

use chickadee::store::Stamp;

use super::Violation;
use crate::history::{History, Outcome};
use crate::workload::FLUSHED;

/// Complains about the first read of something that should be dead.
pub fn judge(history: &History) -> Option<Violation> {
    let done = |flush: &&crate::history::Record| matches!(flush.outcome, Outcome::Done { .. });
    let flushes = history.records.iter().filter(done).filter_map(|record| record.flushed);
    let end = history.records.iter().map(|record| record.end).max().unwrap_or_default();
    let flushes = flushes.filter(|flushed| !history.lost(FLUSHED, *flushed, end));
    let flushed = flushes.max().unwrap_or(Stamp::ZERO);
    for read in &history.records {
        let Some(seen) = history.found(read) else {
            continue;
        };
        let text = if seen.newest < read.knew {
            format!("held {} before", read.knew)
        } else if seen.newest <= read.knew_flushed {
            format!("knew of a flush up to {}", read.knew_flushed)
        } else if read.is_final() && read.key.starts_with(FLUSHED) && seen.newest <= flushed {
            format!("lives after a flush up to {flushed} was acknowledged")
        } else {
            continue;
        };
        return Some(Violation {
            invariant: "no-resurrection",
            at: read.end,
            key: Some(read.key.clone()),
            node: Some(read.host),
            text: format!("serves {:?} of {}, and {text}", read.outcome, seen.newest),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, record, version, write};
    use super::*;
    use crate::history::READER;
    use crate::plan::Act;

    #[test]
    fn what_a_node_knew_better_is_noticed() {
        let a = write(1, "a", 5, (0, 1));
        let mut asked = read(0, "a", (2, 3));
        asked.knew = version(5).value;
        assert_eq!(judge(&history(vec![a.clone(), asked.clone()])), None);
        asked.knew = version(6).value;
        assert!(judge(&history(vec![a, asked])).is_some());
    }

    #[test]
    fn what_was_flushed_and_comes_back_is_noticed() {
        let a = write(1, "a", 5, (0, 1));
        let mut asked = read(0, "a", (2, 3));
        asked.knew_flushed = version(4).value;
        assert_eq!(judge(&history(vec![a.clone(), asked.clone()])), None);
        asked.knew_flushed = version(5).value;
        assert!(judge(&history(vec![a.clone(), asked])).is_some());

        let done = Outcome::Done { version: None, acks: 0 };
        let mut flush = record(0, Act::Flush, (2, 3), done);
        flush.flushed = Some(version(5).value);
        let mut end = read(2, "a", (4, 5));
        end.client = READER;
        let run = |key: &str, end: &crate::history::Record| {
            let mut records = vec![a.clone(), flush.clone(), end.clone()];
            records.iter_mut().for_each(|record| record.key = key.to_owned());
            judge(&history(records))
        };
        assert!(run("f1", &end).is_some());
        assert_eq!(run("k1", &end), None, "another namespace");
        end.client = 0;
        assert_eq!(run("f1", &end), None, "it may not have heard of it");
    }
}
