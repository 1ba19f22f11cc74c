//! The simulator: Chickadee's own nodes in one process, in virtual time, under faults, from a seed.
//!
//! The state machine, the store and the codec are the real ones; in the place of sockets, clocks
//! and threads stands one queue of events. A seed becomes a [`plan`], the plan is run in a
//! [`world`], and [`checkers`] judge what came of it. The same plan gives the same run, bit for
//! bit, on any machine.
//!
//! There are two levels, for the same plans and under the same checkers. The level of the state
//! machine is for the protocol, by the thousand seeds and nodes. The level of [`quic`] runs the real
//! driver, transport, QUIC and TLS over a simulated UDP socket, at several times the cost.
//!
//! * [`cluster`]: all of it for the tests of somebody else's service.
//! * [`scenarios`]: plans by name; [`workload`]: what clients do in them; [`limits`]: what a plan may
//!   say; [`episodes`]: faults with their ends; [`shrink`]: smaller plans.
//! * [`mutants`]: which scenario notices that a rule is not kept.
//! * [`world`]: machines, processes, clients, faults; [`quic`]: the second level; [`hosts`]: sets of
//!   machines; [`network`]: delays, losses, cuts, rates, links.
//! * [`history`]: what clients did and were told; [`checkers`]: what must hold of it.
//! * [`losses`]: what nobody holds any more.
//! * [`run`]: the phases of a run; [`trace`]: its record; [`traffic`]: bytes on the wire.
//! * [`samples`]: how the nodes were, by time; [`report`]: that as a page with pictures.
//! * [`streams`], [`time`]: where chance and time come from. From nowhere else: nothing here reads a
//!   clock, waits, or draws from the operating system; only below [`quic`] do tokio, in paused time,
//!   and TLS.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod checkers;
pub mod cluster;
pub mod episodes;
pub mod history;
pub mod hosts;
pub mod limits;
pub mod losses;
pub mod mutants;
pub mod network;
pub mod plan;
pub mod quic;
pub mod report;
pub mod run;
pub mod samples;
pub mod scenarios;
pub mod shrink;
pub mod streams;
pub mod time;
pub mod trace;
pub mod traffic;
pub mod workload;
pub mod world;
