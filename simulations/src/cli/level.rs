//! Which level a plan is run on.

use simulations::plan::Plan;
use simulations::quic;
use simulations::run::{Outcome, Recording, record, run};
use simulations::trace::Trace;

/// What runs the processes of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(super) enum Level {
    /// The state machine, in a queue of events.
    #[default]
    Core,
    /// The real driver, QUIC and TLS, over a simulated UDP socket.
    Quic,
}

impl Level {
    /// Runs a plan.
    pub(super) fn run(self, plan: &Plan, trace: Trace) -> Outcome {
        match self {
            Level::Core => run(plan, trace),
            Level::Quic => quic::run(plan, trace),
        }
    }

    /// Runs a plan, and measures meanwhile.
    pub(super) fn record(self, plan: &Plan, trace: Trace) -> Recording {
        match self {
            Level::Core => record(plan, trace),
            Level::Quic => quic::record(plan, trace),
        }
    }

    /// Whether a cluster of so many nodes can be run on it; if not, why.
    pub(super) fn takes(self, nodes: usize) -> Result<(), String> {
        match self {
            Level::Quic if nodes > quic::NODES_MAX => Err(format!(
                "--level quic takes at most {} nodes, and not {nodes}",
                quic::NODES_MAX
            )),
            _ => Ok(()),
        }
    }

    /// What is said of it in the arguments of `replay`.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Level::Core => "",
            Level::Quic => " --level quic",
        }
    }
}
