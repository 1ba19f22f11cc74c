//! The second level: the real driver, handle, endpoint, QUIC and TLS, over a simulated UDP socket, in
//! paused time on one runtime and one thread.
//!
//! Plans, faults, clients and checkers are those of the level of the state machine ([`world`]
//! (crate::world)); so is the model of the network, only that here it carries UDP datagrams: a lost
//! one is QUIC's to send again, a cut is QUIC's to sit out. What the processes do is collected and
//! put into the one queue of the world, and the runtime goes on up to the next thing in that queue.
//!
//! * [`level`]: how the world drives the runtime.
//! * [`machine`]: a process: the driver with its socket; [`gate`]: how it is stopped and ended;
//!   [`runtime`]: what quinn and the transport start their tasks on.
//! * [`socket`]: what takes the place of a UDP socket; [`deeds`]: what processes did.
//! * [`wall`]: the wall clock of a host.
//!
//! # What is not simulated here
//!
//! There is one monotonic clock: the rates of a plan are ignored, skews and jumps of wall clocks are
//! not. Time passes in whole milliseconds, as tokio's timers do, so a shorter delay takes up to the
//! next one. Memory of a node is at least what its configuration allows, so there is less eviction.
//! A thousand nodes would be too many.
//!
//! # What repeats
//!
//! A trace holds time, ends and length of every datagram, and every notice and answer, not the bytes
//! on the wire: TLS draws keys from the operating system, and no length depends on them, since
//! certificates are Ed25519. Everything else is drawn from the seed. Run each plan on a thread of its
//! own: what a thread keeps for itself (the keys of hash maps) is then the run's alone.

pub mod deeds;
pub mod gate;
pub mod level;
pub mod machine;
pub mod runtime;
pub mod socket;
pub mod wall;

use chickadee::config::MEMORY_BYTES_MIN;

use crate::plan::Plan;
use crate::run::{Outcome, Recording, record_on, run_on};
use crate::trace::Trace;
use level::Quic;

/// Most nodes that a run at this level begins with.
pub const NODES_MAX: usize = 100;

/// Runs a plan.
///
/// # Panics
/// If it is of more than [`NODES_MAX`] nodes.
pub fn run(plan: &Plan, trace: Trace) -> Outcome {
    run_on::<Quic>(&fitted(plan), trace)
}

/// Runs a plan, and measures meanwhile.
///
/// # Panics
/// If it is of more than [`NODES_MAX`] nodes.
pub fn record(plan: &Plan, trace: Trace) -> Recording {
    record_on::<Quic>(&fitted(plan), trace)
}

/// The plan as far as it can be had at this level.
fn fitted(plan: &Plan) -> Plan {
    let nodes = plan.options.nodes;
    assert!(nodes <= NODES_MAX, "{nodes} nodes are too many for this level");
    let mut plan = plan.clone();
    let least = plan.options.memory_percents.iter().copied().min().unwrap_or(100);
    let most = (MEMORY_BYTES_MIN * 100).div_ceil(usize::from(least));
    plan.options.memory_bytes_max = plan.options.memory_bytes_max.max(most);
    plan.options.rate_ppm_max = 0;
    plan
}
