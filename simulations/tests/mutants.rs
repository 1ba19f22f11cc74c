//! That a rule which is left out is noticed: `simulations mutants` tries all rules, this test the few
//! that every run would break.

use simulations::checkers::Violation;
use simulations::mutants::{ALL, Mutant};
use simulations::plan::Plan;
use simulations::run::run;
use simulations::trace::Trace;

/// Rules that the first seeds cannot do without.
const QUICK: [&[&str]; 8] = [
    &["clock_bound", "settling"],
    &["flush_table"],
    &["follow_median"],
    &["lateness"],
    &["marks"],
    &["responsiveness"],
    &["ring_hold"],
    &["tie_break"],
];
/// Seeds that are tried for each.
const SEEDS: u64 = 6;

fn runs(plan: Plan) -> Option<Violation> {
    run(&plan, Trace::default()).violation
}

fn without(rules: &[&str]) -> &'static Mutant {
    ALL.iter().find(|mutant| mutant.without == rules).expect("a mutant without these rules")
}

#[test]
fn the_first_seeds_notice_what_every_run_needs() {
    for rules in QUICK {
        let mutant = without(rules);
        let noticed = |seed: &u64| mutant.caught(mutant.scenarios[0], *seed, runs).is_some();
        assert!((1..=SEEDS).any(|seed| noticed(&seed)), "nobody misses {rules:?}");
    }
}

/// What `simulations mutants` last said; it stands in the documentation.
#[test]
fn the_table_in_the_documentation_is_of_these_mutants() {
    let rows: Vec<Vec<&str>> = include_str!("../MUTANTS.md")
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| without"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for mutant in ALL {
        let name = mutant.without.join(", ");
        let row = rows.iter().find(|row| row[0] == name);
        let row = row.unwrap_or_else(|| panic!("the table lacks {name}"));
        let known = mutant.scenarios.iter().any(|scenario| scenario.name == row[1]);
        assert!(known, "{name} is caught in {:?}", row[1]);
        assert!(!row[2].is_empty() && row[3].parse::<u64>().is_ok(), "{name}: {row:?}");
    }
    assert_eq!(rows.len(), ALL.len());
}
