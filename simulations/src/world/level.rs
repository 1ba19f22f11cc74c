//! What runs the processes of a world, and moves their bytes. Hosts, clients, faults and checkers are
//! the same above it.

use std::fmt::Debug;

use bytes::Bytes;
use chickadee::node::event::{Command, OpId, Reply};
use chickadee::node::report::{Queues, SessionStats};
use chickadee::placement::{NodeId, Ring};
use chickadee::store::{Answer, KeyRef, NotHere, Operation};

use super::{Host, World};
use crate::plan::Plan;
use crate::time::Time;

/// A level of the simulation.
pub trait Level: Sized {
    /// What a process is inside.
    type Inside: Inside;
    /// What happens at this level only.
    type Step: Debug;

    /// The level at the beginning of a plan. Says who the hosts are, and what clocks they can have.
    fn found(plan: &Plan, hosts: &mut [Host<Self::Inside>]) -> Self;

    /// The index of a host by its node's id.
    fn index(&self, id: NodeId) -> usize;

    /// Lets processes run up to that time. Returns whether it has come: if not, something was put
    /// into the queue that may come first.
    fn reach(world: &mut World<Self>, at: Time) -> bool;

    /// What was put into the queue for this level happens.
    fn happen(world: &mut World<Self>, step: Self::Step);

    /// Starts a process on a host that has none: a new life, with empty memory.
    fn start(world: &mut World<Self>, host: usize, seeded: bool);

    /// Asks a process to stop. [`Event::Exit`](super::Event::Exit) follows.
    fn stop(world: &mut World<Self>, host: usize);

    /// The process of that host ends on the spot, without a word.
    fn kill(world: &mut World<Self>, host: usize);

    /// The process of that host does not go on.
    fn stall(world: &mut World<Self>, host: usize);

    /// It goes on, within milliseconds.
    fn resume(world: &mut World<Self>, host: usize);

    /// Some cuts were mended.
    fn mended(world: &mut World<Self>);

    /// The wall clock of a host was set.
    fn set_clock(world: &mut World<Self>, host: usize);

    /// An operation as far as the process that is asked can answer it by itself.
    fn local(
        world: &mut World<Self>,
        host: usize,
        key: KeyRef<'_>,
        operation: &Operation<&[u8]>,
    ) -> Result<Answer<Bytes>, NotHere>;

    /// Hands a command to a process. Its answer goes to [`World::answered`].
    fn command(world: &mut World<Self>, host: usize, id: OpId, command: Command);

    /// Asks a process that runs something that it answers at once.
    fn ask(world: &mut World<Self>, host: usize, command: Command) -> Option<Reply>;
}

/// What checkers see of the inside of a process.
pub trait Inside {
    /// The ring as it knows it.
    fn ring(&self) -> &Ring;

    /// How long its queues are.
    fn queues(&self) -> Queues;

    /// What it exchanged with others so far.
    fn exchanged(&self) -> SessionStats;

    /// Whether it has yet to catch up with what has piled up.
    fn is_behind(&self) -> bool;
}
