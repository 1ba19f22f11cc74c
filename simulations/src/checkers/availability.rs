//! Always answers: every operation ends within its deadline. While one ready owner can be reached
//! none fails; while a majority of them can, and the network loses nothing, none takes longer than
//! 250 ms and four round trips, whoever dies or hangs meanwhile: so long may a silence last before it
//! counts as one. Where ways are cut it takes longer: a peer that is heard may hear nothing, and an
//! answer that waited for a cut to end looks like a long way.
//!
//! A decision waits for one owner, and so does everything where there is one copy: where packets are
//! lost, or ways are long and cut, its answer may come too late; and where ways are long and that
//! owner dies, that of the next one (short-lived 108).
//!
//! Not judged: operations at a process that was itself stopped or died, and what a stopping node
//! refuses. For the first seconds after a node went on from a stop, the shorter bound does not hold
//! for what is asked of that node itself.

use chickadee::node::coordinator::{DEADLINE_MS, HEDGE_MS};
use chickadee::node::event::Failure;

use super::Violation;
use crate::history::{History, Outcome, Record};
use crate::plan::{Act, Plan};
use crate::time::Time;

/// An operation ends by then, in milliseconds: a deadline of 1 s, and the turn that notices it, which
/// an idle driver has every 80 ms.
const END_MS_MAX: u64 = 1_100;
/// With a majority of the owners there, it ends by then and four round trips.
const SOON_MS_MAX: u64 = 250;
/// So much later where ways are cut.
const CUT_MS: u64 = 150;
/// Where nobody was cut off, a read that finds something was asked of two more owners, one after
/// the other, and ends by then, besides two round trips.
const READ_MS_MAX: u64 = 2 * HEDGE_MS + 40;
/// Up to so long a way there and back, in milliseconds, that bound holds.
const NEAR_MS_MAX: u64 = 20;
/// Nobody who is silent for so long, in milliseconds, is waited for.
const SILENCE_MS_MAX: u64 = 400;
/// How long after going on a node may take longer, in milliseconds.
const LATE_MS: u64 = 3_000;

/// Complains about the first operation that failed, or took too long.
pub fn judge(plan: &Plan, history: &History, end: Time) -> Option<Violation> {
    let calm = plan.is_calm();
    let most_ms = SOON_MS_MAX + if history.cuts.is_empty() { 0 } else { CUT_MS };
    let way_ms = 2 * (plan.options.latency_us_max + plan.options.jitter_us_max) / 1_000;
    for record in &history.records {
        let stop = match record.outcome {
            Outcome::Open => end,
            _ => record.end,
        };
        let took_ms = stop.ms_since(record.start);
        let decided = record.act.is_decided() || plan.options.replicas == 1;
        let sure = calm && (way_ms <= NEAR_MS_MAX || history.together(record.start, record.end));
        let soon_ms = match record.outcome {
            Outcome::Found(_) if history.cuts.is_empty() => READ_MS_MAX + 2 * way_ms,
            _ if way_ms <= NEAR_MS_MAX => most_ms + 4 * way_ms,
            _ => 2 * (SILENCE_MS_MAX + 2 * way_ms),
        };
        let longer_ms = plan.options.longer_ms(&record.key, record.act == Act::Get);
        let text = match record.outcome {
            Outcome::Lost => continue,
            Outcome::Failed(Failure::Stopping) => continue,
            _ if record.stalled => continue,
            _ if took_ms > END_MS_MAX + longer_ms => format!("took {took_ms} ms"),
            // It was waited for as long as it may take, on ways that are full.
            Outcome::Failed(_) if plan.options.is_overdue(&record.key, took_ms) => continue,
            Outcome::Failed(_) if decided && decides_late(history, record, way_ms) => continue,
            Outcome::Failed(failure)
                if record.majority && (sure || !decided) || record.one && !decided =>
            {
                let who = if record.majority { "a majority" } else { "one" };
                format!("failed though {who} of the owners could be reached: {failure}")
            }
            // A flush waits for every member, for as long as its deadline.
            _ if record.act == Act::Flush => continue,
            _ if calm
                && record.majority
                && took_ms > soon_ms + longer_ms
                && !late(history, record) =>
            {
                format!("took {took_ms} ms though a majority of the owners could be reached")
            }
            _ => continue,
        };
        return Some(Violation {
            invariant: "availability",
            at: stop,
            key: Some(record.key.clone()),
            node: Some(record.host),
            text: format!("{:?} of client {} {text}", record.act, record.client),
        });
    }
    None
}

/// Whether somebody died who may have had to decide it, and ways are so long that a silence and four
/// round trips (to be asked, to ask, to write, to answer) do not fit into the deadline.
fn decides_late(history: &History, record: &Record, way_ms: u64) -> bool {
    let silence_ms = (4 * way_ms).min(SILENCE_MS_MAX);
    let before = Time(record.start.0.saturating_sub(DEADLINE_MS * 1_000_000));
    silence_ms + 4 * way_ms > DEADLINE_MS && history.has_died(before, record.end)
}

fn late(history: &History, record: &Record) -> bool {
    history.stalls.iter().any(|stall| {
        (stall.host, stall.life) == (record.host, record.life)
            && stall.from <= record.end
            && record.start <= stall.to.plus_ms(LATE_MS)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, read, record};
    use super::*;
    use crate::scenarios;

    fn plan() -> Plan {
        let mut plan = scenarios::find("kill").expect("there is one").plan(1, None);
        (plan.options.latency_us_max, plan.options.jitter_us_max) = (0, 0);
        plan
    }

    #[test]
    fn slow_and_failed_operations_are_noticed() {
        let end = Time::ms(5_000);
        let read_in = |ms| history(vec![read(0, "a", (0, ms))]);
        assert_eq!(judge(&plan(), &read_in(READ_MS_MAX), end), None);
        assert!(judge(&plan(), &read_in(READ_MS_MAX + 1), end).is_some());
        let done = Outcome::Done { version: None, acks: 2 };
        let write_in = |ms| history(vec![record(0, Act::Set, (0, ms), done.clone())]);
        assert_eq!(judge(&plan(), &write_in(SOON_MS_MAX), end), None);
        assert!(judge(&plan(), &write_in(SOON_MS_MAX + 1), end).is_some());
        let failed = Outcome::Failed(Failure::Unknown { acks: 0 });
        let failed = history(vec![record(0, Act::Set, (0, 100), failed)]);
        assert!(judge(&plan(), &failed, end).is_some());
        let open = history(vec![record(0, Act::Set, (0, 0), Outcome::Open)]);
        assert!(judge(&plan(), &open, end).is_some());
    }

    #[test]
    fn without_a_majority_only_the_deadline_counts() {
        let mut slow = read(0, "a", (0, 900));
        slow.majority = false;
        assert_eq!(judge(&plan(), &history(vec![slow]), Time::ms(5_000)), None);
    }
}
