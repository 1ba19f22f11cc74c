//! Decisions: what one owner decides on what is there is exact while nobody is cut off or hangs, and
//! nobody has to evict, whoever dies. Of APPEND, no part that was acknowledged is missing in the
//! end, and none stands there twice. Of INCR, no two come to the same sum, and the sum at the end is
//! no less than what was acknowledged, and no more than what was begun. Of SET NX, a second one
//! succeeds only if something may have been removed since the first.
//!
//! Allowed: what died with its last holder; that a decider which died, or said goodbye, while it was
//! at it had decided already when the next one did; and that two decide at once while one takes over
//! from the other, because one of them has just started or is about to leave.

use std::collections::BTreeMap;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::{Act, Fault, Plan, Timed};
use crate::time::Time;

/// A process that says goodbye goes on for so long at most, in milliseconds.
const LEAVING_MS: u64 = 1_500;

/// Who starts has taken over what it is to decide within so long, in milliseconds; and who leaves has
/// given it up.
const TAKEN_OVER_MS: u64 = 6_000;

/// Owners that may decide one operation, one after the other.
const DECIDERS_MAX: usize = 3;

/// Complains about the first decision that was not exact.
pub fn judge(plan: &Plan, history: &History) -> Option<Violation> {
    // What was evicted and appended to since is there again, and lacks what was there before.
    if !history.is_undisturbed(plan) {
        return None;
    }
    let decisions = Decisions::of(plan, history);
    [decisions.parts(), decisions.sums(), decisions.firsts()]
        .into_iter()
        .flatten()
        .min_by_key(|violation| violation.at)
}

/// Operations that one owner decides, by key.
type ByKey<'a> = BTreeMap<&'a str, Vec<&'a Record>>;

struct Decisions<'a> {
    plan: &'a Plan,
    history: &'a History,
    appends: ByKey<'a>,
    additions: ByKey<'a>,
    firsts: ByKey<'a>,
}

impl<'a> Decisions<'a> {
    fn of(plan: &'a Plan, history: &'a History) -> Decisions<'a> {
        let (appends, additions, firsts) = <(ByKey<'_>, ByKey<'_>, ByKey<'_>)>::default();
        let mut decisions = Decisions { plan, history, appends, additions, firsts };
        for record in &history.records {
            let of_kind = match record.act {
                Act::Append => &mut decisions.appends,
                Act::Add => &mut decisions.additions,
                Act::SetIfAbsent => &mut decisions.firsts,
                _ => continue,
            };
            of_kind.entry(&record.key).or_default().push(record);
        }
        decisions
    }

    /// Whether nobody died or said goodbye meanwhile.
    fn is_calm(&self, record: &Record) -> bool {
        let leaving_ms = |fault: &Fault| match fault {
            Fault::Crash { .. } => Some(0),
            Fault::Stop { .. } | Fault::Leave { .. } => Some(LEAVING_MS),
            _ => None,
        };
        self.plan.faults.iter().all(|fault| {
            let Some(ms) = leaving_ms(&fault.what) else { return true };
            fault.time() > record.end || fault.time().plus_ms(ms) < record.start
        })
    }

    /// Whether it was acknowledged, and nobody took over from another who decides meanwhile.
    fn is_settled(&self, record: &Record) -> bool {
        let moves =
            |fault: &&Timed<Fault>| matches!(fault.what, Fault::Start { .. } | Fault::Leave { .. });
        let moves = self.plan.faults.iter().filter(moves);
        let mut times = moves.map(Timed::time).filter(|at| *at > Time::default());
        record.acknowledged().is_some()
            && times.all(|at| record.end < at || at.plus_ms(TAKEN_OVER_MS) < record.start)
    }

    /// What readers at the end found.
    fn found(&self) -> impl Iterator<Item = (&'a Record, &'a str)> {
        let finals = self.history.records.iter().filter(|record| record.is_final());
        finals.filter_map(|read| match &read.outcome {
            Outcome::Found(found) => Some((read, &found[..])),
            _ => None,
        })
    }

    /// The first reader at the end that lacks a part, or has one twice.
    fn parts(&self) -> Option<Violation> {
        for (read, found) in self.found() {
            let Some(appends) = self.appends.get(&read.key[..]) else { continue };
            let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
            found.split(';').for_each(|part| *parts.entry(part).or_default() += 1);
            for append in appends.iter().filter(|append| self.is_settled(append)) {
                let times = parts.get(&append.value[..]).copied().unwrap_or_default();
                if times == 0 && !self.history.has_lost(&read.key) {
                    let stamp = append.acknowledged()?.value;
                    return complain(read, format!("lacks {:?} of {stamp}", append.value));
                }
                if times > 1 && self.is_calm(append) {
                    return complain(read, format!("has {:?} {times} times", append.value));
                }
            }
        }
        None
    }

    /// The first addition that came to what another had come to; or the first reader at the end that
    /// lacks additions, or has too many.
    fn sums(&self) -> Option<Violation> {
        for (key, additions) in self.additions.iter().filter(|(key, _)| !self.history.has_lost(key))
        {
            let mut sums = BTreeMap::new();
            for addition in additions.iter().filter(|addition| self.is_settled(addition)) {
                let Some(sum) = addition.sum else { continue };
                if let Some(other) = sums.insert(sum, addition) {
                    let text = format!("comes to {sum}, as the addition of {} did", other.end);
                    return complain(addition, text);
                }
            }
            let settled = additions.iter().filter(|addition| self.is_settled(addition)).count();
            let times = |addition: &&Record| match self.is_calm(addition) {
                true => 1,
                false => DECIDERS_MAX,
            };
            let begun: usize = additions.iter().map(times).sum();
            for (read, found) in self.found().filter(|(read, _)| read.key == *key) {
                let is_within = |sum: usize| (settled..=begun).contains(&sum);
                if !found.parse().is_ok_and(is_within) {
                    let text = format!("has {found} of {settled} to {begun} additions");
                    return complain(read, text);
                }
            }
        }
        None
    }

    /// The first that was to write only where nothing is, and wrote though another had.
    fn firsts(&self) -> Option<Violation> {
        let removals = self.history.removals();
        // A removal by a clock that is ahead removes what comes after it, too.
        let ahead_ms = self.plan.clocks_off_ms_max();
        for (key, firsts) in self.firsts.iter().filter(|(key, _)| !self.history.has_lost(key)) {
            let settled: Vec<_> = firsts.iter().filter(|first| self.is_settled(first)).collect();
            for pair in settled.windows(2) {
                let (one, two) = (pair[0], pair[1]);
                let between = |removal: &Record| {
                    let known = removal.acknowledged().is_some();
                    let over = known && removal.end.plus_ms(ahead_ms) < one.start;
                    removal.start <= one.end.max(two.end) && !over
                };
                if !removals.of(key).any(between) {
                    let text = format!("wrote {:?} where {:?} was", two.value, one.value);
                    return complain(two, text);
                }
            }
        }
        None
    }
}

fn complain(record: &Record, text: String) -> Option<Violation> {
    let (key, node) = (Some(record.key.clone()), Some(record.host));
    Some(Violation { invariant: "decisions", at: record.end, key, node, text })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, write};
    use super::*;
    use crate::history::READER;
    use crate::scenarios::kill::KILL;

    fn notices(records: Vec<Record>) -> bool {
        let mut plan = KILL.plan(1, Some(3));
        plan.faults.clear();
        plan.options.wall_off_ms_max = 0;
        judge(&plan, &history(records)).is_some()
    }

    fn at_the_end(value: &str) -> Record {
        Record { client: READER, ..read(0, value, (9_000, 9_001)) }
    }

    #[test]
    fn a_part_that_is_missing_or_stands_there_twice_is_noticed() {
        let append = Record { act: Act::Append, ..write(0, "a", 1, (0, 1)) };
        assert!(!notices(vec![append.clone(), at_the_end("a;")]));
        assert!(notices(vec![append.clone(), at_the_end("b;")]));
        assert!(notices(vec![append, at_the_end("a;a;")]));
    }

    #[test]
    fn sums_that_lack_or_repeat_an_addition_are_noticed() {
        let add = |sum, ms| Record { act: Act::Add, sum: Some(sum), ..write(0, "", 1, ms) };
        let (one, two) = (add(1, (0, 1)), add(2, (2, 3)));
        assert!(!notices(vec![one.clone(), two.clone(), at_the_end("2")]));
        assert!(notices(vec![one.clone(), two.clone(), at_the_end("1")]), "one is lost");
        assert!(notices(vec![one.clone(), two, at_the_end("3")]), "one was carried out twice");
        let again = add(1, (2, 3));
        assert!(notices(vec![one, again, at_the_end("2")]), "two came to the same");
    }

    #[test]
    fn a_second_first_write_is_noticed() {
        let first = |value, n, ms| Record { act: Act::SetIfAbsent, ..write(0, value, n, ms) };
        let (one, two) = (first("a", 1, (0, 1)), first("b", 3, (8_000, 8_001)));
        assert!(notices(vec![one.clone(), two.clone()]));
        let removal = Record { act: Act::Delete, ..write(0, "", 2, (2, 3)) };
        assert!(!notices(vec![one, removal, two]));
    }
}
