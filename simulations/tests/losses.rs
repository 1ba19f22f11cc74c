//! How many live values are lost to each kind of event, one at a time and with time to recover in
//! between, where nothing has to be evicted: those whose newest acknowledged write is a value that
//! nobody holds at the end.
//!
//! A hundred runs each, so not for every day:
//! `cargo test --release --package simulations --test losses -- --ignored --nocapture`.

use simulations::losses::Losses;
use simulations::run::run;
use simulations::scenarios;
use simulations::trace::Trace;

/// The seeds of each kind of event.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;

/// Runs a scenario. At most `lost_ppm` of a million live values may be lost.
fn loses(name: &str, lost_ppm: u64) {
    let scenario = scenarios::find(name).expect("a scenario of that name");
    let mut all = Losses::default();
    for seed in SEEDS {
        let outcome = run(&scenario.plan(seed, None), Trace::default());
        assert_eq!(outcome.violation, None, "{name} seed {seed}");
        assert!(outcome.losses.live > 20, "{name} seed {seed} wrote something");
        if outcome.losses.lost > 0 {
            println!("{name} seed {seed}: {:?}", outcome.losses);
        }
        all += outcome.losses;
    }
    let Losses { live, lost } = all;
    println!("{name}: {lost} of {live} live values lost, {:.3} %", percent(all));
    assert!(lost * 1_000_000 <= live * lost_ppm, "{name}: {lost} of {live}");
}

fn percent(losses: Losses) -> f64 {
    losses.lost as f64 * 100.0 / losses.live as f64
}

#[test]
#[ignore = "a hundred runs"]
fn a_crash_loses_next_to_nothing() {
    loses("kill", 1_000);
}

#[test]
#[ignore = "a hundred runs"]
fn a_stall_loses_next_to_nothing() {
    loses("stall", 1_000);
}

#[test]
#[ignore = "a hundred runs"]
fn flapping_loses_next_to_nothing() {
    loses("flapping", 1_000);
}

#[test]
#[ignore = "a hundred runs"]
fn a_rolling_restart_loses_nothing() {
    loses("rolling-restart", 0);
}
