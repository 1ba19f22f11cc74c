//! The level of driver, QUIC and TLS: what holds at the other level holds there, and both end alike.

mod common;

use std::collections::BTreeMap;

use simulations::plan::{Act, ClientOperation, Plan, Timed};
use simulations::run::{Outcome, run};
use simulations::trace::Trace;
use simulations::{quic, scenarios};

fn plan(name: &str, seed: u64, nodes: Option<usize>) -> Plan {
    scenarios::find(name).expect("a scenario of that name").plan(seed, nodes)
}

/// On a thread of its own, as that level wants it.
fn run_quic(plan: &Plan) -> Outcome {
    std::thread::scope(|scope| {
        let run = || quic::run(plan, Trace::default());
        scope.spawn(run).join().expect("a run does not panic")
    })
}

fn holds(name: &str, seeds: &[u64]) {
    for seed in seeds {
        let outcome = run_quic(&plan(name, *seed, None));
        assert_eq!(outcome.violation, None, "{name} seed {seed}");
        assert!(outcome.operations > 500, "{name} seed {seed} did something");
        assert!(outcome.agreed_ms.is_some());
    }
}

#[test]
fn killed_nodes_are_not_missed() {
    holds("kill", &[1, 2]);
}

#[test]
fn a_stalled_node_answers_with_nothing_old() {
    holds("stall", &[1, 2]);
}

#[test]
fn a_short_partition_heals() {
    holds("partition-heal-short", &[1, 2]);
}

#[test]
fn a_lossy_network_only_slows() {
    holds("lossy", &[1, 2]);
}

/// What is large takes many datagrams, which QUIC sends slower and slower where they pass each other.
#[test]
fn nodes_that_join_slowly_take_over_what_is_large() {
    holds("slow-join", &[1]);
}

/// A node says that it is ready, and at once hears of another one that makes it own more.
#[test]
fn what_a_node_says_is_judged_by_what_it_is_then() {
    holds("swarm", &[7012]);
}

/// One clock is set by a little more than is believed, among clocks that are a little off themselves.
#[test]
fn a_clock_that_jumps_does_not_reorder_writes() {
    holds("swarm", &[8002]);
}

/// The only owner of a key is out of the core, and cut off for good from who has written it.
#[test]
fn an_owner_that_some_cannot_reach_is_not_asked_for_what_they_wrote() {
    holds("swarm", &[7002]);
}

/// Every owner of a large value said that it comes, was silent behind what it sent for longer than
/// one that is there, and was waited for no more: the read was given up, or said that there is
/// nothing, while the value was on its way.
#[test]
fn who_says_that_a_large_value_comes_is_waited_for() {
    holds("large-values", &[16, 29, 79]);
}

#[test]
fn one_plan_is_one_run_in_two_threads_and_another_process() {
    let plan = plan("lossy", 7, Some(4));
    let (here, there) = std::thread::scope(|scope| {
        let there = scope.spawn(|| run_quic(&plan));
        (run_quic(&plan), there.join().expect("a run does not panic"))
    });
    assert_eq!((here.hash, here.events), (there.hash, there.events));
    let arguments = ["replay", "lossy", "--seed", "7", "--nodes", "4", "--level", "quic"];
    let elsewhere = common::simulations(&arguments);
    assert_eq!(elsewhere.last(), format!("trace {:016x}", here.hash), "{}", elsewhere.error);
}

/// The plan, so that its end is known: every key has one client that writes it, by itself, and
/// writes or removes it once more in quiet seconds after the last fault. Returns what is then there.
fn decided(mut plan: Plan) -> (Plan, BTreeMap<String, String>) {
    let clients = plan.options.clients;
    let number = |key: &str| key[1..].parse::<usize>().unwrap_or_default();
    let owner = |key: &str| number(key) % clients;
    plan.operations.retain(|operation| {
        let ClientOperation { client, key, act } = &operation.what;
        matches!(act, Act::Get) || matches!(act, Act::Set | Act::Delete) && *client == owner(key)
    });
    let quiet_ms = plan.options.healed_ms;
    let mut keys: Vec<String> = plan.operations.iter().map(|o| o.what.key.clone()).collect();
    keys.sort();
    keys.dedup();
    for (index, key) in keys.iter().enumerate() {
        let act = if index % 3 == 0 { Act::Delete } else { Act::Set };
        let what = ClientOperation { client: owner(key), key: key.clone(), act };
        plan.operations.push(Timed { at_ms: quiet_ms + 3_000 + 100 * index as u64, what });
    }
    plan.options.healed_ms = quiet_ms + 4_000 + 100 * keys.len() as u64;
    plan.operations.sort_by_key(|operation| operation.at_ms);
    let mut writes = vec![0; clients];
    let mut expected = BTreeMap::new();
    for Timed { what: ClientOperation { client, key, act }, .. } in &plan.operations {
        writes[*client] += u64::from(*act != Act::Get);
        match act {
            Act::Set => {
                drop(expected.insert(key.clone(), format!("c{client}.{}", writes[*client])))
            }
            Act::Delete => drop(expected.remove(key)),
            _ => {}
        }
    }
    (plan, expected)
}

#[test]
fn both_levels_end_in_the_same_state() {
    for (name, seed) in [("kill", 3), ("stall", 4), ("partition-heal-short", 5)] {
        let (plan, expected) = decided(plan(name, seed, None));
        let (core, quic) = (run(&plan, Trace::default()), run_quic(&plan));
        assert_eq!((&core.violation, &quic.violation), (&None, &None), "{name} {seed}");
        assert!(expected.len() > 3, "{name} {seed}: there is something to compare");
        assert_eq!(core.contents, expected, "{name} {seed}: the state machine");
        assert_eq!(quic.contents, expected, "{name} {seed}: the driver");
    }
}

#[test]
fn what_this_level_cannot_run_is_refused() {
    let run = common::simulations(&["run", "thousand", "--seeds", "1..2", "--level", "quic"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    let why = "simulations: thousand: --level quic takes at most 100 nodes, and not 1000";
    assert_eq!(run.error.trim(), why);
    let run = common::simulations(&["run", "kill", "--seeds", "1..2", "--level", "udp"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    assert!(run.error.contains("[possible values: core, quic]"), "{run:?}");
}
