//! A node does little at a time, however much there is to do.

use simulations::plan::{Act, ClientOperation, Fault, Plan, Timed};
use simulations::run::run;
use simulations::scenarios;
use simulations::trace::Trace;

/// A node starts anew when as much is held in so many partitions.
fn restart(partitions: u16, value_bytes: usize) -> Plan {
    let mut plan = scenarios::find("kill").expect("there is one").plan(1, Some(3));
    plan.options.partitions = partitions;
    plan.options.memory_bytes_max = 64 << 20;
    plan.options.value_bytes = value_bytes;
    plan.options.bulk_rate = 128 << 20;
    plan.options.keys = 4_000;
    plan.options.clients = 40;
    plan.options.restarts_seeded = true;
    plan.options.healed_ms = 20_000;
    plan.keep_starts();
    plan.faults.push(Timed { at_ms: 14_000, what: Fault::Crash { node: 2 } });
    plan.faults.push(Timed { at_ms: 14_100, what: Fault::Start { node: 2, seeded: true } });
    let set = |write: u64| {
        let client = write as usize % 40;
        let what = ClientOperation { client, key: format!("k{write}"), act: Act::Set };
        Timed { at_ms: 9_500 + write, what }
    };
    plan.operations = (0..4_000).map(set).collect();
    plan
}

// The checker `turns` looks at each turn.

#[test]
fn sessions_are_opened_some_at_a_time() {
    let outcome = run(&restart(1_024, 100), Trace::default());
    assert_eq!(outcome.violation, None);
}

#[test]
fn who_is_brought_up_to_date_is_told_some_at_a_time() {
    let outcome = run(&restart(64, 1_000), Trace::default());
    assert_eq!(outcome.violation, None);
}
