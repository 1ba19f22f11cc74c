//! Figures that the design sets bounds to, measured over real QUIC in simulated time. They take
//! minutes: `cargo test --release --package simulations --test figures -- --ignored --nocapture`.

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
    plan.faults.retain(|fault| matches!(fault.what, Fault::Start { .. }) && fault.at_ms < 2_000);
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
