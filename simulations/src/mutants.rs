//! Mutants: nodes that keep all rules but one. Each names the scenarios that are to notice.
//!
//! A mutant is caught by a seed whose run breaks an invariant and holds with all rules kept. A rule
//! that no scenario catches is a hole in the checkers, or another rule makes up for it; then both are
//! left out together, and the pair says why.
//!
#![doc = include_str!("../MUTANTS.md")]

use crate::checkers::Violation;
use crate::plan::Plan;
use crate::scenarios::Scenario;
use crate::scenarios::boots::{HALF_BOOTED_JUDGE, NO_LONGER_OWNER, STREAMED_BOOT};
use crate::scenarios::clock::{CLOCK_JUMP, CLOCK_RESTART, CLOCK_SKEW};
use crate::scenarios::crowded::CROWDED;
use crate::scenarios::far_apart::FAR_APART;
use crate::scenarios::flush::FLUSH;
use crate::scenarios::hot_key::HOT_KEY;
use crate::scenarios::inherited::{INHERITED, MARK_AS_DOOR};
use crate::scenarios::kill::KILL;
use crate::scenarios::large_values::LARGE_VALUES;
use crate::scenarios::late_messages::{FORMER_PROCESS, LATE_FLOOR, LATE_MESSAGES, LATE_OFFER};
use crate::scenarios::leaving::LEAVING;
use crate::scenarios::lonely_start::{LONELY_FORGETTER, LONELY_START};
use crate::scenarios::long_absence::{LONG_ABSENCE, LONG_STOP};
use crate::scenarios::miss_then_lie::MISS_THEN_LIE;
use crate::scenarios::one_copy::ONE_COPY;
use crate::scenarios::partition_heal::{PARTITION_HEAL_LONG, PARTITION_HEAL_SHORT};
use crate::scenarios::quick_restart::{FORMER_LIFE, LAST_WORDS, QUICK_RESTART, UNSEEDED_RESTART};
use crate::scenarios::ragged_heal::RAGGED_HEAL;
use crate::scenarios::reopen::REOPEN;
use crate::scenarios::silence::SILENCE;
use crate::scenarios::slow_join::{LOST_NOTHING, SLOW_JOIN};
use crate::scenarios::slow_meeting::SLOW_MEETING;
use crate::scenarios::stall::STALL;
use crate::scenarios::swarm::SWARM;
use crate::scenarios::updates::{SHORT_LIVED, UPDATES};

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

    /// The plans that must hold for a seed to say something: all rules kept; and, of several that
    /// make up for each other, all but one.
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

/// All mutants. Where several rules are left out, each makes up for the other, and why is said.
pub const ALL: &[Mutant] = &[
    // ---- who is there
    mutant(&["watches"], &[&UNSEEDED_RESTART]),
    mutant(&["reannounce"], &[&LONELY_START]),
    mutant(&["redial"], &[&KILL]),
    mutant(&["refuted_suspects"], &[&PARTITION_HEAL_SHORT]),
    mutant(&["suspects_told"], &[&SILENCE]),
    mutant(&["state_on_link"], &[&KILL]),
    mutant(&["hearsay"], &[&PARTITION_HEAL_LONG]),
    mutant(&["ring_hold"], &[&KILL]),
    mutant(&["meets_first"], &[&KILL]),
    // ---- what time it is
    mutant(&["tie_break"], &[&HOT_KEY]),
    // Where a write comes after whatever is held, only decisions still need it.
    mutant(&["observe"], &[&UPDATES]),
    // Who has just linked up is the only one whose clock may be that far off.
    mutant(&["clock_bound", "settling"], &[&CLOCK_JUMP]),
    mutant(&["follow_median"], &[&CLOCK_JUMP]),
    // Who is behind and has compared its clock with nobody follows before the other one counts it.
    mutant(&["stamped_stay", "settling"], &[&CLOCK_RESTART]),
    mutant(&["after_newer"], &[&CLOCK_SKEW]),
    // Whatever is held, or is below a floor, came in a frame whose clock was observed.
    mutant(&["observe", "above_held"], &[&CLOCK_SKEW]),
    mutant(&["observe", "above_floor"], &[&UPDATES]),
    mutant(&["observe", "restamp"], &[&CLOCK_SKEW]),
    mutant(&["deadlines"], &[&STALL]),
    // ---- who answers
    mutant(&["responsiveness"], &[&STALL]),
    mutant(&["hedging"], &[&FAR_APART]),
    mutant(&["own_writes"], &[&RAGGED_HEAL]),
    mutant(&["lateness"], &[&STALL]),
    mutant(&["reads_again"], &[&QUICK_RESTART]),
    mutant(&["found_guards"], &[&SHORT_LIVED]),
    mutant(&["alone_asks"], &[&ONE_COPY]),
    mutant(&["working"], &[&KILL]),
    mutant(&["large_deadline"], &[&LARGE_VALUES]),
    mutant(&["behind"], &[&STALL]),
    mutant(&["arrears"], &[&LAST_WORDS]),
    mutant(&["bars"], &[&MISS_THEN_LIE]),
    // What a booting node misses is in doubt for some seconds anyway, and a decider asks where it
    // holds nothing; a ready one holds what there is.
    mutant(&["boot_not_ready", "doubts"], &[&FAR_APART]),
    mutant(&["boot_not_ready", "decider_asks"], &[&FAR_APART]),
    // ---- what is forgotten
    mutant(&["floors"], &[&SWARM]),
    mutant(&["floor_refuses"], &[&MARK_AS_DOOR]),
    mutant(&["marks"], &[&STALL]),
    mutant(&["condemned_stay"], &[&INHERITED]),
    // Who boots, or owns no more, has mostly not heard everybody out.
    mutant(&["boot_keeps", "hears_out"], &[&KILL, &SWARM]),
    mutant(&["old_keeps", "hears_out"], &[&SLOW_JOIN]),
    mutant(&["lonely_keeps"], &[&LONELY_FORGETTER]),
    mutant(&["hears_out"], &[&PARTITION_HEAL_LONG]),
    mutant(&["flush_table"], &[&FLUSH]),
    // ---- what is exchanged
    mutant(&["confirms"], &[&STREAMED_BOOT]),
    mutant(&["echoes"], &[&LATE_FLOOR, &LATE_OFFER]),
    mutant(&["in_order"], &[&LATE_MESSAGES]),
    // A larger number ends what was said under a smaller one, whoever has noticed the new life.
    mutant(&["new_life", "life_numbers"], &[&FORMER_LIFE]),
    mutant(&["life_numbers"], &[&FORMER_PROCESS]),
    mutant(&["nothing_closes"], &[&LOST_NOTHING]),
    mutant(&["epochs"], &[&LATE_MESSAGES]),
    mutant(&["condemn"], &[&STREAMED_BOOT]),
    mutant(&["adopt_floors"], &[&LONG_ABSENCE]),
    mutant(&["renewals"], &[&INHERITED]),
    mutant(&["sums"], &[&REOPEN]),
    mutant(&["records"], &[&REOPEN]),
    mutant(&["floors_together"], &[&HALF_BOOTED_JUDGE]),
    mutant(&["boot_after_absence"], &[&LONG_STOP]),
    mutant(&["boot_after_solitude"], &[&SLOW_MEETING]),
    mutant(&["boots_hand_over"], &[&NO_LONGER_OWNER]),
    mutant(&["handoff_checks"], &[&SLOW_JOIN]),
    mutant(&["theirs_pass"], &[&LEAVING]),
    mutant(&["makes_way"], &[&CROWDED]),
];

const fn mutant(
    without: &'static [&'static str],
    scenarios: &'static [&'static Scenario],
) -> Mutant {
    Mutant { without, scenarios }
}

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
