//! After a stall: a process that was stopped, and goes on, answers with nothing that others
//! overwrote, and acknowledged, while it was stopped; from its first answer on. A miss is allowed,
//! and what it is told by an owner that had been apart from the others; nor does it know of a write
//! when as many are stopped themselves as had it (swarm seed 2378), nor whom to ask when it did not
//! know of the node that wrote (5192: one without seeds, and those who knew it had died). Of a large
//! value that only one owner has acknowledged, the others may not have heard either: it is on its way
//! to them (large-values 649 and 839 over QUIC).

use chickadee::node::lateness::GAP_NS_MAX;
use chickadee::node::outbox::LARGE_BYTES;

use super::Violation;
use crate::history::{History, Outcome, Record, Stall};

/// Complains about the first read of something overwritten during a stall.
pub fn judge(history: &History) -> Option<Violation> {
    // A node does not notice a shorter gap, nor is it promised to.
    let long = |stall: &&Stall| stall.to.0 - stall.from.0 > GAP_NS_MAX;
    for stall in history.stalls.iter().filter(long) {
        let during = |write: &&Record| {
            stall.knew.contains(write.host) && write.start >= stall.from && write.end <= stall.to
        };
        let under_way = |write: &Record, acks: u8| acks < 2 && write.value.len() > LARGE_BYTES;
        let overwrites: Vec<_> = history
            .records
            .iter()
            .filter(during)
            .filter_map(|write| match write.outcome {
                Outcome::Done { version: Some(version), acks } if !under_way(write, acks) => {
                    Some((&write.key, version.value, acks))
                }
                _ => None,
            })
            .collect();
        for read in &history.records {
            let here = (read.host, read.life) == (stall.host, stall.life) && read.end >= stall.to;
            let Outcome::Found(value) = &read.outcome else {
                continue;
            };
            let Some(seen) = history.seen(&read.key, value).filter(|_| here) else {
                continue;
            };
            let stopped = |other: &&Stall| {
                other.host != stall.host && other.from <= read.end && other.to >= stall.to
            };
            let stopped = history.stalls.iter().filter(stopped).count();
            let overwritten = overwrites
                .iter()
                .filter(|(key, stamp, _)| **key == read.key && *stamp > seen.newest)
                .filter(|_| history.together(stall.from, read.end))
                .filter(|(.., acks)| usize::from(*acks) > stopped)
                .find(|(_, stamp, _)| !history.lost(&read.key, *stamp, read.end));
            if let Some((_, stamp, _)) = overwritten {
                return Some(Violation {
                    invariant: "after-stall",
                    at: read.end,
                    key: Some(read.key.clone()),
                    node: Some(read.host),
                    text: format!(
                        "read {value:?} of {}, overwritten by {stamp} while this node was stopped \
                         from {} to {}",
                        seen.newest, stall.from, stall.to
                    ),
                });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, write};
    use super::*;
    use crate::time::Time;

    fn stall(host: usize, from: u64, to: u64) -> Stall {
        let knew = [0, 1, 2].into_iter().filter(|other| *other != host).collect();
        Stall { host, life: 1, from: Time::ms(from), to: Time::ms(to), knew }
    }

    #[test]
    fn a_value_overwritten_meanwhile_is_noticed() {
        let records =
            vec![write(0, "a", 1, (0, 1)), write(1, "b", 2, (20, 30)), read(0, "a", (199, 201))];
        let mut bad = history(records);
        assert_eq!(judge(&bad), None);
        bad.stalls.push(stall(0, 10, 200));
        assert!(judge(&bad).is_some());
        bad.records[2] = read(0, "b", (199, 201));
        assert_eq!(judge(&bad), None);
        bad.records[2] = read(0, "a", (199, 201));
        bad.stalls.push(stall(1, 100, 300));
        assert!(judge(&bad).is_some(), "two had it");
        bad.stalls.push(stall(2, 100, 300));
        assert_eq!(judge(&bad), None);
        bad.stalls.truncate(1);
        bad.records[1].value = "b".repeat(LARGE_BYTES + 1);
        assert!(judge(&bad).is_some(), "two had it, and it was there");
        bad.records[1].outcome = Outcome::Done { version: bad.records[1].acknowledged(), acks: 1 };
        assert_eq!(judge(&bad), None);
    }
}
