//! What must hold, one file each. A checker complains with a [`Violation`]; it never repairs.
//!
//! While a run goes on: [`replica`], [`stamps`], [`own_stamps`], [`rings`], [`bounds`],
//! [`staying`], [`held_places`], [`handed_over`], [`learnt`], [`tree`], [`covered`], [`condemned`],
//! [`acks`], [`flushed`], [`says_ready`], [`audit`]. After it, over the history of its clients:
//! [`validity`], [`own_writes`], [`never_goes_back`], [`after_stall`], [`stamps`],
//! [`resurrection`], [`expiry`], [`availability`], [`acknowledged`], [`present`], [`decisions`],
//! [`answers`], [`order`]. After the faults have ended: [`membership`], [`convergence`],
//! [`copies`].

pub mod acknowledged;
pub mod acks;
pub mod after_stall;
pub mod answers;
pub mod audit;
pub mod availability;
pub mod bounds;
pub mod condemned;
pub mod convergence;
pub mod copies;
pub mod covered;
pub mod decisions;
pub mod expiry;
pub mod flushed;
pub mod handed_over;
pub mod held_places;
pub mod learnt;
pub mod membership;
pub mod never_goes_back;
pub mod order;
pub mod own_stamps;
pub mod own_writes;
pub mod present;
pub mod replica;
pub mod resurrection;
pub mod rings;
pub mod says_ready;
pub mod stamps;
pub mod staying;
pub mod tree;
pub mod turns;
pub mod validity;

use std::fmt;

use crate::history::History;
use crate::plan::Plan;
use crate::time::Time;
use crate::workload::FILLER;

/// A broken invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// When.
    pub at: Time,
    /// About which key.
    pub key: Option<String>,
    /// At which node.
    pub node: Option<usize>,
    /// What happened, in words.
    pub text: String,
}

/// Most fillers in a row that a violation shows.
const FILLER_SHOWN_MAX: usize = 3;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at.0 / 1_000_000;
        let (seconds, rest) = (ms / 1_000, ms % 1_000);
        write!(f, "t={seconds}.{rest:03}s invariant={}", self.invariant)?;
        if let Some(key) = &self.key {
            write!(f, " key={key}")?;
        }
        if let Some(node) = self.node {
            write!(f, " node={node}")?;
        }
        // A value that was filled up to its size says as much without.
        let mut filler = 0;
        let shown = self.text.chars().filter(|c| {
            filler = if *c == FILLER { filler + 1 } else { 0 };
            filler <= FILLER_SHOWN_MAX
        });
        write!(f, ": {}", shown.collect::<String>())
    }
}

impl std::error::Error for Violation {}

/// Judges what clients did and were told. The first complaint by time counts.
pub fn judge(plan: &Plan, history: &History, end: Time) -> Option<Violation> {
    let complaints = [
        validity::judge(history),
        own_writes::judge(history),
        never_goes_back::judge(plan, history),
        after_stall::judge(history),
        stamps::judge(history),
        resurrection::judge(history),
        expiry::judge(plan, history),
        availability::judge(plan, history, end),
        acknowledged::judge(history),
        present::judge(history),
        decisions::judge(plan, history),
        answers::judge(plan, history),
        order::judge(plan.options.replicas, history),
    ];
    complaints.into_iter().flatten().min_by_key(|v| v.at)
}

#[cfg(test)]
pub(crate) mod tests {
    //! Hand-made histories.

    use chickadee::store::{Hlc, Stamp, Version, Writer};

    use crate::history::{History, Outcome, Record};
    use crate::hosts::HostSet;
    use crate::plan::Act;
    use crate::time::Time;

    pub(crate) fn version(n: u64) -> Version {
        Version::of(Stamp { hlc: Hlc(n), writer: Writer(1) })
    }

    pub(crate) fn record(host: usize, act: Act, ms: (u64, u64), outcome: Outcome) -> Record {
        Record {
            client: 0,
            host,
            life: 1,
            key: "k1".to_owned(),
            act,
            value: String::new(),
            start: Time::ms(ms.0),
            end: Time::ms(ms.1),
            outcome,
            stalled: false,
            majority: true,
            one: true,
            strayed: false,
            reach: None,
            holders: HostSet::default(),
            vanished: false,
            holder: true,
            knew: Stamp::ZERO,
            knew_flushed: Stamp::ZERO,
            flushed: None,
            sum: None,
            yes: None,
        }
    }

    /// An acknowledged write of a value under a version of that number.
    pub(crate) fn write(host: usize, value: &str, n: u64, ms: (u64, u64)) -> Record {
        let outcome = Outcome::Done { version: Some(version(n)), acks: 2 };
        Record { value: value.to_owned(), ..record(host, Act::Set, ms, outcome) }
    }

    pub(crate) fn read(host: usize, value: &str, ms: (u64, u64)) -> Record {
        record(host, Act::Get, ms, Outcome::Found(value.to_owned()))
    }

    pub(crate) fn miss(host: usize, ms: (u64, u64)) -> Record {
        record(host, Act::Get, ms, Outcome::Missing)
    }

    pub(crate) fn history(records: Vec<Record>) -> History {
        let mut history = History::default();
        for record in &records {
            if let (false, Some(version)) = (record.value.is_empty(), record.acknowledged()) {
                history.saw(&record.key, &record.value, version);
            }
        }
        history.records = records;
        history
    }
}
