//! Mutants: nodes that keep all rules but one. Each names the scenarios that are to notice.
//!
//! A mutant is caught by a seed whose run breaks an invariant and holds with all rules kept. A rule
//! that no scenario catches is a hole in the checkers, or another rule makes up for it; then both are
//! left out together, and the pair says why.

use crate::checkers::Violation;
use crate::plan::Plan;
use crate::scenarios::Scenario;
use crate::scenarios::clock::{CLOCK_JUMP, CLOCK_SKEW};
use crate::scenarios::flapping::FLAPPING;
use crate::scenarios::flush::FLUSH;
use crate::scenarios::hot_key::HOT_KEY;
use crate::scenarios::join_storm::JOIN_STORM;
use crate::scenarios::kill::KILL;
use crate::scenarios::lossy::LOSSY;
use crate::scenarios::one_way_cut::ONE_WAY_CUT;
use crate::scenarios::partition_heal::PARTITION_HEAL_LONG;
use crate::scenarios::rolling_restart::ROLLING_RESTART;
use crate::scenarios::stall::STALL;
use crate::scenarios::swarm::SWARM;

/// Nodes that do not keep some rules.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// The rules that are left out: one, or several that make up for each other.
    pub without: &'static [&'static str],
    /// The scenarios that are to notice, in the order in which they are tried.
    pub scenarios: &'static [&'static Scenario],
}

impl Mutant {
    /// The plan of a scenario and a seed, for nodes that do not keep these rules.
    pub fn plan(&self, scenario: &Scenario, seed: u64) -> Plan {
        let mut plan = scenario.plan(seed, None);
        plan.without = self.without.iter().map(|rule| (*rule).to_owned()).collect();
        plan
    }

    /// The plans that must hold for a seed to say something: all rules kept; and, of several that make
    /// up for each other, all but one.
    pub fn kept(&self, scenario: &Scenario, seed: u64) -> Vec<Plan> {
        let all = scenario.plan(seed, None);
        let mut plans = vec![all.clone()];
        if self.without.len() > 1 {
            let one = |rule: &&str| Plan { without: vec![(*rule).to_owned()], ..all.clone() };
            plans.extend(self.without.iter().map(one));
        }
        plans
    }

    /// Whether a seed catches it: what it breaks that holds when the rules are kept. `runs` runs a
    /// plan and says what it breaks.
    pub fn caught(
        &self,
        scenario: &Scenario,
        seed: u64,
        runs: impl Fn(Plan) -> Option<Violation>,
    ) -> Option<Violation> {
        let violation = runs(self.plan(scenario, seed))?;
        let holds = |plan| runs(plan).is_none();
        self.kept(scenario, seed).into_iter().all(holds).then_some(violation)
    }
}

const fn one(without: &'static [&'static str], scenarios: &'static [&'static Scenario]) -> Mutant {
    Mutant { without, scenarios }
}

/// All mutants.
pub const ALL: &[Mutant] = &[
    // ---- who is there
    one(&["reannounce"], &[&PARTITION_HEAL_LONG]),
    one(&["redial"], &[&KILL]),
    one(&["refuted_suspects"], &[&LOSSY, &ONE_WAY_CUT]),
    one(&["state_on_link"], &[&KILL, &JOIN_STORM]),
    one(&["hearsay"], &[&PARTITION_HEAL_LONG]),
    one(&["ring_hold"], &[&KILL, &ROLLING_RESTART]),
    // ---- what time it is
    one(&["tie_break"], &[&HOT_KEY]),
    one(&["observe"], &[&CLOCK_SKEW]),
    one(&["clock_bound"], &[&CLOCK_JUMP]),
    one(&["follow_median"], &[&CLOCK_JUMP]),
    one(&["above_held"], &[&CLOCK_SKEW]),
    one(&["above_floor"], &[&CLOCK_SKEW]),
    one(&["deadlines"], &[&STALL]),
    // ---- who answers
    one(&["responsiveness"], &[&STALL]),
    one(&["hedging"], &[&STALL]),
    one(&["own_writes"], &[&FLAPPING]),
    one(&["lateness"], &[&STALL]),
    one(&["reads_again"], &[&STALL]),
    one(&["decider_asks"], &[&KILL]),
    one(&["decider_majority"], &[&KILL]),
    one(&["working"], &[&KILL]),
    one(&["restamp"], &[&CLOCK_SKEW]),
    one(&["behind"], &[&FLAPPING]),
    one(&["boot_not_ready"], &[&KILL]),
    one(&["doubts"], &[&KILL]),
    one(&["bars"], &[&SWARM]),
    // ---- what is forgotten
    one(&["floors"], &[&SWARM]),
    one(&["floor_refuses"], &[&SWARM]),
    one(&["marks"], &[&STALL]),
    one(&["condemned_stay"], &[&PARTITION_HEAL_LONG]),
    one(&["boot_keeps"], &[&KILL]),
    one(&["lonely_keeps"], &[&PARTITION_HEAL_LONG]),
    one(&["flush_table"], &[&FLUSH]),
    // ---- what is exchanged
    one(&["echoes"], &[&FLAPPING]),
    one(&["new_life"], &[&KILL]),
    one(&["epochs"], &[&FLAPPING]),
    one(&["condemn"], &[&PARTITION_HEAL_LONG]),
    one(&["adopt_floors"], &[&PARTITION_HEAL_LONG]),
    one(&["renewals"], &[&PARTITION_HEAL_LONG]),
    one(&["floors_together"], &[&KILL]),
    one(&["boot_after_absence"], &[&STALL]),
    one(&["boot_after_solitude"], &[&JOIN_STORM]),
    one(&["handoff_checks"], &[&JOIN_STORM]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chickadee::store::Rules;

    use super::ALL;

    #[test]
    fn every_rule_is_left_out_by_a_mutant() {
        let left_out: BTreeSet<_> = ALL.iter().flat_map(|mutant| mutant.without).collect();
        let rules: BTreeSet<_> = Rules::ALL.iter().map(|(name, _)| name).collect();
        assert_eq!(left_out, rules);
    }
}
