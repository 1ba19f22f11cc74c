//! A few seeds of each scenario: what `cargo simulate run NAME --seeds 1..N` does for many.

use simulations::run::run;
use simulations::scenarios;
use simulations::trace::Trace;

fn holds(name: &str, seeds: std::ops::Range<u64>) {
    let scenario = scenarios::find(name).expect("a scenario of that name");
    for seed in seeds {
        let outcome = run(&scenario.plan(seed, None), Trace::default());
        assert_eq!(outcome.violation, None, "{name} seed {seed}");
        assert!(outcome.operations > 500, "{name} seed {seed} did something");
        assert!(outcome.agreed_ms.is_some());
    }
}

#[test]
fn killed_nodes_are_not_missed() {
    holds("kill", 1..5);
}

#[test]
fn a_stalled_node_answers_with_nothing_old() {
    holds("stall", 1..5);
}

#[test]
fn a_rolling_restart_loses_nothing() {
    holds("rolling-restart", 1..5);
}

#[test]
fn a_partition_heals() {
    holds("partition-heal-long", 1..5);
}

#[test]
fn joining_nodes_get_their_share() {
    holds("join-storm", 1..5);
}

#[test]
fn a_lossy_network_only_slows() {
    holds("lossy", 1..5);
}

#[test]
fn clocks_that_jump_are_not_believed() {
    holds("clock-jump", 1..5);
}

#[test]
fn a_hot_key_waits_for_nobody() {
    holds("hot-key", 1..5);
}
