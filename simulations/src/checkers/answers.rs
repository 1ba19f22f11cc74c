//! Answers: what DEL and SET NX say of what was there is so, while nobody is cut off, hangs, dies
//! or changes places, and nobody has to evict. DEL of what was written, and removed by nobody
//! since, says that there was something. SET NX is refused only if something may be there.

use std::collections::BTreeMap;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::{Act, Fault, Plan};
use crate::time::Time;

/// What was acknowledged reaches the one who decides within so long, in milliseconds, if he was not
/// among those who did.
const TOLD_MS: u64 = 400;
/// Who died, started, or left, concerns what is said within so long, in milliseconds.
const NEAR_MS: u64 = 8_000;

/// Complains about the first answer that is not true.
pub fn judge(plan: &Plan, history: &History) -> Option<Violation> {
    if !history.is_undisturbed(plan) {
        return None;
    }
    let moves = |fault: &Fault| {
        matches!(
            fault,
            Fault::Start { .. } | Fault::Crash { .. } | Fault::Stop { .. } | Fault::Leave { .. }
        )
    };
    let moves = plan.faults.iter().filter(|fault| moves(&fault.what));
    let moves: Vec<Time> =
        moves.map(|fault| fault.time()).filter(|at| *at > Time::default()).collect();
    let is_calm =
        |from: Time, to: Time| moves.iter().all(|at| at.plus_ms(NEAR_MS) < from || to < *at);
    let mut by_key: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in history.records.iter().filter(|record| !record.reads()) {
        by_key.entry(&record.key).or_default().push(record);
    }
    let mut complaints = Vec::new();
    for (key, records) in by_key {
        if history.has_lost(key) {
            continue;
        }
        for (at, record) in records.iter().enumerate() {
            let text = match (record.act, record.yes) {
                (Act::Delete, Some(false)) => deleted(&records, at, is_calm),
                (Act::SetIfAbsent, Some(false)) => refused(&records, at, is_calm),
                _ => None,
            };
            let Some(text) = text else { continue };
            let (key, node) = (Some(key.to_owned()), Some(record.host));
            let at = record.end;
            complaints.push(Violation { invariant: "answers", at, key, node, text });
        }
    }
    complaints.into_iter().min_by_key(|violation| violation.at)
}

/// Whether what happened is known, and when it was over.
fn over(record: &Record) -> Option<Time> {
    matches!(record.outcome, Outcome::Done { .. }).then_some(record.end)
}

/// What is wrong if a removal found nothing, though a value was written before it and by nobody
/// removed.
fn deleted(records: &[&Record], at: usize, is_calm: impl Fn(Time, Time) -> bool) -> Option<String> {
    let delete = records[at];
    let told = |end: Time| end.plus_ms(TOLD_MS) < delete.start;
    let before = |record: &&&Record| over(record).is_some_and(told);
    let wrote = |record: &&&Record| {
        matches!(record.act, Act::Set | Act::SetIfAbsent) && record.acknowledged().is_some()
    };
    let write = records.iter().filter(before).filter(wrote).max_by_key(|write| write.start)?;
    let others = |record: &&&Record| {
        let first = std::ptr::eq(**record, *write) || std::ptr::eq(**record, delete);
        let over = over(record).is_some_and(|end| end < write.start);
        !first && !over && record.start <= delete.end && record.act.removes()
    };
    let sure = write.majority && delete.majority && is_calm(write.start, delete.end);
    if !sure || records.iter().any(|record| others(&record)) {
        return None;
    }
    Some(format!("found nothing to remove, and {:?} was written at {}", write.value, write.end))
}

/// What is wrong if a write was refused because there is something, though all there was has been
/// removed.
fn refused(records: &[&Record], at: usize, is_calm: impl Fn(Time, Time) -> bool) -> Option<String> {
    let first = records[at];
    let removal = |record: &&&Record| {
        let told = |end: Time| end.plus_ms(TOLD_MS) < first.start;
        record.act == Act::Delete && over(record).is_some_and(told)
    };
    let removal = records.iter().filter(removal).max_by_key(|removal| removal.start);
    let since = removal.map_or(Time::default(), |removal| removal.start);
    let candidate = |record: &&Record| {
        let itself = std::ptr::eq(*record, first);
        let over = over(record).is_some_and(|end| end < since);
        !itself && !record.act.removes() && !over && record.start <= first.end
    };
    let sure = first.majority
        && removal.is_none_or(|removal| removal.majority)
        && is_calm(since, first.end);
    if !sure || records.iter().copied().any(|record| candidate(&record)) {
        return None;
    }
    Some(format!("refused {:?}, and there was nothing", first.value))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, write};
    use super::*;
    use crate::scenarios::kill::KILL;

    fn notices(records: Vec<Record>) -> bool {
        let mut plan = KILL.plan(1, Some(3));
        plan.faults.clear();
        judge(&plan, &history(records)).is_some()
    }

    fn told(act: Act, yes: bool, n: u64, ms: (u64, u64)) -> Record {
        Record { act, yes: Some(yes), ..write(0, "v", n, ms) }
    }

    #[test]
    fn a_removal_that_denies_what_it_removes_is_noticed() {
        let set = write(0, "a", 1, (0, 1));
        let delete = |yes, ms| told(Act::Delete, yes, 2, ms);
        assert!(!notices(vec![set.clone(), delete(true, (2_000, 2_001))]));
        assert!(notices(vec![set.clone(), delete(false, (2_000, 2_001))]));
        assert!(
            !notices(vec![set, delete(true, (2_000, 2_002)), delete(false, (2_001, 2_003))]),
            "at once"
        );
    }

    #[test]
    fn a_refusal_for_nothing_is_noticed() {
        let first = |yes, ms| told(Act::SetIfAbsent, yes, 1, ms);
        assert!(notices(vec![first(false, (2_000, 2_001))]));
        assert!(!notices(vec![first(true, (0, 1)), first(false, (2_000, 2_001))]));
        let delete = told(Act::Delete, true, 2, (2_000, 2_001));
        assert!(notices(vec![first(true, (0, 1)), delete, first(false, (4_000, 4_001))]));
    }
}
