//! What the driver does for a node, with the queue of the world in the place of sockets and clocks:
//! hand it an input, carry out its outputs, call it when it wants to be called.

use std::num::NonZeroU8;
use std::sync::Arc;

use chickadee::node::codec::Kind;
use chickadee::node::event::{Command, Input, OpId, Output, Reply};
use chickadee::node::membership::Identity;
use chickadee::node::{Node, Options};
use chickadee::placement::{Generation, Life, PartitionCount, Zone};
use chickadee::store::{Clock, Store, StoreOptions, Writer};

use super::core::{Core, Held, Machine, Step};
use super::{Process, World};
use crate::checkers::turns::{self, Work};
use crate::streams::{Purpose, bytes, stream};
use crate::time::Time;
use rand::RngExt;

/// Operations of the harness itself are numbered from here.
const ASKED: u64 = 1 << 63;

/// A node that has nothing to do is called so often, in milliseconds: less than the gap that it
/// takes for a stall, and more than it asks for, because most of a run's turns are of this kind.
const IDLE_MS: u64 = 80;

/// Time between two audits with one peer, in milliseconds: short, because a run lasts for minutes,
/// and long in every other run, because an audit also tells how either side stands, and so mends
/// what should not have to be mended.
const AUDIT_MS: [u64; 2] = [2_000, 60_000];

/// Longest value in a simulation, in bytes.
pub const VALUE_BYTES_MAX: usize = 256 << 10;

impl World<Core> {
    pub(super) fn begin_life(&mut self, index: usize, seeded: bool) {
        let now = self.hosts[index].clocks.read(self.now);
        let host = &mut self.hosts[index];
        let number = (index as u64) << 32 | u64::from(host.life);
        let mut rng = stream(self.plan.seed, Purpose::Node, number);
        let (options, rules) = (&self.plan.options, self.plan.rules());
        let store = Arc::new(Store::new(StoreOptions {
            partitions: PartitionCount::new(options.partitions)
                .expect("a plan says a power of two"),
            shards: options.shards,
            memory_bytes_max: options.memory_of(index),
            value_bytes_max: VALUE_BYTES_MAX,
            seed: self.plan.seed,
            rules,
        }));
        let clock = Arc::new(Clock::new(Writer(rng.random()), now).under(rules));
        let bulk_rate = options.bulk_rate;
        let options = Options {
            identity: Identity {
                id: host.id,
                addr: host.addr,
                generation: Generation(now.wall_ms),
                life: Life(now.wall_ms),
                weight: options.weights[index % options.weights.len()],
                zone: match options.zones {
                    0 => Zone::default(),
                    zones => Zone(format!("z{}", index % zones)),
                },
            },
            name: format!("n{index}"),
            replicas: NonZeroU8::new(options.replicas).expect("a plan says at least one"),
            seeded,
            bulk_rate,
            seed: bytes(self.plan.seed, Purpose::Node, number | 1 << 63),
            audit_ms: AUDIT_MS[(self.plan.seed % 2) as usize],
        };
        let node = Node::new(options, Arc::clone(&store), Arc::clone(&clock), now);
        let inside = Machine {
            node,
            inbox: Default::default(),
            links: Default::default(),
            wake: None,
            deadline: Time(0),
        };
        host.process = Some(Process::new(inside, store, clock, now.mono));
        self.handle(index, Input::Tick);
        if seeded {
            self.resolve(index);
        }
    }

    /// Brings something to a process: at once, or behind what has piled up there.
    pub fn deliver(&mut self, host: usize, input: Input, held: Held) {
        let Some(process) = &mut self.hosts[host].process else {
            return self.release(held);
        };
        if process.stalled.is_some() || !process.inside.inbox.is_empty() {
            process.inside.inbox.push_back((input, held));
        } else {
            self.release(held);
            self.handle(host, input);
        }
    }

    /// One turn of the driver.
    pub fn handle(&mut self, host: usize, input: Input) {
        let Lent { now, process } = lend(self, host);
        process.last_turn = now.mono;
        let before = process.inside.node.exchanged().opened;
        process.inside.node.handle(input, now);
        let opened = process.inside.node.exchanged().opened - before;
        let said = self.traffic[host].bytes_of(Kind::Exchange);
        self.outputs(host);
        let said = self.traffic[host].bytes_of(Kind::Exchange) - said;
        let options = &self.plan.options;
        let longest = options.value_bytes.max(options.large_bytes);
        self.complain(turns::judge(self.now, host, Work { opened, said: said as usize }, longest));
        self.schedule_wake(host);
    }

    /// Asks a node something that it answers in the same turn.
    pub(super) fn asks(&mut self, host: usize, command: Command) -> Option<Reply> {
        self.next_operation += 1;
        let id = OpId(ASKED | self.next_operation);
        let Lent { now, process } = lend(self, host);
        process.last_turn = now.mono;
        process.inside.node.handle(Input::Command { id, command }, now);
        let reply = self.outputs(host);
        self.schedule_wake(host);
        reply
    }

    fn outputs(&mut self, host: usize) -> Option<Reply> {
        let mut asked = None;
        while let Some(output) =
            self.hosts[host].process.as_mut().and_then(|p| p.inside.node.poll_output())
        {
            match output {
                Output::Frame { to, lane, bytes, value } => {
                    let bytes = match value.is_empty() {
                        true => bytes,
                        false => [bytes, value].concat().into(),
                    };
                    self.send_frame(host, to, lane, bytes);
                }
                Output::Datagram { to, bytes } => self.send_datagram(host, to, bytes),
                Output::Dial { addr, expected } => self.dial(host, addr, expected),
                Output::Close { peer, reason } => self.close(host, peer, reason),
                Output::Resolve => self.resolve(host),
                Output::Reply { id, reply } if id.0 & ASKED != 0 => asked = Some(reply),
                Output::Reply { id, reply } => self.answered(host, id, reply),
                Output::Notice(notice) => self.noticed(host, &notice),
            }
        }
        asked
    }

    /// Tells a node the addresses of its seeds: the first hosts.
    fn resolve(&mut self, host: usize) {
        let seeds = (0..self.plan.options.nodes.min(3)).map(|seed| self.hosts[seed].addr).collect();
        let life = self.hosts[host].life;
        let input = Input::Seeds(seeds);
        self.then(self.now.plus_ms(1), Step::Input { host, life, input });
    }

    fn schedule_wake(&mut self, host: usize) {
        let Lent { now, process } = lend(self, host);
        // If nothing is due, a turn for its own sake, and as late as a driver may be.
        let idle = process.last_turn.plus_ms(IDLE_MS);
        let deadline = process.inside.node.next_due(now.mono).map_or(idle, |due| due.min(idle));
        let at = self.hosts[host].clocks.when(deadline, self.now);
        let process = self.hosts[host].process.as_mut().expect("just lent");
        process.inside.deadline = at;
        if process.inside.wake.is_some_and(|(wake, _)| wake <= at) {
            // It looks at the deadline when it comes.
            return;
        }
        self.level.epochs += 1;
        let epoch = self.level.epochs;
        process.inside.wake = Some((at, epoch));
        self.then(at, Step::Wake { host, epoch });
    }

    /// A wake-up came: in time, stale, or too early because the node changed its mind.
    pub(super) fn wake(&mut self, host: usize, epoch: u64) {
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        if process.inside.wake.is_none_or(|(_, wanted)| wanted != epoch)
            || process.stalled.is_some()
        {
            return;
        }
        process.inside.wake = None;
        if process.inside.deadline <= now {
            self.handle(host, Input::Tick);
        } else {
            self.schedule_wake(host);
        }
    }

    /// A process goes on after a stop: it takes one thing that has piled up.
    pub(super) fn drain_inbox(&mut self, host: usize, life: u32) {
        if self.hosts[host].life != life || !self.runs(host) {
            return;
        }
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        match process.inside.inbox.pop_front() {
            Some((input, held)) => {
                self.release(held);
                self.handle(host, input);
            }
            None => return,
        }
        let pause = self.schedule.random_range(1_000..20_000);
        let at = self.now.plus_ns(pause);
        self.then(at, Step::Drain { host, life });
    }

    /// A process goes on after a stop: its driver finds what has piled up.
    pub(super) fn go_on(&mut self, host: usize) {
        let (now, life) = (self.now, self.hosts[host].life);
        let start = now.plus_ns(self.schedule.random_range(0..2_000_000));
        self.then(start, Step::Drain { host, life });
        self.level.epochs += 1;
        let epoch = self.level.epochs;
        let at = now.plus_ns(self.schedule.random_range(0..2_000_000));
        let process = self.hosts[host].process.as_mut().expect("just seen");
        process.inside.wake = Some((at, epoch));
        process.inside.deadline = at;
        self.then(at, Step::Wake { host, epoch });
    }
}

struct Lent<'a> {
    now: chickadee::store::Now,
    process: &'a mut Process<Machine>,
}

fn lend(world: &mut World<Core>, host: usize) -> Lent<'_> {
    let now = world.hosts[host].clocks.read(world.now);
    let process = world.hosts[host].process.as_mut().expect("only running processes are called");
    Lent { now, process }
}
