//! The world: hosts, their network, their clients, and one queue of everything that is to happen.
//!
//! The queue is ordered by virtual time, then by the order of putting in, so nothing depends on
//! chance that the seed does not give. Nothing here waits, reads a clock, or draws from the
//! operating system.
//!
//! What is the same whatever runs the processes:
//! * [`clients`]: local operations, and the clients that ask for them.
//! * [`faults`]: what goes wrong.
//! * [`watch`]: what is looked at meanwhile; [`hearing`]: what processes say.
//! * [`level`]: what a level has to bring.
//!
//! The level of the state machine:
//! * [`core`]: the level itself.
//! * [`driver`]: what a node's driver does, in simulation.
//! * [`wire`]: dials, links, frames, datagrams.

pub mod clients;
pub mod core;
pub mod driver;
pub mod faults;
pub mod hearing;
pub mod level;
mod queue;
pub mod settled;
pub mod watch;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chickadee::node::event::OpId;
use chickadee::placement::NodeId;
use chickadee::store::{Clock, Mono, Store};
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use crate::checkers::Violation;
use crate::checkers::replica::Replicas;
use crate::checkers::stamps::Contents;
use crate::history::History;
use crate::network::Network;
use crate::plan::Plan;
use crate::samples::{Sample, Told};
use crate::streams::{Purpose, stream};
use crate::time::{Clocks, Time};
use crate::trace::Trace;
use crate::traffic::Traffic;
use clients::Client;
use level::Level;
use queue::Queue;
use settled::ReadySince;

/// What is to happen. `S` is what happens at one level only.
#[derive(Debug)]
pub enum Event<S> {
    /// A client's next operation is due.
    Client(usize),
    /// A client's operation reaches a process that goes on after a stop.
    Late {
        /// The record of the operation.
        record: usize,
    },
    /// A fault of the plan.
    Fault(usize),
    /// A process that stops gracefully is gone.
    Exit {
        /// Which host.
        host: usize,
        /// Which life.
        life: u32,
    },
    /// Look at everything.
    Watch,
    /// Something that only this level knows.
    Step(S),
}

/// A running, or stopped, process.
pub struct Process<I> {
    /// What runs it.
    pub inside: I,
    /// Its entries.
    pub store: Arc<Store>,
    /// Its hybrid clock.
    pub clock: Arc<Clock>,
    /// Stopped since, as by SIGSTOP.
    pub stalled: Option<Time>,
    /// It said goodbye and exits.
    pub stopping: bool,
    /// Whether its doors are open.
    pub open: bool,
    /// When the driver last had a turn, by its own clock.
    pub last_turn: Mono,
    /// Operations of clients, by their records, that wait for it to go on.
    pub late: Vec<usize>,
    /// Members that its node has told of, and not that they are down, by host.
    pub members: BTreeSet<usize>,
    /// Operations handed to the node, with their records.
    pub waiting: BTreeMap<OpId, usize>,
    /// Since when its partitions are ready.
    pub ready_since: ReadySince,
    /// How far each of its partitions had come, and how often it had been dropped, when it was last
    /// looked at.
    pub looked_at: Vec<Option<(u64, u64)>>,
    /// Entries evicted when it was last looked at.
    pub evicted: u64,
    /// Entries condemned when it was last looked at.
    pub condemned: u64,
}

impl<I> Process<I> {
    /// A process at the beginning of its life.
    pub fn new(inside: I, store: Arc<Store>, clock: Arc<Clock>, now: Mono) -> Process<I> {
        Process {
            inside,
            store,
            clock,
            stalled: None,
            stopping: false,
            open: false,
            last_turn: now,
            late: Vec::new(),
            members: BTreeSet::new(),
            waiting: BTreeMap::new(),
            ready_since: ReadySince::new(),
            looked_at: Vec::new(),
            evicted: 0,
            condemned: 0,
        }
    }
}

/// A machine, and the process on it.
pub struct Host<I> {
    /// Who its node is, in every life.
    pub id: NodeId,
    /// Where.
    pub addr: SocketAddr,
    /// Its clocks.
    pub clocks: Clocks,
    /// Lives so far.
    pub life: u32,
    /// The process, if there is one.
    pub process: Option<Process<I>>,
    /// When it went on last after a stop.
    pub since: Time,
    /// It left for good.
    pub left: bool,
}

/// The world.
pub struct World<L: Level> {
    /// What runs the processes.
    pub level: L,
    /// What is run.
    pub plan: Plan,
    /// Virtual time.
    pub now: Time,
    /// The machines.
    pub hosts: Vec<Host<L::Inside>>,
    /// Between them.
    pub network: Network,
    /// The clients.
    pub clients: Vec<Client>,
    /// What clients did and were told.
    pub history: History,
    /// What happened.
    pub trace: Trace,
    /// What replicas were seen to hold.
    pub replicas: Replicas,
    /// The contents of all versions seen.
    pub contents: Contents,
    /// What was sent, by host.
    pub traffic: Vec<Traffic>,
    /// What was measured so far, if anybody wants to know.
    pub samples: Option<Vec<Sample>>,
    /// What the nodes told their operators meanwhile.
    pub told: Vec<Told>,
    /// The first broken invariant seen while running.
    pub violation: Option<Violation>,
    /// Whether operations of the plan are still begun.
    pub serving: bool,
    /// Events handled.
    pub events: u64,
    /// For the order in which a process that was stopped finds what has piled up.
    pub schedule: ChaCha12Rng,
    /// The rings that were judged last, by host.
    rings: Vec<(usize, u64)>,
    queue: Queue<Event<L::Step>>,
    next_operation: u64,
}

impl<L: Level> World<L> {
    /// A world at the beginning of a plan.
    pub fn new(plan: Plan, trace: Trace) -> World<L> {
        let seed = plan.seed;
        let mut schedule = stream(seed, Purpose::Schedule, 0);
        let hosts = (0..plan.nodes()).map(|index| host(index, &plan, &mut schedule));
        let mut hosts: Vec<_> = hosts.collect();
        let level = L::found(&plan, &mut hosts);
        let network = Network::new(&plan.options, plan.nodes(), stream(seed, Purpose::Network, 0));
        let mut world = World {
            level,
            now: Time(0),
            hosts,
            network,
            clients: clients::clients(&plan),
            history: History::default(),
            trace,
            replicas: Replicas::default(),
            contents: Contents::new(plan.clocks_off_ms_max()),
            traffic: vec![Traffic::default(); plan.nodes()],
            samples: None,
            told: Vec::new(),
            violation: None,
            serving: true,
            events: 0,
            schedule,
            rings: Vec::new(),
            queue: Queue::default(),
            next_operation: 0,
            plan,
        };
        for index in 0..world.plan.faults.len() {
            let at = world.plan.faults[index].time();
            world.at(at, Event::Fault(index));
        }
        for client in 0..world.clients.len() {
            world.schedule_client(client);
        }
        world.schedule_watch();
        world
    }

    /// Puts an event into the queue.
    pub fn at(&mut self, at: Time, event: Event<L::Step>) {
        self.queue.push(at, event);
    }

    /// Puts something of the level into the queue.
    pub fn then(&mut self, at: Time, step: L::Step) {
        self.at(at, Event::Step(step));
    }

    /// Lets everything happen up to that time, or to the first broken invariant.
    pub fn run_until(&mut self, end: Time) {
        while self.violation.is_none() {
            let next = self.queue.next().filter(|at| *at <= end);
            if !L::reach(self, next.unwrap_or(end)) {
                // Something came of it, and may come first.
                continue;
            }
            if next.is_none() {
                break;
            }
            let next = self.queue.pop().expect("just seen");
            self.events += 1;
            self.happen(next);
        }
    }

    fn happen(&mut self, event: Event<L::Step>) {
        match event {
            Event::Step(step) => L::happen(self, step),
            Event::Client(client) => self.client_due(client),
            Event::Late { record } => self.submit(record),
            Event::Fault(index) => {
                let fault = self.plan.faults[index].what.clone();
                self.apply(&fault);
            }
            Event::Exit { host, life } => {
                if self.hosts[host].life == life {
                    self.crash(host);
                }
            }
            Event::Watch => self.watch(),
        }
    }

    /// The index of a host by its node's id.
    pub fn index(&self, id: NodeId) -> usize {
        self.level.index(id)
    }

    /// What all hosts sent.
    pub fn sent(&self) -> Traffic {
        let mut all = Traffic::default();
        self.traffic.iter().for_each(|traffic| all += *traffic);
        all
    }

    /// The process of a host.
    pub fn process(&self, host: usize) -> Option<&Process<L::Inside>> {
        self.hosts[host].process.as_ref()
    }

    /// Whether a process is there and runs.
    pub fn runs(&self, host: usize) -> bool {
        self.process(host).is_some_and(|p| p.stalled.is_none())
    }
}

/// The index of the host at an address.
pub(crate) fn host_at(addr: SocketAddr) -> Option<usize> {
    match addr {
        SocketAddr::V4(addr) => {
            let [_, _, high, low] = addr.ip().octets();
            Some(usize::from(u16::from_be_bytes([high, low])))
        }
        SocketAddr::V6(_) => None,
    }
}

fn host<I>(index: usize, plan: &Plan, rng: &mut ChaCha12Rng) -> Host<I> {
    let options = &plan.options;
    // Random, so that the ring is another one with every seed; the index at the end, to find the
    // host again.
    let mut id = [0; 16];
    rng.fill(&mut id);
    id[14..].copy_from_slice(&(index as u16).to_le_bytes());
    let [high, low] = (index as u16).to_be_bytes();
    let (rate, wall_rate) = (options.rate_ppm_max, options.wall_rate_ppm_max);
    let off = options.wall_off_ms_max;
    Host {
        id: NodeId(id),
        addr: SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 7379)),
        clocks: Clocks {
            origin_ns: rng.random_range(0..1 << 44),
            rate_ppm: rng.random_range(-rate..=rate),
            wall_ahead_ms: rng.random_range(-off..=off),
            wall_rate_ppm: rng.random_range(-wall_rate..=wall_rate),
        },
        life: 0,
        process: None,
        since: Time::default(),
        left: false,
    }
}
