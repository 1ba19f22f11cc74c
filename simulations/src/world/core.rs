//! The level of the state machine: nodes are called from the queue of events, and their messages are
//! put into it. No tokio, no clock, no entropy.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use chickadee::node::Node;
use chickadee::node::event::{Command, Input, OpId, Reply};
use chickadee::node::report::{Queues, SessionStats};
use chickadee::placement::{NodeId, Ring};
use chickadee::store::{Answer, KeyRef, NotHere, Operation};
use rand::RngExt;

use super::level::{Inside, Level};
use super::{Event, Host, World, wire};
use crate::plan::Plan;
use crate::time::Time;

/// A driver that had no turn for longer may have missed something: no local answers.
const GAP_NS_MAX: u64 = chickadee::node::lateness::GAP_NS_MAX;

/// The level of the state machine.
#[derive(Debug, Default)]
pub struct Core {
    /// Wake-ups so far.
    pub(super) epochs: u64,
}

/// The link, direction and bytes that an input occupies until it is handled.
pub type Held = Option<(usize, usize, usize, usize)>;

/// A process: the state machine, and what its driver would know.
pub struct Machine {
    /// The state machine.
    pub node: Node,
    /// What has piled up.
    pub inbox: VecDeque<(Input, Held)>,
    /// Open ends, by peer.
    pub links: BTreeMap<usize, usize>,
    /// The wake-up that is in the queue.
    pub(super) wake: Option<(Time, u64)>,
    /// When the node wants to be called.
    pub(super) deadline: Time,
}

/// What happens at this level only.
#[derive(Debug)]
pub enum Step {
    /// A node wanted to be called.
    Wake {
        /// Which host.
        host: usize,
        /// Which wake-up: an older one means nothing.
        epoch: u64,
    },
    /// A process that was stopped takes the next thing that has piled up.
    Drain {
        /// Which host.
        host: usize,
        /// Which life.
        life: u32,
    },
    /// The first frame of a lane arrives.
    Arrive {
        /// On which link.
        link: usize,
        /// In which direction.
        direction: usize,
        /// On which lane.
        lane: usize,
    },
    /// A frame arrives late.
    Late {
        /// From whom.
        from: NodeId,
        /// At which host.
        host: usize,
        /// For which life.
        life: u32,
        /// What.
        bytes: Bytes,
    },
    /// A datagram arrives.
    Datagram {
        /// On which link.
        link: usize,
        /// In which direction.
        direction: usize,
        /// What.
        bytes: Bytes,
    },
    /// One end learns that the link is gone.
    Reset {
        /// Which link.
        link: usize,
        /// Which end.
        side: usize,
    },
    /// A process that ends closes all its links, those that are being made included.
    Shut {
        /// Which host.
        host: usize,
        /// In which life.
        life: u32,
    },
    /// A dial goes on.
    Dial(wire::Dial),
    /// An input that needs no network.
    Input {
        /// For which host.
        host: usize,
        /// For which life.
        life: u32,
        /// What.
        input: Input,
    },
}

impl Inside for Machine {
    fn ring(&self) -> &Ring {
        self.node.ring()
    }

    fn queues(&self) -> Queues {
        self.node.queues()
    }

    fn exchanged(&self) -> SessionStats {
        self.node.exchanged()
    }

    fn is_behind(&self) -> bool {
        !self.inbox.is_empty()
    }
}

impl Level for Core {
    type Inside = Machine;
    type Step = Step;

    fn found(_: &Plan, _: &mut [Host<Machine>]) -> Core {
        Core::default()
    }

    /// The ids of hosts end with it.
    fn index(&self, id: NodeId) -> usize {
        usize::from(u16::from_le_bytes([id.0[14], id.0[15]]))
    }

    fn reach(world: &mut World<Core>, at: Time) -> bool {
        world.now = at;
        true
    }

    fn happen(world: &mut World<Core>, step: Step) {
        match step {
            Step::Wake { host, epoch } => world.wake(host, epoch),
            Step::Drain { host, life } => world.drain_inbox(host, life),
            Step::Arrive { link, direction, lane } => world.arrive(link, direction, lane),
            Step::Late { from, host, life, bytes } => world.arrive_late(from, (host, life), bytes),
            Step::Datagram { link, direction, bytes } => world.datagram(link, direction, bytes),
            Step::Reset { link, side } => world.reset(link, side),
            Step::Shut { host, life } => world.shut(host, life),
            Step::Dial(dial) => world.dial_on(dial),
            Step::Input { host, life, input } => {
                if world.hosts[host].life == life {
                    world.deliver(host, input, None);
                }
            }
        }
    }

    fn start(world: &mut World<Core>, host: usize, seeded: bool) {
        world.begin_life(host, seeded);
    }

    fn stop(world: &mut World<Core>, host: usize) {
        world.deliver(host, Input::Stop, None);
        let life = world.hosts[host].life;
        let at = world.now.plus_ms(world.schedule.random_range(50..1_500));
        // Its last words, if there was still something to answer until then.
        world.at(at, Event::Step(Step::Input { host, life, input: Input::Stop }));
        world.at(at, Event::Step(Step::Shut { host, life }));
        world.at(at, Event::Exit { host, life });
    }

    fn kill(world: &mut World<Core>, host: usize) {
        world.cut_links(host);
        world.hosts[host].process = None;
    }

    fn stall(_: &mut World<Core>, _: usize) {}

    fn resume(world: &mut World<Core>, host: usize) {
        world.go_on(host);
    }

    fn mended(world: &mut World<Core>) {
        world.send_waiting();
    }

    /// It is read from the host with every turn.
    fn set_clock(_: &mut World<Core>, _: usize) {}

    fn local(
        world: &mut World<Core>,
        host: usize,
        key: KeyRef<'_>,
        operation: &Operation<&[u8]>,
    ) -> Result<Answer<Bytes>, NotHere> {
        let now = world.hosts[host].clocks.read(world.now).mono;
        let process = world.process(host).expect("only running processes are asked");
        if now.since(process.last_turn) > GAP_NS_MAX && process.store.rules().lateness() {
            return Err(NotHere::Late);
        }
        let copied = |answer: Answer<&[u8]>| answer.map(Bytes::copy_from_slice);
        process.store.apply(key, operation, &process.clock, now, copied)
    }

    fn command(world: &mut World<Core>, host: usize, id: OpId, command: Command) {
        world.deliver(host, Input::Command { id, command }, None);
    }

    fn ask(world: &mut World<Core>, host: usize, command: Command) -> Option<Reply> {
        world.asks(host, command)
    }
}
