//! A run: form the cluster, let faults and load happen, heal, demand liveness, judge.

use std::collections::BTreeSet;

use crate::checkers::{self, Violation, convergence, membership};
use crate::plan::Plan;
use crate::samples::Sample;
use crate::time::Time;
use crate::trace::Trace;
use crate::traffic::Traffic;
use crate::world::World;

/// Time between two looks whether the nodes agree, in milliseconds.
const LOOK_MS: u64 = 250;
/// How long it has to be quiet after that, in milliseconds.
const QUIET_MS: u64 = 5_000;
/// How long the readers at the end have, in milliseconds.
const READ_MS: u64 = 2_000;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The broken invariant, if one is.
    pub violation: Option<Violation>,
    /// The hash of the trace.
    pub hash: u64,
    /// Virtual milliseconds.
    pub simulated_ms: u64,
    /// Events handled.
    pub events: u64,
    /// Operations of clients begun.
    pub operations: u64,
    /// How long after the last fault the nodes agreed, in milliseconds.
    pub agreed_ms: Option<u64>,
    /// What was sent.
    pub traffic: Traffic,
    /// Bytes sent by all nodes in the five quiet seconds after they had agreed.
    pub idle_bytes: Option<u64>,
}

/// Runs a plan.
pub fn run(plan: &Plan, trace: Trace) -> Outcome {
    finish(plan, &mut World::new(plan.clone(), trace))
}

/// A run, and what was measured in it.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What came of it: the same as without measuring.
    pub outcome: Outcome,
    /// How the nodes were, by time.
    pub samples: Vec<Sample>,
    /// What each node sent.
    pub traffic: Vec<Traffic>,
}

/// Runs a plan, and measures meanwhile. Measuring only looks: the run is the same.
pub fn record(plan: &Plan, trace: Trace) -> Recording {
    let mut world = World::new(plan.clone(), trace);
    world.samples = Some(Vec::new());
    let outcome = finish(plan, &mut world);
    Recording { outcome, samples: world.samples.unwrap_or_default(), traffic: world.traffic }
}

/// Lets the rest of a plan happen in its world, and judges all of it.
pub(crate) fn finish(plan: &Plan, world: &mut World) -> Outcome {
    let agreement = live(world);
    let mut violation = world.violation.take();
    if violation.is_none() {
        violation = checkers::judge(plan, &world.history, world.now);
    }
    let agreement = match agreement {
        Ok(agreement) => Some(agreement),
        Err(unsettled) => {
            // What went wrong earlier is the more likely cause.
            let earlier = violation.take();
            violation = [earlier, unsettled].into_iter().flatten().min_by_key(|v| v.at);
            None
        }
    };
    if let Some(violation) = &violation {
        world.trace.world(world.now, "FAIL", || violation.to_string());
    }
    Outcome {
        seed: plan.seed,
        violation,
        hash: world.trace.hash(),
        simulated_ms: world.now.0 / 1_000_000,
        events: world.events,
        operations: world.history.records.len() as u64,
        agreed_ms: agreement.map(|agreement| agreement.after_ms),
        traffic: world.sent(),
        idle_bytes: agreement.map(|agreement| agreement.idle_bytes),
    }
}

/// How the nodes agreed.
#[derive(Clone, Copy)]
struct Agreement {
    after_ms: u64,
    idle_bytes: u64,
}

/// Lets the plan happen. Returns how the nodes agreed afterwards, or about what they did not.
fn live(world: &mut World) -> Result<Agreement, Option<Violation>> {
    let options = world.plan.options.clone();
    let healed = Time::ms(options.healed_ms);
    world.run_until(healed);
    if world.violation.is_some() {
        return Err(None);
    }
    world.serving = false;
    world.heal();
    let complain = |world: &World, invariant, text| {
        Err(Some(Violation { invariant, at: world.now, key: None, node: None, text }))
    };
    // A second for what was under way.
    let mut look = healed.plus_ms(1_000);
    let after_ms = loop {
        world.run_until(look);
        if world.violation.is_some() {
            return Err(None);
        }
        let passed_ms = world.now.ms_since(healed);
        let after = |why| format!("{} s after the last fault: {why}", passed_ms / 1_000);
        if passed_ms >= options.members_ms
            && let Some(why) = membership::error(world)
        {
            return complain(world, "membership", after(why));
        }
        let Some(why) = convergence::disagreement(world) else {
            break passed_ms;
        };
        if passed_ms >= options.settle_ms {
            return complain(world, "convergence", after(why));
        }
        look = look.plus_ms(LOOK_MS);
    };
    world.trace.world(world.now, "agreed", || format!("after {after_ms} ms"));
    let (before, sent) = (convergence::activity(world), world.sent().bytes());
    world.run_until(look.plus_ms(QUIET_MS));
    let idle_bytes = world.sent().bytes() - sent;
    // With nodes at the edge that nobody can be sure of, agreement may come and go.
    let steady = membership::doubtful(world).is_empty();
    if let Some(why) = convergence::disagreement(world).filter(|_| steady) {
        return complain(world, "convergence", format!("they had agreed before: {why}"));
    }
    for (counter, now) in convergence::activity(world) {
        let then = before.get(&counter).copied().unwrap_or_default();
        if steady && now != then {
            let (host, name) = counter;
            let text = format!("{name} of node {host} went from {then} to {now}");
            return complain(world, "quiet", text);
        }
    }
    world.account_outsiders();
    let keys: BTreeSet<String> =
        world.history.records.iter().map(|record| record.key.clone()).collect();
    for host in membership::live(world) {
        for key in &keys {
            world.read(host, key);
        }
    }
    world.run_until(world.now.plus_ms(READ_MS));
    Ok(Agreement { after_ms, idle_bytes })
}
