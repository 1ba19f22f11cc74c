//! How the world drives processes that run on tokio: up to the next thing in its queue, or until one
//! of them does something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chickadee::ClusterKey;
use chickadee::driver::Env;
use chickadee::handle::{Handle, Mailbox, ReplyTo, Submission, Time as NodeTime};
use chickadee::node::event::{Command, OpId, Reply};
use chickadee::placement::NodeId;
use chickadee::store::{Answer, KeyRef, NotHere, Operation};
use chickadee::tls::NodeKey;
use rand::RngExt;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::deeds::{Deed, Deeds, Doer, Who};
use super::machine::{self, Machine};
use super::wall::Wall;
use crate::plan::Plan;
use crate::streams::{Purpose, bytes, stream};
use crate::time::{Clocks, Time};
use crate::world::hearing::describe;
use crate::world::level::Level;
use crate::world::{Event, Host, Process, World, host_at};

/// Datagrams wait so long behind others at most, in nanoseconds: routers keep no more.
const BACKLOG_NS_MAX: u64 = 500_000_000;
/// A process that goes on does so within so long, in nanoseconds.
const RESUME_NS_MAX: u64 = 2_000_000;
/// While a node is asked something that it answers at once, so many tasks run at most: one that ends
/// never answers.
const ASK_TURNS: usize = 50_000;

/// The level of driver, QUIC and TLS.
#[derive(Debug)]
pub struct Quic {
    runtime: Runtime,
    begun: Instant,
    key: ClusterKey,
    ids: BTreeMap<NodeId, usize>,
    walls: Vec<Wall>,
    deeds: Arc<Deeds>,
    answers: Arc<Mailbox>,
    /// Whom an operation was handed to.
    asked: BTreeMap<OpId, usize>,
}

/// What happens at this level only.
#[derive(Debug)]
pub enum Step {
    /// A datagram arrives.
    Arrive {
        /// From which host.
        from: usize,
        /// At which host.
        to: usize,
        /// What.
        bytes: Bytes,
    },
    /// The tasks of a process that was stopped go on.
    GoOn(Who),
}

impl Level for Quic {
    type Inside = Machine;
    type Step = Step;

    fn found(plan: &Plan, hosts: &mut [Host<Machine>]) -> Quic {
        // The world looks after every task. After more of them it would judge what a node said by
        // what has become of that node since: one that was ready, and owns more by now.
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).event_interval(1).build();
        let runtime = runtime.expect("a runtime without sockets and files needs nothing");
        let begun = runtime.block_on(async { Instant::now() });
        // A ring, and with it owners, of its own for every seed.
        let secret = bytes(plan.seed, Purpose::Node, u64::MAX);
        let key = ClusterKey::generate("simulated", secret).expect("it is a name");
        let mut ids = BTreeMap::new();
        let mut walls = Vec::new();
        for (index, host) in hosts.iter_mut().enumerate() {
            host.id = NodeId(NodeKey::derive(&key, &machine::name(index)).id());
            host.clocks = Clocks { origin_ns: 0, rate_ppm: 0, ..host.clocks };
            ids.insert(host.id, index);
            walls.push(Wall::new(begun, host.clocks));
        }
        let (deeds, answers, asked) = Default::default();
        Quic { runtime, begun, key, ids, walls, deeds, answers, asked }
    }

    fn index(&self, id: NodeId) -> usize {
        self.ids[&id]
    }

    fn reach(world: &mut World<Quic>, at: Time) -> bool {
        if at <= world.now {
            return true;
        }
        let Quic { runtime, begun, deeds, answers, .. } = &world.level;
        let until = *begun + Duration::from_nanos(at.0);
        let mut replies = Vec::new();
        let came = runtime.block_on(async {
            tokio::select! {
                biased;
                () = answers.take(&mut replies) => false,
                () = deeds.wait() => false,
                () = sleep_until(until) => true,
            }
        });
        world.read_clock();
        for (number, reply) in replies {
            let id = OpId(number);
            if let Some(host) = world.level.asked.remove(&id) {
                world.answered(host, id, reply);
            }
        }
        for (who, deed) in world.level.deeds.take() {
            world.done(who, deed);
        }
        came
    }

    fn happen(world: &mut World<Quic>, step: Step) {
        match step {
            Step::Arrive { from, to, bytes } => world.arrive_datagram(from, to, bytes),
            Step::GoOn(who) => {
                if let Some(process) = world.process(who.host)
                    && world.hosts[who.host].life == who.life
                    && process.stalled.is_none()
                {
                    process.inside.gate.open();
                }
            }
        }
    }

    fn start(world: &mut World<Quic>, host: usize, seeded: bool) {
        let who = Who { host, life: world.hosts[host].life };
        let options = &world.plan.options;
        let mut config = machine::config(options, host, &world.level.key);
        config.listen = world.hosts[host].addr;
        if seeded {
            let seeds = world.hosts.iter().take(options.nodes.min(3));
            config.seeds = seeds.map(|seed| seed.addr.to_string()).collect();
        }
        let number = (host as u64) << 32 | u64::from(who.life);
        let env = Env {
            time: NodeTime::since(world.level.begun, Arc::new(world.level.walls[host].clone())),
            rng: stream(world.plan.seed, Purpose::Node, number),
        };
        let doer = Doer::new(who, world.level.deeds.clone());
        let inside = world.level.runtime.enter();
        let machine = Machine::start(config, env, &doer);
        drop(inside);
        let (store, clock) = machine.running.handle.inside();
        let (store, clock) = (store.clone(), clock.clone());
        let now = world.hosts[host].clocks.read(world.now).mono;
        world.hosts[host].process = Some(Process::new(machine, store, clock, now));
    }

    fn stop(world: &mut World<Quic>, host: usize) {
        if let Some(process) = world.process(host) {
            process.inside.running.begin_stop();
        }
    }

    fn kill(world: &mut World<Quic>, host: usize) {
        let _inside = world.level.runtime.enter();
        if let Some(process) = world.hosts[host].process.take() {
            process.inside.kill();
        }
    }

    fn stall(world: &mut World<Quic>, host: usize) {
        if let Some(process) = world.process(host) {
            process.inside.gate.close();
        }
    }

    fn resume(world: &mut World<Quic>, host: usize) {
        let who = Who { host, life: world.hosts[host].life };
        let at = world.now.plus_ns(world.schedule.random_range(0..RESUME_NS_MAX));
        world.then(at, Step::GoOn(who));
    }

    /// QUIC finds out by itself.
    fn mended(_: &mut World<Quic>) {}

    fn set_clock(world: &mut World<Quic>, host: usize) {
        world.level.walls[host].set(world.hosts[host].clocks);
    }

    fn local(
        world: &mut World<Quic>,
        host: usize,
        key: KeyRef<'_>,
        operation: &Operation<&[u8]>,
    ) -> Result<Answer<Bytes>, NotHere> {
        let handle = world.handle(host);
        let _inside = world.level.runtime.enter();
        let copied = |answer: Answer<&[u8]>| answer.map(Bytes::copy_from_slice);
        handle.local(handle.batch(), key, operation, copied)
    }

    fn command(world: &mut World<Quic>, host: usize, id: OpId, command: Command) {
        let handle = world.handle(host);
        let reply_to = ReplyTo::Mailbox(world.level.answers.clone(), id.0);
        world.level.asked.insert(id, host);
        let mut batch = vec![Submission { command, reply_to }];
        let sent = world.level.runtime.block_on(handle.submit(&mut batch));
        if let Err(failure) = sent {
            world.level.asked.remove(&id);
            world.answered(host, id, Reply::Failed(failure));
        }
    }

    fn ask(world: &mut World<Quic>, host: usize, command: Command) -> Option<Reply> {
        let handle = world.handle(host);
        let asked = async {
            let mut asked = std::pin::pin!(handle.ask(command));
            for _ in 0..ASK_TURNS {
                // Never idle: time would pass, and what is sent meanwhile would arrive too late.
                tokio::select! {
                    biased;
                    reply = &mut asked => return reply.ok(),
                    () = yield_now() => {}
                }
            }
            None
        };
        let reply = world.level.runtime.block_on(asked);
        // What it answered was true when it answered, and may not be what was seen before.
        world.read_clock();
        reply
    }
}

impl World<Quic> {
    fn handle(&self, host: usize) -> Handle {
        self.process(host).expect("only running processes are asked").inside.running.handle.clone()
    }

    /// Takes note of the time, and of what processes show of themselves by then.
    fn read_clock(&mut self) {
        let inside = self.level.runtime.enter();
        self.now = Time(self.level.begun.elapsed().as_nanos() as u64);
        drop(inside);
        for host in &mut self.hosts {
            if let Some(process) = host.process.as_mut().filter(|p| p.stalled.is_none()) {
                process.last_turn = host.clocks.read(self.now).mono;
                process.inside.look();
            }
        }
    }

    /// Takes note of what a process did.
    fn done(&mut self, who: Who, deed: Deed) {
        let Who { host, life } = who;
        let lives = self.hosts[host].life == life && self.hosts[host].process.is_some();
        match deed {
            // It left before the process ended.
            Deed::Sent { to, bytes } => {
                if let Some(to) = host_at(to).filter(|to| *to < self.hosts.len()) {
                    self.depart_datagram(host, to, bytes);
                }
            }
            Deed::Said(bytes) => {
                self.traffic[host].sent(&bytes);
                self.learn(host, &bytes);
                self.trace.frame(self.now, host, "sends", || describe(&bytes));
            }
            Deed::Noticed(notice) if lives => {
                self.trace.note(self.now, host, format!("{notice:?}").as_bytes());
                self.noticed(host, &notice);
            }
            Deed::Exited if lives => self.at(self.now, Event::Exit { host, life }),
            Deed::Noticed(_) | Deed::Exited => {}
        }
    }

    fn depart_datagram(&mut self, from: usize, to: usize, bytes: Bytes) {
        if self.network.backlog_ns(from, to, self.now) > BACKLOG_NS_MAX {
            return;
        }
        let queued = self.network.queue_ns(from, to, bytes.len(), self.now);
        let copies = match (self.network.lost(), self.network.doubled()) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..copies {
            let ns = self.network.delay_ns(from, to);
            let at = self.network.arrival(from, to, self.now.plus_ns(queued + ns));
            let step = Step::Arrive { from, to, bytes: bytes.clone() };
            self.then(at, step);
        }
    }

    fn arrive_datagram(&mut self, from: usize, to: usize, bytes: Bytes) {
        if !self.network.passes(from, to) {
            return;
        }
        let meta = [from as u64, bytes.len() as u64].map(u64::to_le_bytes);
        self.trace.note(self.now, to, meta.as_flattened());
        let addr = self.hosts[from].addr;
        if let Some(process) = self.process(to) {
            process.inside.socket.arrive(addr, bytes);
        }
    }
}
