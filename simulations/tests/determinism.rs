//! The same plan gives the same run: in this thread, in another, and after a trip through JSON.

use simulations::plan::Plan;
use simulations::run::{record, run};
use simulations::scenarios;
use simulations::trace::Trace;

#[test]
fn the_same_seed_gives_the_same_trace() {
    for scenario in scenarios::ALL.into_iter().filter(|s| !s.is_nightly()) {
        let plan = scenario.plan(7, None);
        let here = run(&plan, Trace::default());
        let there = std::thread::scope(|scope| {
            let run = || run(&plan, Trace::default());
            scope.spawn(run).join().expect("a run does not panic")
        });
        assert_eq!(here.hash, there.hash, "{}", scenario.name);
        assert_eq!(here.events, there.events, "{}", scenario.name);
    }
}

#[test]
fn measuring_changes_nothing() {
    for name in ["kill", "swarm"] {
        let plan = scenarios::find(name).expect("there is one").plan(7, None);
        let recording = record(&plan, Trace::default());
        assert_eq!(recording.outcome.hash, run(&plan, Trace::default()).hash, "{name}");
        assert!(recording.samples.len() > 100);
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let scenario = scenarios::find("kill").expect("there is one");
    let hash = |seed| run(&scenario.plan(seed, None), Trace::default()).hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_plan_survives_being_written_and_read() {
    for scenario in scenarios::ALL {
        let plan = scenario.plan(3, None);
        let json = serde_json::to_string(&plan).expect("a plan is data");
        assert_eq!(Plan::parse(&json), Ok(plan));
    }
}

#[test]
fn a_field_that_no_plan_has_is_named() {
    let plan = scenarios::find("kill").expect("there is one").plan(3, None);
    let mut json = serde_json::to_value(&plan).expect("a plan is data");
    json["faults"][2]["by_ms"] = 5.into();
    let why = Plan::parse(&json.to_string()).expect_err("a start takes no such field");
    assert_eq!(why, "there is no field faults[2].by_ms");
}
