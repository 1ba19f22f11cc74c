//! What faults and eviction cost.
//!
//! How many live values are lost to each kind of event, one at a time and with time to recover in
//! between, where nothing has to be evicted: those whose newest acknowledged write is a value that
//! nobody holds at the end. A hundred runs each, so not for every day:
//! `cargo test --release --package simulations --test losses -- --ignored --nocapture`.

use std::sync::atomic::Ordering;

use simulations::checkers::convergence;
use simulations::losses::Losses;
use simulations::plan::{Act, ClientOperation, Fault, Plan, Timed};
use simulations::run::run;
use simulations::scenarios;
use simulations::time::Time;
use simulations::trace::Trace;
use simulations::world::World;
use simulations::world::core::Core;

/// The seeds of each kind of event.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;

/// Runs a scenario. At most `lost_ppm` of a million live values may be lost.
fn loses(name: &str, lost_ppm: u64) {
    let scenario = scenarios::find(name).expect("a scenario of that name");
    let mut all = Losses::default();
    for seed in SEEDS {
        let outcome = run(&scenario.plan(seed, None), Trace::default());
        assert_eq!(outcome.violation, None, "{name} seed {seed}");
        assert!(outcome.losses.live > 5, "{name} seed {seed} wrote something");
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

/// Three nodes of different memory that own everything, no faults, and a new key every 20 ms: within
/// some seconds more than the largest has room for.
fn turnover(seed: u64) -> Plan {
    let scenario = scenarios::find("scarce").expect("a scenario of that name");
    let mut plan = scenario.plan(seed, Some(3));
    plan.keep_starts();
    plan.options.memory_bytes_max = 120_000;
    plan.options.memory_percents = vec![100, 60, 30];
    plan.options.healed_ms = 70_000;
    plan.operations = (0..3_000)
        .map(|count| {
            let (client, key) = (count as usize % plan.options.clients, format!("k{count}"));
            let what = ClientOperation { client, key, act: Act::Set };
            Timed { at_ms: 6_000 + 20 * count, what }
        })
        .collect();
    plan
}

#[test]
fn replicas_of_different_capacity_repair_nothing_under_turnover() {
    for seed in 1..=5 {
        let mut world = World::<Core>::new(turnover(seed), Trace::default());
        world.run_until(Time::ms(20_000));
        let evicted = |world: &World<Core>| -> Vec<u64> {
            let counters =
                (0..3).map(|node| world.process(node).expect("it runs").store.counters());
            counters.map(|counters| counters.evicted.load(Ordering::Relaxed)).collect()
        };
        let (full, moved) = (evicted(&world), convergence::activity(&mut world));
        assert!(full.iter().all(|evicted| *evicted > 0), "seed {seed}: {full:?}");
        world.run_until(Time::ms(65_000));
        assert_eq!(world.violation, None, "seed {seed}");
        let gone = evicted(&world);
        assert!(gone.iter().zip(&full).all(|(now, then)| now - then > 1_000), "seed {seed}");
        assert_eq!(convergence::activity(&mut world), moved, "seed {seed}");
    }
}

/// The same with equal memory, and with readers at each node who like other keys. When all are full,
/// one after the other is restarted.
fn restarts_of_full_caches(seed: u64) -> Plan {
    let mut plan = turnover(seed);
    plan.options.memory_percents = Vec::new();
    plan.options.healed_ms = 110_000;
    plan.operations.retain(|write| write.at_ms < 36_000);
    let mut number = seed;
    for at_ms in (8_000u64..38_000).step_by(2) {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (client, written) =
            ((number >> 60) as usize % plan.options.clients, (at_ms - 6_000) / 20);
        let back = (number >> 33) % 700;
        let key = format!("k{}", written.saturating_sub(back));
        let what = ClientOperation { client, key, act: Act::Get };
        plan.operations.push(Timed { at_ms, what });
    }
    plan.operations.sort_by_key(|operation| operation.at_ms);
    for node in 0..3 {
        let at_ms = 45_000 + 20_000 * node as u64;
        plan.faults.push(Timed { at_ms, what: Fault::Stop { node } });
        let what = Fault::Start { node, seeded: true };
        plan.faults.push(Timed { at_ms: at_ms + 3_000, what });
    }
    plan
}

/// What each node holds.
fn held(world: &World<Core>) -> usize {
    let mut values = 0;
    for node in 0..3 {
        world.each_held(node, |_, parts| values += usize::from(parts.value.is_some()));
    }
    values
}

#[test]
fn a_rolling_restart_of_full_caches_keeps_what_they_hold() {
    for seed in 1..=5 {
        let mut world = World::<Core>::new(restarts_of_full_caches(seed), Trace::default());
        world.run_until(Time::ms(44_000));
        let before = held(&world);
        // While a node boots, what the others evict leaves marks, which take some of the memory.
        for (at_ms, percent) in [(64_000, 90), (84_000, 90), (108_000, 95)] {
            world.run_until(Time::ms(at_ms));
            let now = held(&world);
            println!("seed {seed}: of {before} values {now} are held after {at_ms} ms");
            assert!(now * 100 >= before * percent, "seed {seed}: {now} of {before} at {at_ms} ms");
        }
        assert_eq!(world.violation, None, "seed {seed}");
    }
}
