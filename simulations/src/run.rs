//! A run: form the cluster, let faults and load happen, heal, demand liveness, judge.

use std::collections::BTreeMap;

use crate::checkers::{self, Violation, convergence, membership};
use crate::history::Record;
use crate::losses::Losses;
use crate::plan::Plan;
use crate::samples::{Sample, Told};
use crate::time::Time;
use crate::trace::Trace;
use crate::traffic::Traffic;
use crate::world::World;
use crate::world::core::Core;
use crate::world::level::Level;

/// Time between two looks whether the nodes agree, in milliseconds.
const LOOK_MS: u64 = 250;
/// Nodes agree when nothing was moved for so long, in milliseconds: two intervals of anti-entropy.
const STILL_MS: u64 = 2_000;
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
    /// The values that nodes of the core held at the end, by key.
    pub contents: BTreeMap<String, String>,
    /// What of that was lost.
    pub losses: Losses,
}

/// Runs a plan.
pub fn run(plan: &Plan, trace: Trace) -> Outcome {
    run_on::<Core>(plan, trace)
}

/// Runs a plan on a level.
pub(crate) fn run_on<L: Level>(plan: &Plan, trace: Trace) -> Outcome {
    finish(plan, &mut World::<L>::new(plan.clone(), trace))
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
    /// What the nodes told their operators, in order.
    pub told: Vec<Told>,
    /// All operations, in the order they began.
    pub operations: Vec<Record>,
}

/// Runs a plan, and measures meanwhile. Measuring only looks: the run is the same.
pub fn record(plan: &Plan, trace: Trace) -> Recording {
    record_on::<Core>(plan, trace)
}

/// Records a plan on a level.
pub(crate) fn record_on<L: Level>(plan: &Plan, trace: Trace) -> Recording {
    let mut world = World::<L>::new(plan.clone(), trace);
    world.samples = Some(Vec::new());
    let outcome = finish(plan, &mut world);
    Recording {
        outcome,
        samples: world.samples.unwrap_or_default(),
        traffic: world.traffic,
        told: world.told,
        operations: world.history.records,
    }
}

/// Lets the rest of a plan happen in its world, and judges all of it.
pub(crate) fn finish<L: Level>(plan: &Plan, world: &mut World<L>) -> Outcome {
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
        contents: contents(world),
        losses: Losses::of(world),
    }
}

fn contents<L: Level>(world: &World<L>) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for host in membership::live(world) {
        world.each_held(host, |key, parts| {
            if let Some(value) = parts.value {
                contents.insert(key.to_owned(), String::from_utf8_lossy(value).into_owned());
            }
        });
    }
    contents
}

/// How the nodes agreed.
#[derive(Clone, Copy)]
struct Agreement {
    after_ms: u64,
    idle_bytes: u64,
}

/// Lets the plan happen. Returns how the nodes agreed afterwards, or about what they did not.
fn live<L: Level>(world: &mut World<L>) -> Result<Agreement, Option<Violation>> {
    let options = world.plan.options.clone();
    let healed = Time::ms(options.healed_ms);
    world.run_until(healed);
    if world.violation.is_some() {
        return Err(None);
    }
    world.serving = false;
    world.heal();
    let complain = |world: &World<L>, invariant, text| {
        Err(Some(Violation { invariant, at: world.now, key: None, node: None, text }))
    };
    // With nodes at the edge that nobody can be sure of, agreement may come and go.
    let steady = membership::doubtful(world).is_empty();
    // A second for what was under way.
    let mut look = healed.plus_ms(1_000);
    let mut calm = healed;
    let mut first = None;
    let idle_bytes = loop {
        let (mut before, mut still) = (convergence::activity(world), world.now);
        loop {
            world.run_until(look);
            if world.violation.is_some() {
                return Err(None);
            }
            let passed_ms = world.now.ms_since(calm);
            let after = |why| format!("{} s after the last fault: {why}", passed_ms / 1_000);
            if passed_ms >= options.members_ms
                && let Some(why) = membership::error(world)
            {
                return complain(world, "membership", after(why));
            }
            let why = convergence::disagreement(world);
            let activity = convergence::activity(world);
            if why.is_some() || activity != before {
                (before, still) = (activity, world.now);
            }
            // What lasts only for a while need not be everywhere to agree, but is on its way.
            let Some(why) = why.or_else(|| {
                let short = world.now.ms_since(still) < STILL_MS;
                short.then(|| "values are still being moved".to_owned())
            }) else {
                break;
            };
            if passed_ms >= options.settle_ms {
                return complain(world, "convergence", after(why));
            }
            look = look.plus_ms(LOOK_MS);
        }
        let after_ms = *first.get_or_insert(still.ms_since(healed));
        world.trace.world(world.now, "agreed", || format!("after {after_ms} ms"));
        let sent = world.sent().bytes();
        let rings = convergence::rings(world);
        look = world.now.plus_ms(QUIET_MS);
        world.run_until(look);
        let idle_bytes = world.sent().bytes() - sent;
        if !steady {
            break idle_bytes;
        }
        if convergence::rings(world) != rings {
            // The place of a node that is gone was held until now, and what it owned moves.
            calm = world.now;
            continue;
        }
        if let Some(why) = convergence::disagreement(world) {
            return complain(world, "convergence", format!("they had agreed before: {why}"));
        }
        for (counter, now) in convergence::activity(world) {
            let then = before.get(&counter).copied().unwrap_or_default();
            if now != then {
                let (host, name) = counter;
                let text = format!("{name} of node {host} went from {then} to {now}");
                return complain(world, "quiet", text);
            }
        }
        break idle_bytes;
    };
    let after_ms = first.unwrap_or_default();
    world.account_outsiders();
    let keys = world.history.keys.clone();
    for host in membership::live(world) {
        for key in &keys {
            world.read(host, key);
        }
    }
    world.run_until(world.now.plus_ms(READ_MS));
    Ok(Agreement { after_ms, idle_bytes })
}
