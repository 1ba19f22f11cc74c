//! The one loop that joins node to net: wait, read the clock, handle, perform outputs.
//!
//! It runs on a thread and a current-thread runtime of its own, so that a host whose runtime is
//! blocked does not get itself suspected. It decides nothing.
//!
//! Clocks, randomness, socket and runtime are given to it ([`Env`]), so that a simulator runs this
//! very loop; and whoever wants to know what happens in it is told ([`Observer`]).

mod account;
mod env;
mod running;
mod said;
mod waiting;
mod ways;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use crate::config::{ARRIVING_PARTS, Config, PEER_QUEUE_BYTES_MAX, UNDER_WAY_MAX};
use crate::error::{EndError, StartError};
use crate::handle::{Handle, Submission, Time};
use crate::net::{self, DialError, Endpoint, Event, EventReceiver, LinkId};
use crate::node::event::{Command, Input, LARGE_LANE, Notice, Output, Reply};
use crate::node::membership::Identity as Member;
use crate::node::refused::Refused;
use crate::node::{Node, Options};
use crate::placement::{Generation, Life, NodeId, Zone};
use crate::store::{Clock, Mono, Rules, Store, StoreOptions, Writer};

use account::Account;
pub use env::{Env, Observer};
use running::Naming;
pub use running::{Running, Stage};
use said::{Said, Topic};
use waiting::{Held, Waiting, is_large};
use ways::Ways;

/// Most events and commands handled between two drains of the outputs.
const BATCH_MAX: usize = 512;
/// Bytes waiting for a peer that answers, beyond which no new commands are taken.
const CONGESTED_BYTES: usize = 8 << 20;
/// The Hello of links to come is made anew so often, in milliseconds: it tells a time, and digests of
/// what the node knows.
const HELLO_MS: u64 = 100;
/// Code with which a Hello is refused.
const REFUSED: u32 = 1;
/// Time between two audits with one peer, in milliseconds: each partition of 1,024 twice a day.
const AUDIT_MS: u64 = 60_000;
/// A turn that took longer is logged, in microseconds.
const LOGGED_US: u64 = 5_000;
/// How long a stopping node goes on for operations under way, in milliseconds.
const DRAIN_MS: u64 = 1_500;
/// How long the last frames are given to reach the peers.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long peers are given to take note of the end.
const GOODBYE: Duration = Duration::from_millis(500);

/// What the seeds' names resolve to, and which do not.
type Resolved = (Vec<SocketAddr>, Vec<String>);

fn net_options(config: &Config) -> net::Options {
    net::Options {
        lane_bytes_max: PEER_QUEUE_BYTES_MAX,
        large_bytes_max: PEER_QUEUE_BYTES_MAX,
        arriving_bytes_max: config.max_memory / ARRIVING_PARTS,
        arriving_bytes_max_of_one: config.max_memory / ARRIVING_PARTS / 2,
        ..net::Options::default()
    }
}

/// What the loop holds.
struct Driver<O = ()> {
    node: Node,
    endpoint: Endpoint,
    events: EventReceiver,
    submissions: mpsc::Receiver<Submission>,
    handle: Handle,
    time: Time,
    seeds: Vec<String>,
    resolved: (mpsc::Sender<Resolved>, mpsc::Receiver<Resolved>),
    resolving: bool,
    /// Of the seeds' names, some did not resolve the last time.
    unresolved: bool,
    name: String,
    ended: Arc<OnceLock<EndError>>,
    stop: mpsc::Receiver<()>,
    stage: watch::Sender<Stage>,
    links: BTreeMap<LinkId, SocketAddr>,
    waiting: Waiting,
    held: Held,
    ways: Ways,
    said: Said,
    /// As whom, and when, it has last said what its Hello is.
    own_hello: (Generation, Mono),
    was_ready: bool,
    /// It has left the cluster for good.
    left: bool,
    observer: O,
}

impl Driver {
    fn bind(config: Config) -> Result<(Running, Driver), StartError> {
        // The name may be the address, which may not be known before binding: bind to learn the
        // port first.
        let listen = match config.listen.port() {
            0 => std::net::UdpSocket::bind(config.listen)
                .and_then(|socket| socket.local_addr())
                .map_err(|source| StartError::Listen { addr: config.listen, source })?,
            _ => config.listen,
        };
        let naming = Naming::new(&config, listen);
        let net = Endpoint::bind(listen, &naming.identity, net_options(&config))
            .map_err(|source| StartError::Listen { addr: listen, source })?;
        Ok(Driver::new(config, naming, Env::real(), net, ()))
    }
}

impl<O: Observer> Driver<O> {
    fn new(
        config: Config,
        naming: Naming,
        env: Env,
        (endpoint, events): (Endpoint, EventReceiver),
        observer: O,
    ) -> (Running, Driver<O>) {
        let Env { time, mut rng } = env;
        let Naming { addr, name, identity } = naming;
        let now = time.now();
        let id = NodeId(identity.id());
        let clock = Arc::new(Clock::new(Writer(rng.random()), now));
        let store = Arc::new(Store::new(StoreOptions {
            partitions: config.partitions,
            shards: 64,
            memory_bytes_max: config.max_memory,
            value_bytes_max: config.value_limit(),
            seed: config.key.hash_seed(),
            rules: Rules::default(),
        }));
        let (handle, submissions) = Handle::new(store.clone(), clock.clone(), time.clone());
        let member = Member {
            id,
            addr,
            generation: Generation(now.wall_ms),
            life: Life(now.wall_ms),
            weight: config.weight,
            zone: Zone(config.zone.clone()),
        };
        let options = Options {
            identity: member,
            name: name.clone(),
            replicas: config.replicas,
            seeded: !config.seeds.is_empty(),
            bulk_rate: config.bulk_rate,
            seed: rng.random(),
            audit_ms: AUDIT_MS,
        };
        let node = Node::new(options, store.clone(), clock, now);
        let own_hello = (node.identity().generation, time.mono());
        endpoint.set_hello(node.hello());
        endpoint.set_ledger(Arc::new(Account(store.clone())));
        let (stop, stopped) = mpsc::channel(1);
        let (stage, watch) = watch::channel(Stage::Joining);
        let ended = Arc::new(OnceLock::new());
        let running = Running {
            handle: handle.clone(),
            id,
            name: name.clone(),
            addr,
            listen_addr: endpoint.local_addr(),
            stage: watch,
            ended: ended.clone(),
            stop,
            thread: None,
        };
        let mut driver = Driver {
            node,
            endpoint,
            events,
            submissions,
            handle,
            time,
            seeds: config.seeds,
            resolved: mpsc::channel(1),
            resolving: false,
            unresolved: false,
            name,
            ended,
            stop: stopped,
            stage,
            links: BTreeMap::new(),
            waiting: Waiting::default(),
            held: Held::default(),
            ways: Ways::new(config.bulk_rate),
            said: Said::default(),
            own_hello,
            was_ready: false,
            left: false,
            observer,
        };
        driver.resolve();
        (running, driver)
    }

    async fn run(mut self) {
        let mut events = Vec::new();
        let mut submissions = Vec::new();
        let mut stopping = None;
        loop {
            let congested = self.is_congested();
            let now = self.time.now();
            let deadline = self.time.instant(self.node.next_deadline(now.mono));
            // Biased, so that a run in simulation does not depend on a generator of tokio's; all
            // that is ready is taken in each turn anyway.
            tokio::select! {
                biased;
                // Also when the other end is dropped, and the node with it; asked once only.
                _ = self.stop.recv(), if stopping.is_none() => {
                    self.turn(Input::Stop);
                    let until = self.time.mono().plus_ms(DRAIN_MS);
                    stopping = Some(until);
                }
                Some((addrs, failed)) = self.resolved.1.recv() => {
                    self.resolving = false;
                    self.unresolved = !failed.is_empty();
                    // One complaint a minute for all names.
                    if !failed.is_empty() && self.said.is_due(Topic::Names) {
                        warn!("cannot resolve seeds ({}); going on trying", failed.join("; "));
                    }
                    self.turn(Input::Seeds(addrs));
                }
                count = self.events.recv_many(&mut events, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                    for event in events.drain(..) {
                        self.on_event(event);
                    }
                }
                _ = self.submissions.recv_many(&mut submissions, BATCH_MAX), if !congested => {}
                () = until(deadline) => self.turn(Input::Tick),
            }
            // Whatever woke the loop: commands must not wait behind a flood of events.
            while !congested
                && submissions.len() < BATCH_MAX
                && let Ok(submission) = self.submissions.try_recv()
            {
                submissions.push(submission);
            }
            for submission in submissions.drain(..) {
                let Driver { held, ways, node, endpoint, .. } = &mut self;
                let room = |command: &Command| ways.have_room(command, node, endpoint);
                if let Some(submission) = held.pass(submission, room) {
                    self.begin(submission);
                }
            }
            let mut passed_over = 0;
            while let Some(next) = self.next_held(&mut passed_over) {
                self.begin(next);
            }
            self.ways.give_up(&self.node, &self.endpoint, self.time.mono());
            self.perform();
            if self.ended.get().is_some() {
                break;
            }
            if self.left && stopping.is_none() {
                // Whoever leaves for good ends.
                self.turn(Input::Stop);
                stopping = Some(self.time.mono().plus_ms(DRAIN_MS));
            }
            if let Some(until) = stopping
                && (self.is_idle() || self.time.mono() >= until)
            {
                break;
            }
        }
        if stopping.is_some() {
            // Whatever is still unanswered: the others are told.
            self.turn(Input::Stop);
            self.perform();
        }
        if self.left {
            let _ = self.ended.set(EndError::Left);
        }
        // No local answer any more: the others go on without this node from here.
        self.handle.shared().last_turn.store(0, Ordering::Release);
        let callers = self.waiting.drain();
        for caller in callers.chain(self.held.drain().map(|held| held.reply_to)) {
            caller.send(Reply::Failed(self.handle.shared().end()));
        }
        // What was said last must have left before the links are closed over it.
        tokio::time::sleep(LAST_WORDS).await;
        self.endpoint.shutdown("stopping", GOODBYE).await;
        self.stage.send_replace(Stage::Stopped);
    }

    /// Whether so much is under way, or waits for a peer, that new commands have to wait, too: their
    /// deadlines would pass in the queue. A peer that does not answer at all holds nobody up; what
    /// does not fit its queue is dropped, and it is told.
    fn is_congested(&self) -> bool {
        self.waiting.len() >= UNDER_WAY_MAX
            || self.held.is_full()
            || self.node.reachable().any(|peer| self.endpoint.queued(peer) > CONGESTED_BYTES)
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty()
    }

    /// The next of those that wait for the ways they take, behind so many that go on waiting.
    fn next_held(&mut self, passed_over: &mut usize) -> Option<Submission> {
        let Driver { held, ways, node, endpoint, .. } = self;
        held.next(passed_over, |command| ways.have_room(command, node, endpoint))
    }

    fn begin(&mut self, Submission { command, reply_to }: Submission) {
        let large = is_large(&command);
        let id = self.waiting.add(reply_to);
        self.turn(Input::Command { id, command });
        if large {
            // So that the next one sees what is under way.
            self.perform();
        }
    }

    fn turn(&mut self, input: Input) {
        let now = self.time.now();
        let what = input.word();
        self.node.handle(input, now);
        let us = self.time.mono().since(now.mono) / 1_000;
        self.node.note_turn(us);
        if us > LOGGED_US {
            debug!("a turn for {what} took {us} µs");
        }
        // After the node has noticed a gap, so that no local answer slips in between.
        self.handle.shared().last_turn.store(now.mono.0, Ordering::Release);
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Hello { link, peer, addr, bytes, .. } => {
                match self.node.judge_hello(peer, bytes, self.time.now()) {
                    Ok(generation) => {
                        self.links.insert(link, addr);
                        self.endpoint.accept(link, generation);
                    }
                    Err(refused) => {
                        if self.said.is_due_refused(addr) {
                            warn!("refused the node at {addr}: {refused}");
                        }
                        self.endpoint.refuse(link, REFUSED, &refused.for_the_other());
                        let reason = refused.to_string();
                        let difference = match refused {
                            Refused::Constant(difference) => Some(difference),
                            _ => None,
                        };
                        // Whoever dialed: the address was tried.
                        self.turn(Input::DialFailed { addr, reason, difference });
                    }
                }
                while self.links.len() > 8192 {
                    self.links.pop_first();
                }
            }
            Event::Up { peer, link, .. } => {
                let addr = self.links.get(&link).copied();
                let addr = addr.unwrap_or_else(|| self.endpoint.local_addr());
                self.turn(Input::Up { peer, addr });
            }
            Event::Frames { peer, frames, arrived, .. } => {
                // Counted as arriving until here, as an entry from here on.
                drop(arrived);
                for bytes in frames {
                    self.turn(Input::Frame { from: peer, bytes });
                }
            }
            Event::Datagram { peer, bytes, .. } => {
                self.turn(Input::Datagram { from: peer, bytes });
            }
            Event::Down { peer, reason } => {
                debug!(%peer, "link lost: {reason}");
                self.turn(Input::Down { peer });
            }
            Event::Shared { peer, reason } => match self.said.is_due(Topic::Shared(peer)) {
                true => info!(
                    %peer, "no connection of its own for bulk, which goes over the link: {reason}"
                ),
                false => debug!(%peer, "no connection of its own for bulk: {reason}"),
            },
            Event::DialFailed { addr, error, .. } => {
                let foreign = matches!(error, DialError::AnotherClusterKey);
                let refused = matches!(error, DialError::Refused { .. });
                if (foreign || refused) && self.said.is_due_refused(addr) {
                    match foreign {
                        true => {
                            warn!("{addr} belongs to another cluster: it has another cluster key")
                        }
                        false => warn!("{addr} does not take this node in: {error}"),
                    }
                }
                let reason = error.to_string();
                self.turn(Input::DialFailed { addr, reason, difference: None });
            }
            Event::Refused { addr, reason } => {
                if self.said.is_due_refused(addr) {
                    warn!("the node at {addr} cannot join: {reason}");
                }
                self.turn(Input::DialFailed { addr, reason, difference: None });
            }
            Event::Superseded { generation, addr } => {
                self.turn(Input::Superseded { generation, addr });
            }
            Event::Rejected { addr, another_key, reason } => {
                if another_key && self.said.is_due(Topic::AnotherKey(addr.ip())) {
                    warn!("refused {addr}: it has another cluster key");
                } else {
                    debug!(%addr, "a connection came to nothing: {reason}");
                }
            }
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Frame { to, lane, bytes, value } => self.send(to, lane, bytes, value),
                Output::Datagram { to, bytes } => {
                    self.observer.sends(&bytes, &Bytes::new());
                    if let Err(error) = self.endpoint.datagram(to, bytes) {
                        debug!(%to, "datagram not sent: {error}");
                    }
                }
                Output::Dial { addr, expected } => {
                    self.endpoint.dial(addr, expected);
                }
                Output::Close { peer, reason } => self.endpoint.close(peer, reason),
                Output::Resolve => self.resolve(),
                Output::Reply { id, reply } => {
                    self.left |= matches!(reply, Reply::Left { .. });
                    self.waiting.answer(id, reply);
                }
                Output::Notice(Notice::Ready) if !self.node.ready() => {} // Not any more.
                Output::Notice(notice) => self.on_notice(notice),
            }
        }
        let (generation, now) = (self.node.identity().generation, self.time.mono());
        let (told, at) = self.own_hello;
        if generation != told || now.since(at) >= HELLO_MS * 1_000_000 {
            self.own_hello = (generation, now);
            self.endpoint.set_hello(self.node.hello());
        }
        self.observer.turn(&self.node);
        let shared = self.handle.shared();
        let ready = self.node.ready();
        if shared.ready.swap(ready, Ordering::AcqRel) != ready {
            shared.changed.notify_waiters();
        }
    }

    fn send(&mut self, to: NodeId, lane: u8, bytes: Bytes, value: Bytes) {
        self.observer.sends(&bytes, &value);
        let sent = match lane {
            LARGE_LANE => self.endpoint.send_large(to, [bytes, value]),
            _ => self.endpoint.send(to, lane, bytes),
        };
        // A frame that cannot be queued is lost; whoever waits for its effect has a deadline.
        if let Err(error) = sent {
            debug!(%to, "frame not sent: {error}");
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        self.observer.notice(&notice);
        let name = |view: &crate::node::event::MemberView| match view.name.as_str() {
            "" => view.id.to_string(),
            name => name.to_owned(),
        };
        match notice {
            Notice::MemberUp(view) => info!("member {} is up at {}", name(&view), view.addr),
            Notice::MemberSuspect(view) => info!("member {} is suspected", name(&view)),
            Notice::MemberRefuted(view) => info!("member {} answers again", name(&view)),
            Notice::MemberDown(view) => info!("member {} is down", name(&view)),
            Notice::Rejoined(Generation(generation)) => match self.said.is_due(Topic::Rejoined) {
                true => info!("was declared down meanwhile; back as generation {generation}"),
                false => debug!("back as generation {generation}"),
            },
            Notice::WentAbove(Generation(generation)) => match self.said.is_due(Topic::WentAbove) {
                true => info!(
                    "a former life of this node is remembered with a later generation than the \
                     clock gives now; going on as generation {generation}"
                ),
                false => debug!("going on as generation {generation}"),
            },
            Notice::Replaced { addr, .. } => {
                let error = EndError::Replaced { name: self.name.clone(), addr };
                error!("{error}; this one ends, since the others talk to that one");
                self.end(error);
            }
            // A name that does not resolve now may lead to a node of the same kind later.
            Notice::Unfit { .. } if self.unresolved => {}
            Notice::Unfit { addr, difference } => {
                let problem = format!(
                    "{}; it is the same on every node of a cluster",
                    difference.told(&format!("the node at {addr}"))
                );
                self.end(EndError::Unfit { setting: difference.setting(), problem });
            }
            Notice::Alone { .. } if self.seeds.is_empty() => {
                info!("nobody has called, and there is no seed to ask: serving alone");
            }
            Notice::Alone { seeds } => {
                let seeds: Vec<_> =
                    seeds.iter().map(|(addr, reason)| format!("{addr}: {reason}")).collect();
                let seeds = if seeds.is_empty() { "by name".to_owned() } else { seeds.join("; ") };
                warn!("no seed takes this node in ({seeds}): serving alone, and going on trying");
            }
            Notice::Open => {
                self.stage.send_replace(Stage::Open);
            }
            Notice::Ready if self.was_ready => debug!("ready again"),
            Notice::Ready => {
                self.was_ready = true;
                info!("ready: this node has all of what it owns");
            }
            Notice::Stalled { ms } => {
                warn!("this node did not run for {ms} ms; checking what it missed");
            }
            Notice::SeedFailed { addr, reason } => {
                if self.said.is_due(Topic::Unreachable(addr)) {
                    info!("cannot reach {addr}: {reason}; going on trying");
                } else {
                    debug!("cannot reach {addr}: {reason}");
                }
            }
            Notice::Dropped { peer, reason } => {
                if self.said.is_due(Topic::Dropped) {
                    warn!(%peer, "dropped what a peer sent: {reason}");
                }
            }
            Notice::ClockOff { lead_ms } => {
                warn!("the wall clock leads the time of the cluster by {lead_ms} ms: not followed");
            }
        }
    }

    /// The node ends by itself; the loop sees it after this turn.
    fn end(&self, error: EndError) {
        let shared = self.handle.shared();
        // From here on no local answer is given, either.
        shared.last_turn.store(0, Ordering::Release);
        let replaced = matches!(error, EndError::Replaced { .. });
        shared.replaced.store(replaced, Ordering::Release);
        let _ = self.ended.set(error);
    }

    /// Resolves the seeds' names to all of their addresses; never blocks the loop.
    fn resolve(&mut self) {
        if self.resolving || self.seeds.is_empty() {
            return;
        }
        let literal: Result<Vec<SocketAddr>, _> = self.seeds.iter().map(|s| s.parse()).collect();
        if let Ok(addrs) = literal {
            return self.turn(Input::Seeds(addrs));
        }
        self.resolving = true;
        let (seeds, resolved) = (self.seeds.clone(), self.resolved.0.clone());
        tokio::spawn(async move {
            let (mut addrs, mut failed) = (Vec::new(), Vec::new());
            for seed in seeds {
                match lookup(&seed).await {
                    Ok(found) => addrs.extend(found),
                    Err(error) => failed.push(format!("{seed}: {error}")),
                }
            }
            let _ = resolved.send((addrs, failed)).await;
        });
    }
}

/// Not before the others had a turn; what is due already does not wait for the next millisecond.
async fn until(deadline: tokio::time::Instant) {
    match deadline <= tokio::time::Instant::now() {
        true => tokio::task::yield_now().await,
        false => tokio::time::sleep_until(deadline).await,
    }
}

/// All addresses of a seed, within two seconds.
async fn lookup(seed: &str) -> std::io::Result<Vec<SocketAddr>> {
    let found = tokio::time::timeout(Duration::from_secs(2), tokio::net::lookup_host(seed));
    Ok(found.await.map_err(std::io::Error::from)??.take(64).collect())
}
