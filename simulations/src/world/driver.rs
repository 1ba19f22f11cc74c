//! What the driver does for a node, with the queue of the world in the place of sockets and clocks:
//! hand it an input, carry out its outputs, call it when it wants to be called.

use std::num::NonZeroU8;
use std::sync::Arc;

use chickadee::node::event::{Command, Input, Notice, OpId, Output, Reply};
use chickadee::node::membership::Identity;
use chickadee::node::{HEARTBEAT_MS, Node, Options};
use chickadee::placement::{Generation, Life, PartitionCount, Zone};
use chickadee::store::{Clock, Store, StoreOptions, Writer};

use super::{Event, Inbound, Process, World};
use crate::checkers::{Violation, staying};
use crate::streams::{Purpose, bytes, stream};
use crate::time::Time;
use rand::RngExt;

/// Operations of the harness itself are numbered from here.
const ASKED: u64 = 1 << 63;

/// A node that has nothing to do is called so often, in milliseconds: less than the gap that it
/// takes for a stall, and more than it asks for, because most of a run's turns are of this kind.
const IDLE_MS: u64 = 80;

/// Longest value in a simulation, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

impl World {
    /// Starts a process on a host: a new life.
    pub fn start(&mut self, index: usize, seeded: bool) {
        if self.hosts[index].process.is_some() {
            return;
        }
        let now = self.hosts[index].clocks.read(self.now);
        let host = &mut self.hosts[index];
        host.life += 1;
        let number = (index as u64) << 32 | u64::from(host.life);
        let mut rng = stream(self.plan.seed, Purpose::Node, number);
        let (options, rules) = (&self.plan.options, self.plan.rules());
        let store = Arc::new(Store::new(StoreOptions {
            partitions: PartitionCount::new(options.partitions)
                .expect("a plan says a power of two"),
            shards: options.shards,
            memory_bytes_max: options.memory_bytes_max,
            value_bytes_max: VALUE_BYTES_MAX,
            seed: self.plan.seed,
            rules,
        }));
        let clock = Arc::new(Clock::new(Writer(rng.random()), now).under(rules));
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
            seed: bytes(self.plan.seed, Purpose::Node, number | 1 << 63),
        };
        let node = Node::new(options, Arc::clone(&store), Arc::clone(&clock), now);
        host.process = Some(Process {
            node,
            store,
            clock,
            stalled: None,
            stopping: false,
            open: false,
            last_turn: now.mono,
            inbox: Default::default(),
            links: Default::default(),
            members: Default::default(),
            waiting: Default::default(),
            evicted: 0,
            wake: None,
            deadline: Time(0),
        });
        let life = host.life;
        self.trace.line(self.now, index, "start", || {
            format!("life {life}{}", if seeded { ", with seeds" } else { "" })
        });
        self.handle(index, Input::Tick);
        if seeded {
            self.resolve(index);
        }
    }

    /// Brings something to a process: at once, or behind what has piled up there.
    pub fn deliver(&mut self, host: usize, input: Input, held: Option<(usize, usize, usize)>) {
        let Some(process) = &mut self.hosts[host].process else {
            return self.release(held);
        };
        if process.stalled.is_some() || !process.inbox.is_empty() {
            process.inbox.push_back(Inbound::Input { input, held });
        } else {
            self.release(held);
            self.handle(host, input);
        }
    }

    /// One turn of the driver.
    pub fn handle(&mut self, host: usize, input: Input) {
        let Lent { now, process } = lend(self, host);
        process.last_turn = now.mono;
        process.node.handle(input, now);
        self.outputs(host);
        self.schedule_wake(host);
    }

    /// Asks a node something that it answers in the same turn.
    pub fn ask(&mut self, host: usize, command: Command) -> Option<Reply> {
        self.next_operation += 1;
        let id = OpId(ASKED | self.next_operation);
        let Lent { now, process } = lend(self, host);
        process.last_turn = now.mono;
        process.node.handle(Input::Command { id, command }, now);
        let reply = self.outputs(host);
        self.schedule_wake(host);
        reply
    }

    fn outputs(&mut self, host: usize) -> Option<Reply> {
        let mut asked = None;
        while let Some(output) =
            self.hosts[host].process.as_mut().and_then(|p| p.node.poll_output())
        {
            match output {
                Output::Frame { to, lane, bytes } => self.send_frame(host, to, lane, bytes),
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

    fn noticed(&mut self, host: usize, notice: &Notice) {
        if let (Notice::Open, Some(process)) = (notice, &mut self.hosts[host].process) {
            process.open = true;
        }
        if let (Notice::Replaced { .. }, None) = (notice, &self.violation) {
            // No plan starts two processes of one name at a time.
            self.violation = Some(Violation {
                invariant: "not replaced",
                at: self.now,
                key: None,
                node: Some(host),
                text: format!("takes its own life for another process: {notice:?}"),
            });
        }
        let violation = staying::judge(self, host, notice);
        self.complain(violation);
        let index = |view: &chickadee::node::event::MemberView| {
            usize::from(u16::from_le_bytes([view.id.0[14], view.id.0[15]]))
        };
        if let Some(process) = &mut self.hosts[host].process {
            match notice {
                Notice::MemberUp(view) => process.members.insert(index(view)),
                Notice::MemberDown(view) => process.members.remove(&index(view)),
                _ => false,
            };
        }
        self.trace.line(self.now, host, "notice", || match notice {
            Notice::MemberUp(view) => format!("n{} is a member", index(view)),
            Notice::MemberSuspect(view) => format!("n{} is suspected", index(view)),
            Notice::MemberDown(view) => format!("n{} is down", index(view)),
            other => format!("{other:?}"),
        });
    }

    /// Tells a node the addresses of its seeds: the first hosts.
    fn resolve(&mut self, host: usize) {
        let seeds = (0..self.plan.options.nodes.min(3)).map(|seed| self.hosts[seed].addr).collect();
        let life = self.hosts[host].life;
        let input = Input::Seeds(seeds);
        self.at(self.now.plus_ms(1), Event::Input { host, life, input });
    }

    fn schedule_wake(&mut self, host: usize) {
        let Lent { now, process } = lend(self, host);
        let mut deadline = process.node.next_deadline(now.mono);
        if deadline == now.mono.plus_ms(HEARTBEAT_MS) {
            // Nothing is due: a turn for its own sake, and as late as a driver may be.
            deadline = process.last_turn.plus_ms(IDLE_MS);
        }
        let at = self.hosts[host].clocks.when(deadline, self.now);
        let process = self.hosts[host].process.as_mut().expect("just lent");
        process.deadline = at;
        if process.wake.is_some_and(|(wake, _)| wake <= at) {
            // It looks at the deadline when it comes.
            return;
        }
        self.epochs += 1;
        let epoch = self.epochs;
        process.wake = Some((at, epoch));
        self.at(at, Event::Wake { host, epoch });
    }

    /// A wake-up came: in time, stale, or too early because the node changed its mind.
    pub(super) fn wake(&mut self, host: usize, epoch: u64) {
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        if process.wake.is_none_or(|(_, wanted)| wanted != epoch) || process.stalled.is_some() {
            return;
        }
        process.wake = None;
        if process.deadline <= now {
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
        match process.inbox.pop_front() {
            Some(Inbound::Input { input, held }) => {
                self.release(held);
                self.handle(host, input);
            }
            Some(Inbound::Operation { record }) => self.submit(record),
            None => return,
        }
        let pause = self.schedule.random_range(1_000..20_000);
        let at = self.now.plus_ns(pause);
        self.at(at, Event::Drain { host, life });
    }

    /// Lets a process go on.
    pub fn resume(&mut self, host: usize) {
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        let Some(from) = process.stalled.take() else {
            return;
        };
        let life = self.hosts[host].life;
        self.history.stalls.push(crate::history::Stall { host, life, from, to: now });
        let process = self.hosts[host].process.as_mut().expect("just seen");
        process.wake = None;
        // Clients are served by other threads than the driver's: either may run first.
        let (operations, inputs): (Vec<_>, Vec<_>) = std::mem::take(&mut process.inbox)
            .into_iter()
            .partition(|inbound| matches!(inbound, Inbound::Operation { .. }));
        process.inbox = inputs.into();
        for inbound in operations {
            if let Inbound::Operation { record } = inbound {
                let at = now.plus_ns(self.schedule.random_range(0..3_000_000));
                self.at(at, Event::Late { record });
            }
        }
        let start = now.plus_ns(self.schedule.random_range(0..2_000_000));
        self.at(start, Event::Drain { host, life });
        self.epochs += 1;
        let epoch = self.epochs;
        let at = now.plus_ns(self.schedule.random_range(0..2_000_000));
        let process = self.hosts[host].process.as_mut().expect("just seen");
        process.wake = Some((at, epoch));
        process.deadline = at;
        self.at(at, Event::Wake { host, epoch });
    }
}

struct Lent<'a> {
    now: chickadee::store::Now,
    process: &'a mut Process,
}

fn lend(world: &mut World, host: usize) -> Lent<'_> {
    let now = world.hosts[host].clocks.read(world.now);
    let process = world.hosts[host].process.as_mut().expect("only running processes are called");
    Lent { now, process }
}
