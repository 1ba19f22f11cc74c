//! Figures that the design sets bounds to, measured over real QUIC in simulated time. They take
//! minutes: `cargo test --release --package simulations --test figures -- --ignored --nocapture`.

use std::collections::BTreeMap;

use chickadee::node::event::Notice;
use simulations::history::{Outcome, Record};
use simulations::plan::{Act, ClientOperation, Fault, Plan, Timed};
use simulations::run::Recording;
use simulations::time::Time;
use simulations::trace::Trace;
use simulations::traffic::Traffic;
use simulations::{quic, scenarios};

const VALUE_BYTES: usize = 100;
const KEY_BYTES: usize = 16;
const VERSION_BYTES: usize = 16;

fn record(plan: &Plan) -> Recording {
    std::thread::scope(|scope| {
        scope.spawn(|| quic::record(plan, Trace::default())).join().expect("it does not panic")
    })
}

fn bytes(traffic: Traffic, kind: &str) -> u64 {
    traffic.kinds().find(|(name, _)| *name == kind).map_or(0, |(_, bytes)| bytes)
}

/// What all had sent at a time, in milliseconds.
fn sent(recording: &Recording, at_ms: u64) -> Traffic {
    let later = recording.samples.iter().find(|sample| sample.at >= Time::ms(at_ms));
    later.expect("it went on for longer").sent
}

/// A plan without faults and without writes.
fn calm(nodes: usize, healed_ms: u64) -> Plan {
    let mut plan = scenarios::find("kill").expect("there is one").plan(1, Some(nodes));
    plan.options.healed_ms = healed_ms;
    plan.options.value_bytes = VALUE_BYTES;
    plan.options.latency_us_max = 1_000;
    plan.keep_starts();
    plan.operations.clear();
    plan
}

/// One of three nodes is cut off for half a minute, in which the others write a thousand new keys a
/// second; one of twenty packets is lost.
#[test]
#[ignore = "takes minutes; for the figures"]
fn a_node_that_was_cut_off_costs_little_more_than_it_lacked() {
    let (cut_ms, united_ms, quiet_ms) = (10_000, 40_000, 70_000);
    let mut plan = calm(3, quiet_ms + 1_000);
    plan.options.loss_ppm = 50_000;
    plan.options.partitions = 256;
    plan.options.memory_bytes_max = 64 << 20;
    plan.options.clients = 60;
    plan.options.keys = 10_000;
    plan.faults.push(Timed { at_ms: cut_ms, what: Fault::Partition { nodes: vec![2] } });
    plan.faults.push(Timed { at_ms: united_ms, what: Fault::Unite });
    let writes = united_ms - cut_ms;
    for write in 0..writes {
        // Those of the third node are of no use here.
        let client = (write as usize % 40) / 2 * 3 + write as usize % 2;
        let key = format!("k{write:0width$}", width = KEY_BYTES - 1);
        let what = ClientOperation { client, key, act: Act::Set };
        plan.operations.push(Timed { at_ms: cut_ms + write, what });
    }
    let recording = record(&plan);
    assert_eq!(recording.outcome.violation, None);
    let lacked = writes * (KEY_BYTES + VALUE_BYTES + VERSION_BYTES) as u64;
    let said =
        |kind| bytes(sent(&recording, quiet_ms), kind) - bytes(sent(&recording, united_ms), kind);
    let ratio = said("exchange") as f64 / lacked as f64;
    println!("lacked {lacked} bytes; the exchange said {}: {ratio:.2}", said("exchange"));
    assert!(ratio <= 1.3, "{ratio}");
}

/// Eight nodes that hold something and agree.
#[test]
#[ignore = "takes minutes; for the figures"]
fn eight_idle_nodes_say_little() {
    let mut plan = calm(8, 80_000);
    plan.options.partitions = 1_024;
    plan.options.clients = 8;
    plan.options.keys = 1_000;
    for write in 0..1_000 {
        let what =
            ClientOperation { client: write as usize % 8, key: format!("k{write}"), act: Act::Set };
        plan.operations.push(Timed { at_ms: 9_000 + 10 * write, what });
    }
    let recording = record(&plan);
    assert_eq!(recording.outcome.violation, None);
    let (before, after) = (sent(&recording, 40_000), sent(&recording, 80_000));
    let each = |kind| (bytes(after, kind) - bytes(before, kind)) as f64 / 40.0 / 8.0;
    for (kind, _) in after.kinds() {
        println!("{kind}: {:.0} bytes/s for each node", each(kind));
    }
    assert!(each("exchange") <= 512.0);
}

/// Nodes of the cluster that another one joins.
const HOLDERS: usize = 3;

/// The times of writes, of those that were begun between two times.
fn writes(recording: &Recording, from_ms: u64, to_ms: u64) -> impl Iterator<Item = &Record> {
    let begun =
        move |record: &&Record| (Time::ms(from_ms)..Time::ms(to_ms)).contains(&record.start);
    recording.operations.iter().filter(|record| record.act == Act::Set).filter(begun)
}

/// How long the slowest but so many of a thousand took, in milliseconds.
fn slowest_ms<'a>(writes: impl Iterator<Item = &'a Record>, of_a_thousand: usize) -> f64 {
    let mut took: Vec<u64> = writes.map(|w| w.end.0.saturating_sub(w.start.0)).collect();
    took.sort_unstable();
    let last = took.len().saturating_sub(1);
    took.get(last * of_a_thousand / 1_000).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
}

/// A fourth node joins, and takes over its share of twenty megabytes, where each way takes 50 ms and
/// one of fifty packets is lost; clients go on writing.
#[test]
#[ignore = "takes minutes; for the figures"]
fn a_join_slows_no_write_and_suspects_nobody() {
    let (rough_ms, idle_ms, join_ms, end_ms) = (40_000, 45_000, 85_000, 185_000);
    let (held, keys) = (20_000_u64, 1_000);
    let mut plan = calm(HOLDERS, end_ms);
    plan.options.joiners = 1;
    plan.options.partitions = 256;
    plan.options.memory_bytes_max = 256 << 20;
    plan.options.value_bytes = 1_000;
    plan.options.keys = held as usize;
    plan.options.clients = 80;
    let mut happen = |at_ms, what| plan.faults.push(Timed { at_ms, what });
    for node in 0..=HOLDERS {
        happen(rough_ms, Fault::Slow { node, by_us: 24_500 });
    }
    let loss_ppm = 20_000;
    happen(rough_ms, Fault::Weather { loss_ppm, duplicate_ppm: 0, jitter_us_max: 1_000 });
    happen(join_ms, Fault::Start { node: HOLDERS, seeded: true });
    let set = |at_ms, client, key| {
        let what = ClientOperation { client, key, act: Act::Set };
        Timed { at_ms, what }
    };
    for write in 0..held {
        let client = write as usize % plan.options.clients;
        plan.operations.push(set(10_000 + write, client, format!("k{write}")));
    }
    for write in 0..(end_ms - idle_ms) / 20 {
        let client = write as usize % plan.options.clients;
        let key = format!("k{}", write * 7 % keys);
        plan.operations.push(set(idle_ms + 20 * write, client, key));
    }
    let recording = record(&plan);
    let told = |host, what: fn(&Notice) -> bool| {
        recording.told.iter().find(move |told| told.host == host && what(&told.notice))
    };
    let ready = told(HOLDERS, |notice| matches!(notice, Notice::Ready));
    let ready_ms = ready.map_or(end_ms, |told| told.at.0 / 1_000_000);
    let (mut suspected, mut down) = (0, 0);
    for told in recording.told.iter().filter(|told| told.at >= Time::ms(idle_ms)) {
        suspected += usize::from(matches!(told.notice, Notice::MemberSuspect(_)));
        down += usize::from(matches!(told.notice, Notice::MemberDown(_)));
    }
    let said = |ms| bytes(sent(&recording, ms), "exchange");
    println!(
        "the transfer took {:.1} s; the exchange said {} bytes",
        (ready_ms - join_ms) as f64 / 1e3,
        said(ready_ms) - said(join_ms),
    );
    let spans = [("idle", idle_ms, join_ms), ("transfer", join_ms, ready_ms)];
    let mut p99 = BTreeMap::new();
    for (name, from_ms, to_ms) in spans {
        let all = || writes(&recording, from_ms, to_ms);
        let failed = all().filter(|write| !matches!(write.outcome, Outcome::Done { .. })).count();
        println!("{name}: {} writes, {failed} not done", all().count());
        for host in 0..=HOLDERS {
            let own = || all().filter(move |write| write.host == host);
            let slowest = [500, 900, 990, 999].map(|part| slowest_ms(own(), part));
            let count = own().count();
            println!("  at node {host}: {count} writes, p50 p90 p99 p99.9 {slowest:.0?} ms");
        }
        p99.insert(name, slowest_ms(all(), 990));
        println!("  at all: p99 {:.0} ms", p99[name]);
    }
    println!("suspected {suspected}, down {down}");
    assert!(ready_ms < end_ms && ready_ms >= join_ms + 20_000, "{ready_ms}");
    assert_eq!((suspected, down), (0, 0));
    assert!(p99["transfer"] <= 2.0 * p99["idle"], "{p99:?}");
    // What is read at the end, every key at every node at once, is no part of this.
    let violation = recording.outcome.violation.filter(|found| found.at < Time::ms(end_ms));
    assert_eq!(violation, None);
}
