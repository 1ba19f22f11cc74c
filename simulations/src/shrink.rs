//! A smaller plan that breaks the same invariant: what a reader needs, and nothing else.
//!
//! Delta debugging over the lists of a plan. First time is cut, because everything after the
//! failure is noise; then faults, each with what mends it; then clients, then single operations;
//! then nodes. A cut stays if the same invariant still breaks. It begins again until nothing more
//! can be cut, or the runs are used up.

use crate::episodes::{Episode, episodes};
use crate::plan::{Fault, Plan};

/// What a search is made of.
pub struct Shrinking<'a> {
    /// The smallest plan so far.
    pub plan: Plan,
    /// Which invariant a plan breaks, if it breaks one.
    pub breaks: &'a mut dyn FnMut(&Plan) -> Option<String>,
    /// Told of every pass: what was cut, and the plan afterwards.
    pub told: &'a mut dyn FnMut(&str, &Plan),
    /// The invariant that is to be broken.
    pub invariant: String,
    /// Runs that are left.
    pub runs: usize,
}

impl Shrinking<'_> {
    /// Makes the plan as small as it gets.
    pub fn shrink(&mut self) {
        loop {
            let before = self.plan.clone();
            self.pass("time", Self::time);
            self.pass("faults", Self::faults);
            self.pass("clients", Self::clients);
            self.pass("operations", Self::operations);
            self.pass("nodes", Self::nodes);
            if self.plan == before || self.runs == 0 {
                return;
            }
        }
    }

    fn pass(&mut self, what: &str, cut: fn(&mut Self)) {
        let before = self.plan.clone();
        cut(self);
        if self.plan != before {
            (self.told)(what, &self.plan);
        }
    }

    /// Takes a plan if it breaks the same invariant.
    fn takes(&mut self, plan: Plan) -> bool {
        if self.runs == 0 || plan == self.plan || plan.check().is_err() {
            return false;
        }
        self.runs -= 1;
        let same = (self.breaks)(&plan).as_ref() == Some(&self.invariant);
        if same {
            self.plan = plan;
        }
        same
    }

    /// Ends the plan as early as possible.
    fn time(&mut self) {
        let begin = self.plan.faults.iter().map(|fault| fault.at_ms).min().unwrap_or_default();
        let (mut low, mut high) = (begin, self.plan.options.healed_ms);
        while low + 50 < high && self.runs > 0 {
            let middle = low + (high - low) / 2;
            if self.takes(until(&self.plan, middle)) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }

    fn faults(&mut self) {
        let all = episodes(&self.plan.faults);
        self.minimize(&all, without_faults);
    }

    fn clients(&mut self) {
        let mut all: Vec<usize> = self.plan.operations.iter().map(|o| o.what.client).collect();
        all.sort_unstable();
        all.dedup();
        self.minimize(&all, |plan, dropped| {
            let mut plan = plan.clone();
            plan.operations.retain(|operation| !dropped.contains(&operation.what.client));
            plan
        });
    }

    fn operations(&mut self) {
        let all: Vec<usize> = (0..self.plan.operations.len()).collect();
        self.minimize(&all, |plan, dropped| {
            let mut plan = plan.clone();
            let mut index = 0;
            plan.operations.retain(|_| {
                index += 1;
                dropped.binary_search(&(index - 1)).is_err()
            });
            plan
        });
    }

    fn nodes(&mut self) {
        for node in (0..self.plan.nodes()).rev() {
            if let Some(plan) = without_node(&self.plan, node) {
                self.takes(plan);
            }
        }
    }

    /// Drops as many of all elements as possible, in halves first, then in smaller and smaller
    /// parts. `without` makes a plan of the first one and of everything that is dropped, in order.
    fn minimize<T: Clone + Ord>(&mut self, all: &[T], without: impl Fn(&Plan, &[T]) -> Plan) {
        let whole = self.plan.clone();
        let mut kept = all.to_vec();
        let mut dropped: Vec<T> = Vec::new();
        let mut size = kept.len();
        while size > 0 && self.runs > 0 {
            let mut at = 0;
            while at < kept.len() && self.runs > 0 {
                let end = kept.len().min(at + size);
                let mut more = [&dropped[..], &kept[at..end]].concat();
                more.sort_unstable();
                if self.takes(without(&whole, &more)) {
                    dropped = more;
                    kept.drain(at..end);
                } else {
                    at = end;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

/// The plan up to that time.
fn until(plan: &Plan, ms: u64) -> Plan {
    let mut plan = plan.clone();
    plan.options.healed_ms = ms;
    plan.options.formed_ms = plan.options.formed_ms.min(ms);
    plan.faults.retain(|fault| fault.at_ms < ms);
    plan.operations.retain(|operation| operation.at_ms < ms);
    plan
}

fn without_faults(plan: &Plan, dropped: &[Episode]) -> Plan {
    let gone = |index: usize| {
        dropped.iter().any(|episode| episode.fault == index || episode.end == Some(index))
    };
    let mut plan = plan.clone();
    let mut index = 0;
    plan.faults.retain(|_| {
        index += 1;
        !gone(index - 1)
    });
    plan
}

/// The plan with one node less, if there is more than one. Those above it move down by one.
fn without_node(plan: &Plan, node: usize) -> Option<Plan> {
    let mut plan = plan.clone();
    let count = plan.nodes();
    let options = &mut plan.options;
    if node < options.nodes {
        options.nodes = options.nodes.checked_sub(1).filter(|left| *left > 0)?;
    } else {
        options.joiners -= 1;
    }
    let shares = options.weights.len();
    if shares > 1 {
        options.weights = (0..count).map(|index| options.weights[index % shares]).collect();
        options.weights.remove(node);
    }
    let shares = options.memory_percents.len();
    if shares > 1 {
        let percent = |index| options.memory_percents[index % shares];
        options.memory_percents = (0..count).map(percent).collect();
        options.memory_percents.remove(node);
    }
    if !options.core.is_empty() {
        options.core.retain(|other| *other != node);
        if options.core.is_empty() {
            return None;
        }
        options.core.iter_mut().for_each(|other| *other -= usize::from(*other > node));
    }
    plan.faults.retain_mut(|fault| keep_without(&mut fault.what, node));
    Some(plan)
}

/// Renames the nodes of a fault. Returns whether it still is one.
fn keep_without(fault: &mut Fault, gone: usize) -> bool {
    let down = |node: &mut usize| {
        let is_gone = *node == gone;
        *node -= usize::from(*node > gone);
        !is_gone
    };
    match fault {
        Fault::Crash { node }
        | Fault::Start { node, .. }
        | Fault::Stop { node }
        | Fault::Leave { node }
        | Fault::Stall { node }
        | Fault::Resume { node }
        | Fault::Slow { node, .. }
        | Fault::Clock { node, .. } => down(node),
        Fault::Cut { from, to } | Fault::Mend { from, to } | Fault::Throttle { from, to, .. } => {
            down(from) & down(to)
        }
        Fault::Partition { nodes } => {
            nodes.retain_mut(down);
            true
        }
        Fault::Unite | Fault::Weather { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;

    #[test]
    fn what_does_not_matter_goes_and_what_does_stays() {
        let plan = scenarios::find("swarm").expect("there is one").plan(2, Some(6));
        // It breaks whenever node 1 is touched by something and client 2 does something.
        let mut breaks = |plan: &Plan| {
            let episodes = episodes(&plan.faults);
            let touched = episodes.iter().any(|e| !plan.faults[e.fault].what.nodes().is_empty());
            let asked = plan.operations.iter().any(|operation| operation.what.client == 2);
            (touched && asked).then(|| "some".to_owned())
        };
        let invariant = "some".to_owned();
        let mut told = |_: &str, _: &Plan| {};
        let mut search =
            Shrinking { plan, breaks: &mut breaks, told: &mut told, invariant, runs: 1_000 };
        search.shrink();
        let (plan, left) = (&search.plan, search.runs);
        assert!(left > 0, "it ends by itself");
        assert_eq!((plan.operations.len(), episodes(&plan.faults).len()), (1, 1));
        assert_eq!(plan.operations[0].what.client, 2);
        assert!(plan.nodes() <= 2, "{}", plan.nodes());
        assert_eq!(plan.check(), Ok(()));
    }

    #[test]
    fn a_node_less_leaves_nobody_nameless() {
        let plan = scenarios::find("swarm").expect("there is one").plan(2, Some(6));
        for node in 0..plan.nodes() {
            let less = without_node(&plan, node).expect("there are more");
            assert_eq!((less.nodes(), less.check()), (plan.nodes() - 1, Ok(())));
        }
    }
}
